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

    /// As `get`, and takes the session out.
    fn take(&mut self, id: &SessionId) -> Option<Time>;
}

/// Makes a policy with room for so many sessions.
pub(super) type Make = fn(usize) -> Box<dyn Policy>;

/// All of them. The first three have room for exactly as many sessions as they are told.
pub(super) const ALL: [(&str, Make); 7] = [
    ("rekindle", |room| Box::new(Rekindle::new(room))),
    ("exact LRU", |room| Box::new(ExactLru::new(room))),
    ("FIFO", |room| Box::new(Fifo::new(room))),
    ("quick_cache", |room| Box::new(QuickCache::new(room))),
    ("moka", |room| Box::new(Moka::new(room))),
    ("TinyUFO", |room| Box::new(Tiny::new(room))),
    (RUSTLS, |room| Box::new(RustlsMemory::new(room))),
];

/// Looks through all its sessions to take one, which here would be hours. As its policy is that of
/// [`Fifo`], it can be left out where sessions are taken.
pub(super) const RUSTLS: &str = "rustls memory cache";
