//! What a reload replaces: everything that decides how a new connection is served.

use std::time::Duration;

use super::demo::Demo;
use super::proxy_protocol::Version;
use super::tls::Sites;
use super::tunnel::Tunnel;

/// How new connections are served. Open ones go on as they began.
#[derive(Debug)]
pub(super) struct Live {
    pub(super) sites: Sites,
    /// The versions of the PROXY protocol, with a header of which each connection begins. Empty for
    /// none.
    pub(super) proxy_protocol_in: &'static [Version],
    pub(super) early_data: bool,
    pub(super) handshake_timeout: Duration,
    /// What the connections get to finish when the process ends.
    pub(super) drain_timeout: Duration,
    pub(super) service: Service,
}

/// What answers the decrypted bytes.
#[derive(Debug)]
pub(super) enum Service {
    Tunnel(Tunnel),
    Demo(Demo),
}
