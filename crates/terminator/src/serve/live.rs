//! What a reload replaces: everything that decides how a new connection is served.

use std::time::Duration;

use super::demo::Demo;
use super::tls::Sites;
use super::tunnel::Tunnel;

/// How new connections are served. Open ones go on as they began.
#[derive(Debug)]
pub(super) struct Live {
    pub(super) sites: Sites,
    /// Whether each connection begins with a header of the PROXY protocol.
    pub(super) accept_proxy: bool,
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
