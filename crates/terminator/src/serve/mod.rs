//! The running terminator: start, serve, reload and drain.
//!
//! [`server`] assembles everything and lives through start, reload and drain. [`accept`] takes
//! connections and runs the handshake in [`tls`], with what [`context`] makes. A connection then
//! belongs to [`tunnel`], which reaches the upstream by [`connect`] and forwards to it, or to
//! [`demo`], which answers by itself.

mod accept;
mod background;
mod connect;
mod context;
mod demo;
mod identity;
mod reload;
mod server;
mod session_id_context;
mod signals;
mod sockets;
mod tls;
mod tls_lists;
mod tunnel;
mod validity;

pub(crate) use self::identity::{Identity, IdentityFiles, first_reason};
pub(crate) use self::server::run;
pub(crate) use self::session_id_context::SessionIdContext;
pub(crate) use self::tls::HandshakeError;
pub(crate) use self::tls_lists::{CipherSuites, Ciphers, Groups};
