//! The kernel's limit on open files, which limits connections.

use rustix::process::{Resource, getrlimit, setrlimit};
use tracing::{info, warn};

/// Files that are open under any load: listeners, runtime, log, admin connections.
const RESERVE: u64 = 128;

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
