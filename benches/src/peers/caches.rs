//! Caches: each evicts by a policy of its own.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex};

use ahash::RandomState;
use lru::LruCache;
use quick_cache::UnitWeighter;
use quick_cache::sync::{Cache as QuickCacheInner, DefaultLifecycle};
use rekindle::SessionId;
use rustls::server::{ServerSessionMemoryCache, StoresServerSessions};
use tinyufo::TinyUfo;

use super::{Kind, Peer, Stored};
use crate::workload::number;

/// A cache whose every lookup hands out a clone of what it holds.
trait HandsOut {
    fn look_up(&self, id: &SessionId) -> Option<Stored>;

    fn put(&self, id: &SessionId, stored: Stored);

    fn take_out(&self, id: &SessionId) -> Option<Stored>;
}

impl<C: HandsOut> Peer for C {
    fn kind(&self) -> Kind {
        Kind::Cache
    }

    #[inline]
    fn get_buffer(&self, id: &SessionId, buffer: &mut [u8]) -> Option<usize> {
        self.look_up(id)?.copy_to(buffer)
    }

    #[inline]
    fn get(&self, id: &SessionId) -> Option<u64> {
        self.look_up(id)?.session()
    }

    #[inline]
    fn insert(&self, id: &SessionId, value: &[u8]) -> bool {
        self.put(id, Stored::new(value));
        true
    }

    #[inline]
    fn remove(&self, id: &SessionId) -> bool {
        self.take_out(id).is_some()
    }

    #[inline]
    fn take(&self, id: &SessionId) -> Option<u64> {
        self.take_out(id)?.session()
    }
}

type Quick = QuickCacheInner<
    SessionId,
    Stored,
    UnitWeighter,
    RandomState,
    DefaultLifecycle<SessionId, Stored>,
>;

/// quick_cache: a cache with eviction.
pub struct QuickCache(Quick);

impl QuickCache {
    /// A cache for `capacity` entries.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self(Quick::with(
            capacity,
            capacity as u64,
            UnitWeighter,
            RandomState::new(),
            DefaultLifecycle::default(),
        ))
    }
}

impl std::fmt::Debug for QuickCache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("QuickCache")
    }
}

impl HandsOut for QuickCache {
    #[inline]
    fn look_up(&self, id: &SessionId) -> Option<Stored> {
        self.0.get(id)
    }

    #[inline]
    fn put(&self, id: &SessionId, stored: Stored) {
        self.0.insert(*id, stored);
    }

    #[inline]
    fn take_out(&self, id: &SessionId) -> Option<Stored> {
        self.0.remove(id).map(|(_, stored)| stored)
    }
}

/// moka: eviction by TinyLFU, done by whoever comes along.
pub struct Moka(moka::sync::Cache<SessionId, Stored, RandomState>);

impl Moka {
    /// A cache for `capacity` entries.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        let builder = moka::sync::Cache::builder().max_capacity(capacity as u64);
        Self(builder.build_with_hasher(RandomState::new()))
    }
}

impl std::fmt::Debug for Moka {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Moka")
    }
}

impl HandsOut for Moka {
    #[inline]
    fn look_up(&self, id: &SessionId) -> Option<Stored> {
        self.0.get(id)
    }

    #[inline]
    fn put(&self, id: &SessionId, stored: Stored) {
        self.0.insert(*id, stored);
    }

    #[inline]
    fn take_out(&self, id: &SessionId) -> Option<Stored> {
        self.0.remove(id)
    }
}

/// TinyUFO: eviction by S3-FIFO with TinyLFU. Keeps only a hash of each id.
pub struct Tiny(TinyUfo<SessionId, Stored>);

impl Tiny {
    /// A cache for `capacity` entries.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self(TinyUfo::new(capacity, capacity))
    }
}

impl std::fmt::Debug for Tiny {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tiny")
    }
}

impl HandsOut for Tiny {
    #[inline]
    fn look_up(&self, id: &SessionId) -> Option<Stored> {
        self.0.get(id)
    }

    #[inline]
    fn put(&self, id: &SessionId, stored: Stored) {
        // What was evicted is dropped here, as any session cache would.
        drop(self.0.put(*id, stored, 1));
    }

    #[inline]
    fn take_out(&self, id: &SessionId) -> Option<Stored> {
        self.0.remove(id)
    }
}

/// The exact least-recently-used order under one lock.
#[derive(Debug)]
pub struct LockedLru(Mutex<LruCache<SessionId, Stored, RandomState>>);

impl LockedLru {
    /// A cache for `capacity` entries.
    ///
    /// # Panics
    ///
    /// For a capacity of zero.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        let capacity = NonZeroUsize::new(capacity).expect("a capacity above zero");
        Self(Mutex::new(LruCache::with_hasher(
            capacity,
            RandomState::new(),
        )))
    }
}

impl Peer for LockedLru {
    fn kind(&self) -> Kind {
        Kind::Cache
    }

    fn get_buffer(&self, id: &SessionId, buffer: &mut [u8]) -> Option<usize> {
        let mut cache = self.0.lock().expect("not poisoned");
        cache.get(id)?.copy_to(buffer)
    }

    fn get(&self, id: &SessionId) -> Option<u64> {
        self.0.lock().expect("not poisoned").get(id)?.session()
    }

    fn insert(&self, id: &SessionId, value: &[u8]) -> bool {
        // Bound outside the lock: allocating and freeing are not what it is for.
        let stored = Stored::new(value);
        let _evicted = self.0.lock().expect("not poisoned").push(*id, stored);
        true
    }

    fn remove(&self, id: &SessionId) -> bool {
        self.take(id).is_some()
    }

    fn take(&self, id: &SessionId) -> Option<u64> {
        let taken = self.0.lock().expect("not poisoned").pop(id);
        taken?.session()
    }
}

/// rustls's own session store: first in, first out, under one lock. Has no live sessions and no
/// expiry, and copies ids and values into vectors.
#[derive(Debug)]
pub struct RustlsMemory(Arc<ServerSessionMemoryCache>);

impl RustlsMemory {
    /// A store for `capacity` entries.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self(ServerSessionMemoryCache::new(capacity))
    }
}

impl Peer for RustlsMemory {
    fn kind(&self) -> Kind {
        Kind::Cache
    }

    fn get_buffer(&self, id: &SessionId, buffer: &mut [u8]) -> Option<usize> {
        let value = self.0.get(id.as_bytes())?;
        let len = value.len().min(buffer.len());
        buffer[..len].copy_from_slice(&value[..len]);
        Some(len)
    }

    fn get(&self, id: &SessionId) -> Option<u64> {
        self.0.get(id.as_bytes()).map(|value| number(&value))
    }

    fn insert(&self, id: &SessionId, value: &[u8]) -> bool {
        self.0.put(id.as_bytes().to_vec(), value.to_vec())
    }

    /// It has no other way to remove.
    fn remove(&self, id: &SessionId) -> bool {
        self.0.take(id.as_bytes()).is_some()
    }

    fn take(&self, id: &SessionId) -> Option<u64> {
        self.0.take(id.as_bytes()).map(|value| number(&value))
    }
}
