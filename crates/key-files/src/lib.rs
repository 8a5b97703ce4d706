//! Files of TLS session ticket keys, for a [`TicketRing`](rekindle::tickets::TicketRing).
//!
//! - [`TicketKeyFormat`] reads and writes the formats of nginx, HAProxy, Apache httpd, OpenSSL,
//!   Envoy, h2o and Traffic Server; [`parse_secret`] and [`secret_text`] those of a secret that
//!   keys are derived from.
//! - [`TicketKeyFile`] reads a file or a folder at start-up, and again when it has changed.
//! - [`KeyCheck`] tells what a set of keys would do before it is put in place.

mod by_position;
mod codec;
mod dry_run;
mod error;
mod format;
mod h2o;
mod haproxy;
mod key_file;
mod read;
mod records;
mod secret_text;
mod write_error;

pub use dry_run::{KeyCheck, Warning};
pub use error::{TicketFileError, TicketFileFault};
pub use format::{TicketKeyFormat, UnknownFormat};
pub use key_file::{Reload, TicketKeyFile};
pub use read::{KeyFileContent, read_secret};
pub use secret_text::{parse_secret, secret_text};
pub use write_error::WriteError;
