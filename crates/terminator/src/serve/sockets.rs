//! Options of sockets, and the kernel's limit on open files, which limits connections.

use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

use rustix::process::{Resource, getrlimit, setrlimit};
use socket2::{SockRef, TcpKeepalive};
use tracing::{info, warn};

/// Files that are open under any load: listeners, runtime, log, admin connections.
const RESERVE: u64 = 128;

/// Finds a peer that vanished without FIN or reset after about two minutes, and frees its slot.
const KEEPALIVE: TcpKeepalive = TcpKeepalive::new()
    .with_time(Duration::from_secs(60))
    .with_interval(Duration::from_secs(15))
    .with_retries(4);

/// For both sides of a proxied connection: sends small writes at once (`TCP_NODELAY`) and detects
/// dead peers (`SO_KEEPALIVE`).
///
/// Linux copies both options from a listener to the connections that it accepts.
pub(super) fn set_options(socket: &impl AsFd) -> io::Result<()> {
    let socket = SockRef::from(socket);
    socket.set_tcp_nodelay(true)?;
    socket.set_tcp_keepalive(&KEEPALIVE)
}

/// Raises the soft limit to what `connections` need, within the hard limit. The log says so if the
/// hard limit is too low.
pub(crate) fn raise_open_files(connections: usize, files_each: u64) {
    let needed = (connections as u64)
        .saturating_mul(files_each)
        .saturating_add(RESERVE);
    let mut limit = getrlimit(Resource::Nofile);
    let Some(soft) = limit.current.filter(|soft| *soft < needed) else {
        return;
    };
    let target = limit.maximum.map_or(needed, |hard| hard.min(needed));
    limit.current = Some(target);
    if target > soft {
        match setrlimit(Resource::Nofile, limit) {
            Ok(()) => info!(from = soft, to = target, "raised the limit of open files"),
            Err(error) => {
                return warn!(%error, limit = soft, needed, "cannot raise the limit of open files");
            }
        }
    }
    if target < needed {
        warn!(
            limit = target,
            needed, "--max-connections needs more open files than the hard limit allows"
        );
    }
}
