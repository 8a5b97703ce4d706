//! Files of TLS session ticket keys, for a [`TicketRing`](rekindle::tickets::TicketRing).
//!
//! - [`TicketKeyFormat`] reads and writes the formats of nginx, HAProxy, Apache httpd, OpenSSL,
//!   Envoy, h2o and Traffic Server; [`parse_secret`] and [`secret_text`] those of a secret that
//!   keys are derived from.
//! - [`TicketKeyFile`] reads a file or a folder at start-up, and again when it has changed. A
//!   [`Notice`] tells what the operator should know of it.
//! - [`KeyCheck`] tells what a set of keys would do before it is put in place.

#[cfg(target_os = "linux")]
mod access;
#[cfg(not(target_os = "linux"))]
#[path = "access_elsewhere.rs"]
mod access;
mod by_position;
mod codec;
mod dry_run;
mod encoded;
mod error;
mod exposure;
mod folder;
mod format;
mod h2o;
mod haproxy;
mod key_file;
mod notice;
mod read;
mod reader;
mod records;
mod secret_file;
mod write_error;

pub use access::{exposure, is_mount_point};
pub use dry_run::{KeyCheck, Warning};
pub use error::{TicketFileError, TicketFileFault};
pub use exposure::Exposure;
pub use format::{TicketKeyFormat, UnknownFormat};
pub use key_file::{Reload, TicketKeyFile};
pub use notice::{FolderOrder, Notice};
pub use read::{KeyFileContent, KeyFileRead, read_secret};
pub use secret_file::{SecretFile, parse_secret, secret_text};
pub use write_error::WriteError;
