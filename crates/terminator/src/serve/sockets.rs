//! Socket options of both sides of a proxied connection.

use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};

/// Finds a peer that vanished without FIN or reset after about two minutes, and frees its slot.
const KEEPALIVE: TcpKeepalive = TcpKeepalive::new()
    .with_time(Duration::from_secs(60))
    .with_interval(Duration::from_secs(15))
    .with_retries(4);

/// Sends small writes at once (`TCP_NODELAY`) and detects dead peers (`SO_KEEPALIVE`).
///
/// Linux copies both options from a listener to the connections that it accepts.
pub(super) fn set_options(socket: &impl AsFd) -> io::Result<()> {
    let socket = SockRef::from(socket);
    socket.set_tcp_nodelay(true)?;
    socket.set_tcp_keepalive(&KEEPALIVE)
}
