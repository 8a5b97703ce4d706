//! The engine, pinned at each call or by a guard.

use std::sync::Arc;

use rekindle::{Cache, Guard, Refused, SessionId};

use super::peer::{Kind, LIFETIME, Peer};
use crate::workload::number;

/// The engine; each call pins by itself.
#[derive(Clone)]
pub(crate) struct Rekindle(Arc<Cache<u64>>);

impl Rekindle {
    pub(crate) fn new(capacity: usize) -> Self {
        Self(Arc::new(Cache::new(capacity).expect("a valid capacity")))
    }

    /// Pins for a batch of calls.
    pub(crate) fn pin(&self) -> Guard<'_, u64> {
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
        let expires_at = self.0.now().saturating_add(LIFETIME);
        match self.0.insert(id, number(value), value, expires_at) {
            Ok(_) => true,
            // Happens where threads outnumber processors: counted by the loads.
            Err(Refused::ReclamationHeldBack) => false,
            Err(refused) => panic!("{refused}"),
        }
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

/// The engine, pinned for as long as the guard lives: for reading only, as a writer that stays
/// pinned holds its own memory back.
impl Peer for Guard<'_, u64> {
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
}
