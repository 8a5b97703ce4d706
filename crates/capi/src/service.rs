//! The process-wide cache behind the calls.

#[allow(clippy::disallowed_types)] // see `LEFT`
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use arc_swap::ArcSwapOption;
use rekindle::openssl::Resumption;

use crate::failure::Failure;

static SERVICE: ArcSwapOption<Resumption> = ArcSwapOption::const_empty();

/// How often a shutdown yields to other threads before it leaves the rest to the next shutdown.
const PATIENCE: usize = 1_000;

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
    release_what_is_left();
    let new = Some(Arc::new(make()?));
    let none: Option<Arc<Resumption>> = None;
    // Of several threads that got here, one is first.
    match &*SERVICE.compare_and_swap(&none, new) {
        None => Ok(()),
        Some(_) => Err(Failure::AlreadyInitialized),
    }
}

pub(crate) fn stop() {
    if let Some(mut service) = SERVICE.swap(None) {
        service.close();
        // Calls in flight hold references, for less than a microsecond unless they are preempted.
        wait_until(|| is_alone(&mut service));
        left().push(service);
    }
    release_what_is_left();
}

/// Caches that have been shut down and that calls may still use. Keeping them here makes sure that
/// the last call, which may run on a handshake's thread, never frees a cache's memory. Only set-up
/// and shutdown take the lock.
#[allow(clippy::disallowed_types)]
static LEFT: Mutex<Vec<Arc<Resumption>>> = Mutex::new(Vec::new());

#[allow(clippy::disallowed_types)]
fn left() -> MutexGuard<'static, Vec<Arc<Resumption>>> {
    LEFT.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Frees the caches that no call uses any more. Contexts may keep one; it is empty then.
fn release_what_is_left() {
    // Not under the lock: destructors of sessions may call anything.
    let mut services = std::mem::take(&mut *left());
    services.retain_mut(|service| {
        // Asked first: a call that ends after this may have inserted after the cache is emptied.
        let in_use = !is_alone(service);
        // Again: what calls in flight have inserted since.
        service.close();
        wait_until(|| {
            service.cache().maintain();
            service.cache().stats().retired == 0
        });
        in_use || service.cache().stats().retired > 0
    });
    left().append(&mut services);
}

/// Whether no call uses it. What calls did before is visible then: unlike a count of references,
/// this acquires.
fn is_alone(service: &mut Arc<Resumption>) -> bool {
    Arc::get_mut(service).is_some()
}

fn wait_until(mut done: impl FnMut() -> bool) {
    for _ in 0..PATIENCE {
        if done() {
            return;
        }
        thread::yield_now();
    }
}
