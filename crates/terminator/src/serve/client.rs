//! A client after its handshake, or after its early data.

use std::net::SocketAddr;

use super::proxy_protocol::Addresses;
use super::tls::TlsStream;

/// A client that may be served.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) stream: TlsStream,
    /// Early data: the client has not finished its handshake then.
    pub(super) early: Vec<u8>,
    /// Those that the header of the PROXY protocol has named.
    pub(super) named: Option<Addresses>,
    pub(super) peer: SocketAddr,
}
