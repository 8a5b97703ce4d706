//! The running terminator: start, serve, reload and drain.
//!
//! [`server`] assembles everything and lives through start, reload and drain. Each [`worker`] has
//! [`listeners`] of its own, which it [`accept`]s from, and serves each [`connection`] to its end:
//! a header of the [`proxy_protocol`], the handshake in [`tls`], and then a [`tunnel`] to an
//! [`upstream`], or the [`demo`], which answers by itself. Sessions are shared with a [`fleet`].
//! [`live`] is what a [`reload`] replaces, made of [`parts`].

mod accept;
mod background;
mod client;
mod client_socket;
mod connection;
mod deadlines;
mod demo;
mod fleet;
mod frontend;
mod listeners;
mod live;
mod parts;
mod proxy_protocol;
mod reload;
mod server;
mod shared_buffer;
mod signals;
mod sockets;
mod tls;
mod tunnel;
mod upstream;
mod watchdog;
mod worker;

pub(crate) use self::fleet::{FleetStatus, OpenedFleet, SharedFleet};
pub(crate) use self::server::run;
pub(crate) use self::tls::{
    CipherSuites, Ciphers, ClientAuth, Groups, HandshakeError, Identity, IdentityFiles,
    SessionIdContext, handshake_kind,
};
pub(crate) use self::upstream::{UpstreamStatus, Upstreams};
