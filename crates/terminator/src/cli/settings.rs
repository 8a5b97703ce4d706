//! The settings of a terminator that serves.

use std::path::PathBuf;
use std::time::Duration;

use super::address::Address;
use super::tickets::TicketSettings;
use crate::serve::SessionIdContext;

/// What the terminator runs by. Whatever the command line could get wrong has been refused before this exists.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) listen: Address,
    pub(crate) admin: Option<Address>,
    pub(crate) service: ServiceSettings,
    pub(crate) sessions: usize,
    pub(crate) session_timeout: Duration,
    pub(crate) stateless_tickets: bool,
    pub(crate) tickets: TicketSettings,
    pub(crate) full_handshake_max_age: Duration,
    pub(crate) session_id_context: SessionIdContext,
    pub(crate) threads: Option<usize>,
    pub(crate) handshake_timeout: Duration,
    pub(crate) max_connections: usize,
    pub(crate) drain_timeout: Duration,
}

/// Who answers the decrypted bytes.
#[derive(Debug)]
pub(crate) enum ServiceSettings {
    Proxy {
        upstream: Address,
        cert: PathBuf,
        key: PathBuf,
    },
    Demo,
}
