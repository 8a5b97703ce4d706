//! The engine and the caches that it is held against, as policies: which sessions they keep. Each
//! holds the end of a session's life as its value, for the sizes of values change no hit.

mod caches;
mod fifo;

use rekindle::{SessionId, Time};

use self::caches::{ExactLru, Moka, QuickCache, Rekindle, RustlsMemory, Tiny};
use self::fifo::Fifo;

/// Decides which sessions are kept.
pub(super) trait Policy {
    /// Lets time pass until `now`.
    fn at(&mut self, _now: Time) {}

    /// When the session under an id ends, if it is kept.
    fn get(&mut self, id: &SessionId) -> Option<Time>;

    /// Inserts a session, or replaces the one under its id.
    fn insert(&mut self, id: &SessionId, ends: Time);
}

/// Each with room for `capacity` sessions. The first three have room for exactly so many.
pub(super) fn all(capacity: usize) -> Vec<(&'static str, Box<dyn Policy>)> {
    vec![
        ("rekindle", Box::new(Rekindle::new(capacity))),
        ("exact LRU", Box::new(ExactLru::new(capacity))),
        ("FIFO", Box::new(Fifo::new(capacity))),
        ("quick_cache", Box::new(QuickCache::new(capacity))),
        ("moka", Box::new(Moka::new(capacity))),
        ("TinyUFO", Box::new(Tiny::new(capacity))),
        ("rustls memory cache", Box::new(RustlsMemory::new(capacity))),
    ]
}
