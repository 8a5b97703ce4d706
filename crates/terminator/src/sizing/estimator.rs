//! Estimates reuse distances from the lookups of a running terminator.
//!
//! The estimator follows a sample of the sessions, chosen by a hash of the id, so that it sees all
//! uses of a session or none (SHARDS: Waldspurger, Park, Garthwaite, Ahmad: Efficient MRC
//! Construction with SHARDS, FAST 2015). Distances within the sample and numbers of lookups are
//! divided by the sampled share. The hash is keyed, and the estimator keeps 64 bits of it and
//! nothing else: its memory reveals no session id.
//!
//! The library's hooks feed it on the threads of handshakes. A session outside the sample costs a
//! thread one hash and one load. For a session in the sample the thread takes a lock if it is free;
//! if it is not, the use is dropped and counted, and no thread waits. Sessions that travel in
//! stateless tickets are not in the cache, and the estimator does not see them.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, TryLockError};
use std::time::Duration;

use rekindle::hooks::SessionEvent;
use rekindle::openssl::Resumption;
use rekindle::{SessionId, Time};

use super::histogram::Histogram;
use super::sample::{Sample, Use};

/// Estimates the reuse distances of lookups, in less than a megabyte for any number of sessions.
#[derive(Debug)]
pub(crate) struct ReuseEstimator<S = RandomState> {
    hasher: S,
    /// Sessions whose hash is at most this are followed. Relaxed: a thread that sees an old
    /// threshold finds the current one under the lock.
    threshold: AtomicU64,
    sample: Mutex<Sample>,
    dropped: AtomicU64,
}

/// The estimate so far.
#[derive(Debug)]
pub(crate) struct Estimate {
    pub(crate) histogram: Histogram,
    /// The share of sessions that is followed now, above 0 and at most 1.
    pub(crate) sampled: f64,
    /// Uses of followed sessions that were dropped, because another thread had the lock.
    pub(crate) dropped: u64,
}

impl ReuseEstimator {
    /// Watches the handshakes of `resumption` from now on. Sessions live for `timeout`.
    pub(crate) fn watch(resumption: &Resumption, timeout: Duration) -> Arc<Self> {
        // A reference to the cache: the resumption owns the hook, and would keep itself alive.
        let cache = Arc::clone(resumption.cache());
        let estimator = Arc::new(Self::new(cache.capacity(), timeout, RandomState::new()));
        let watcher = Arc::clone(&estimator);
        resumption.hooks().add(move |event, id| {
            let Some(key) = watcher.sampled(id) else {
                return;
            };
            let used = match event {
                SessionEvent::Get => Use::LookedUp {
                    held: cache.contains(id),
                },
                SessionEvent::New => Use::Inserted,
                SessionEvent::Remove => Use::Removed,
                _ => return,
            };
            watcher.note(key, used, cache.now());
        });
        estimator
    }
}

impl<S: BuildHasher> ReuseEstimator<S> {
    fn new(capacity: usize, timeout: Duration, hasher: S) -> Self {
        let sample = Sample::new(capacity, timeout);
        Self {
            hasher,
            threshold: AtomicU64::new(sample.threshold()),
            sample: Mutex::new(sample),
            dropped: AtomicU64::new(0),
        }
    }

    /// The hash of an id, if its session is followed.
    fn sampled(&self, id: &SessionId) -> Option<u64> {
        let key = self.hasher.hash_one(id);
        (key <= self.threshold.load(Ordering::Relaxed)).then_some(key)
    }

    fn note(&self, key: u64, used: Use, now: Time) {
        let mut sample = match self.sample.try_lock() {
            Ok(sample) => sample,
            Err(TryLockError::WouldBlock) => {
                self.dropped.fetch_add(1, Ordering::Relaxed);
                return;
            }
            // A thread has panicked in the middle of a change: its sessions may not fit together.
            Err(TryLockError::Poisoned(poisoned)) => {
                let mut sample = poisoned.into_inner();
                sample.follow_none();
                self.sample.clear_poison();
                sample
            }
        };
        sample.note(key, used, now);
        self.threshold.store(sample.threshold(), Ordering::Relaxed);
    }

    pub(crate) fn estimate(&self) -> Estimate {
        // Held for less than a microsecond: a scrape makes handshakes drop next to nothing.
        let sample = self.sample.lock().unwrap_or_else(PoisonError::into_inner);
        Estimate {
            histogram: sample.histogram().clone(),
            sampled: sample.share(),
            dropped: self.dropped.load(Ordering::Relaxed),
        }
    }
}

#[cfg(test)]
mod tests;
