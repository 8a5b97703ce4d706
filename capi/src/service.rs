//! The process-wide cache behind the calls.

use std::sync::Arc;
use std::thread;

use arc_swap::ArcSwapOption;
use rekindle::openssl::Resumption;

use crate::failure::Failure;

static SERVICE: ArcSwapOption<Resumption> = ArcSwapOption::const_empty();

/// How often a shutdown yields to calls in flight before it leaves the rest to them.
const PATIENCE: usize = 10_000;

/// Runs `f` on the cache, if there is one. Wait-free but for `f`.
#[inline]
pub(crate) fn with<R>(f: impl FnOnce(&Resumption) -> Result<R, Failure>) -> Result<R, Failure> {
    match &*SERVICE.load() {
        Some(service) => f(service),
        None => Err(Failure::Disabled),
    }
}

pub(crate) fn start(make: impl FnOnce() -> Result<Resumption, Failure>) -> Result<(), Failure> {
    if SERVICE.load().is_some() {
        return Err(Failure::AlreadyInitialized);
    }
    let new = Some(Arc::new(make()?));
    let nobody: Option<Arc<Resumption>> = None;
    // Of several threads that got here, one is first.
    match &*SERVICE.compare_and_swap(&nobody, new) {
        None => Ok(()),
        Some(_) => Err(Failure::AlreadyInitialized),
    }
}

pub(crate) fn stop() {
    let Some(service) = SERVICE.swap(None) else {
        return;
    };
    service.close();
    // Calls in flight hold references, for less than a microsecond unless they are preempted. The
    // last one to go frees the cache's memory, which is not a handshake's business. (Entries are
    // gone by now, so it is little work for one that slept through all of this.)
    for _ in 0..PATIENCE {
        if Arc::strong_count(&service) == 1 {
            break;
        }
        thread::yield_now();
    }
}
