//! TLS of the clients: certificates and the names that they are for, contexts, handshakes.
//!
//! [`identity`] reads certificates with their keys, [`client_auth`] whom clients' certificates are
//! verified with. [`sites`] makes a [`context`] for each set of [`names`] and chooses among them by
//! the ClientHello. [`handshake`] runs with what was chosen, and gives a [`stream`].

mod client_auth;
mod context;
mod fetch;
mod handshake;
mod identity;
mod lists;
mod names;
mod references;
mod session_id_context;
mod sites;
mod stream;
mod validity;

pub(crate) use self::client_auth::ClientAuth;
pub(crate) use self::context::ContextSettings;
pub(crate) use self::fetch::SessionFetch;
pub(crate) use self::handshake::{HandshakeError, handshake_kind};
pub(crate) use self::identity::{Identity, IdentityFiles, hex};
pub(super) use self::identity::{bad as bad_file, read as read_file};
pub(crate) use self::lists::{CipherSuites, Ciphers, Groups};
pub(crate) use self::session_id_context::SessionIdContext;
pub(crate) use self::sites::Sites;
pub(crate) use self::stream::TlsStream;
pub(crate) use self::validity::report;
