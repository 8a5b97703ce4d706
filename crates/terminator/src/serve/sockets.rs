//! Options of sockets, and the kernel's limit on open files, which limits connections.

use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

use rustix::process::{Resource, getrlimit, setrlimit};
use socket2::{SockRef, TcpKeepalive};
use tracing::{info, warn};

use crate::error::RunError;

/// Descriptors that clients leave to the rest of the process, half of them to the admin address,
/// half to reloads, lookups of names and attempts to connect. Under a low limit they are half of
/// what is left at the start, and no fewer than the least.
const RESERVE: u64 = 128;
const LEAST_RESERVE: u64 = 8;

/// Assumed to be open where `/proc` is not there to count them.
const ASSUMED_OPEN: u64 = 64;

/// Finds a peer that vanished without FIN or reset after about two minutes, and frees its slot.
const KEEPALIVE: TcpKeepalive = TcpKeepalive::new()
    .with_time(Duration::from_secs(60))
    .with_interval(Duration::from_secs(15))
    .with_retries(4);

/// For clients' connections: sends small writes at once (`TCP_NODELAY`) and detects dead peers
/// (`SO_KEEPALIVE`).
///
/// Linux copies both options from a listener to the connections that it accepts.
pub(super) fn set_options(socket: &impl AsFd) -> io::Result<()> {
    let socket = SockRef::from(socket);
    socket.set_tcp_nodelay(true)?;
    socket.set_tcp_keepalive(&KEEPALIVE)
}

/// How the limit of open files is shared out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FileBudget {
    /// The most client connections, as many as are wanted or as fit.
    pub(crate) clients: usize,
    /// The most admin connections.
    pub(crate) admin: usize,
}

/// Raises the soft limit of open files to what `connections` need, within the hard limit, and says
/// how many of them fit. The log says so if that is fewer.
///
/// To be called when listeners and runtimes exist: what is open already is no client's.
pub(crate) fn raise_open_files(
    connections: usize,
    files_each: u64,
) -> Result<FileBudget, RunError> {
    let open = open_files();
    let needed = (connections as u64)
        .saturating_mul(files_each)
        .saturating_add(open + RESERVE);
    let limit = raise_limit(needed);
    let budget = FileBudget::of(limit.saturating_sub(open), connections, files_each);
    let budget = budget.ok_or(RunError::OpenFiles {
        limit,
        least: open + LEAST_RESERVE + files_each,
    })?;
    let clients = budget.clients;
    if clients < connections {
        warn!(
            clients,
            limit, needed, "fewer connections than --max-connections fit into the limit of files"
        );
    }
    Ok(budget)
}

impl FileBudget {
    /// `left` is how many files can be opened. `None` if no client fits.
    fn of(left: u64, connections: usize, files_each: u64) -> Option<Self> {
        let reserve = (left / 2).clamp(LEAST_RESERVE, RESERVE);
        let fit = left.saturating_sub(reserve) / files_each;
        let fit = usize::try_from(fit).unwrap_or(usize::MAX);
        (fit > 0).then_some(Self {
            clients: connections.min(fit),
            admin: (reserve / 2) as usize,
        })
    }
}

/// The limit after the attempt to raise it.
fn raise_limit(needed: u64) -> u64 {
    let mut limit = getrlimit(Resource::Nofile);
    let Some(soft) = limit.current else {
        return u64::MAX;
    };
    let target = limit.maximum.map_or(needed, |hard| hard.min(needed));
    if target <= soft {
        return soft;
    }
    limit.current = Some(target);
    match setrlimit(Resource::Nofile, limit) {
        Ok(()) => {
            info!(from = soft, to = target, "raised the limit of open files");
            target
        }
        Err(error) => {
            warn!(%error, limit = soft, needed, "cannot raise the limit of open files");
            soft
        }
    }
}

fn open_files() -> u64 {
    std::fs::read_dir("/proc/self/fd").map_or(ASSUMED_OPEN, |files| files.count() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_get_what_the_reserve_leaves() {
        let budget = |left, connections, each| {
            FileBudget::of(left, connections, each).map(|budget| (budget.clients, budget.admin))
        };
        assert_eq!(budget(u64::MAX, 8192, 2), Some((8192, 64)));
        assert_eq!(budget(128 + 2 * 500, 500, 2), Some((500, 64)));
        assert_eq!(budget(128 + 2 * 500 - 1, 500, 2), Some((499, 64)));
        assert_eq!(budget(128 + 500, 8192, 1), Some((500, 64)));
        assert_eq!(budget(40, 8192, 2), Some((10, 10)));
        assert_eq!(budget(10, 8192, 2), Some((1, 4)));
        for too_few in [0, 1, 8, 9] {
            assert_eq!(budget(too_few, 1, 2), None, "{too_few}");
        }
        assert_eq!(budget(9, 1, 1), Some((1, 4)));
    }
}
