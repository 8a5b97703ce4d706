//! The engine, pinned at each call or by a guard.

use std::hash::BuildHasher;
use std::sync::Arc;

use rekindle::{Cache, Guard, Refused, SessionId};

use super::{Kind, LIFETIME, Peer};
use crate::workload::number;

/// The engine; each call pins by itself.
#[derive(Clone, Debug)]
pub struct Rekindle(Arc<Cache<u64>>);

impl Rekindle {
    /// Wraps a cache.
    #[must_use]
    pub fn new(cache: Arc<Cache<u64>>) -> Self {
        Self(cache)
    }

    /// Pins for a batch of calls.
    #[must_use]
    pub fn pin(&self) -> Guard<'_, u64> {
        self.0.pin()
    }
}

impl Peer for Rekindle {
    fn kind(&self) -> Kind {
        Kind::Cache
    }

    #[inline]
    fn get_buffer(&self, id: &SessionId, buffer: &mut [u8]) -> Option<usize> {
        self.0.get_buffer(id, buffer).map(|copied| copied.stored)
    }

    #[inline]
    fn get(&self, id: &SessionId) -> Option<u64> {
        self.0.get(id)
    }

    #[inline]
    fn insert(&self, id: &SessionId, value: &[u8]) -> bool {
        insert(&self.0, id, value)
    }

    #[inline]
    fn remove(&self, id: &SessionId) -> bool {
        self.0.remove(id)
    }

    #[inline]
    fn take(&self, id: &SessionId) -> Option<u64> {
        self.0.take(id)
    }
}

/// The engine, pinned for as long as the guard lives.
impl<S: BuildHasher> Peer for Guard<'_, u64, S> {
    fn kind(&self) -> Kind {
        Kind::Cache
    }

    #[inline]
    fn get_buffer(&self, id: &SessionId, buffer: &mut [u8]) -> Option<usize> {
        Guard::get_buffer(self, id, buffer).map(|copied| copied.stored)
    }

    #[inline]
    fn get(&self, id: &SessionId) -> Option<u64> {
        Guard::get(self, id).copied()
    }

    #[inline]
    fn insert(&self, id: &SessionId, value: &[u8]) -> bool {
        insert(self.cache(), id, value)
    }

    #[inline]
    fn remove(&self, id: &SessionId) -> bool {
        Guard::remove(self, id)
    }

    #[inline]
    fn take(&self, id: &SessionId) -> Option<u64> {
        Guard::take(self, id).map(|entry| *entry.value())
    }
}

#[inline]
fn insert<S: BuildHasher>(cache: &Cache<u64, S>, id: &SessionId, value: &[u8]) -> bool {
    let expires_at = cache.now().saturating_add(LIFETIME);
    match cache.insert(id, number(value), value, expires_at) {
        Ok(_) => true,
        // Happens where threads outnumber processors: counted by the loads.
        Err(Refused::ReclamationHeldBack) => false,
        Err(refused) => panic!("{refused}"),
    }
}
