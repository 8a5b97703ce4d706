//! Maps: they neither evict nor expire.

use ahash::RandomState;
use dashmap::DashMap;
use rekindle::SessionId;

use super::{Kind, Peer, Stored};

/// dashmap: a lock for each of some shards.
#[derive(Debug)]
pub struct Dash(DashMap<SessionId, Stored, RandomState>);

impl Dash {
    /// A map with room for `capacity` entries.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self(DashMap::with_capacity_and_hasher(
            capacity,
            RandomState::new(),
        ))
    }
}

impl Peer for Dash {
    fn kind(&self) -> Kind {
        Kind::Map
    }

    #[inline]
    fn get_buffer(&self, id: &SessionId, buffer: &mut [u8]) -> Option<usize> {
        self.0.get(id).and_then(|stored| stored.copy_to(buffer))
    }

    #[inline]
    fn get(&self, id: &SessionId) -> Option<u64> {
        self.0.get(id).and_then(|stored| stored.session())
    }

    #[inline]
    fn insert(&self, id: &SessionId, value: &[u8]) -> bool {
        self.0.insert(*id, Stored::new(value));
        true
    }

    #[inline]
    fn remove(&self, id: &SessionId) -> bool {
        self.0.remove(id).is_some()
    }

    #[inline]
    fn take(&self, id: &SessionId) -> Option<u64> {
        self.0.remove(id).and_then(|(_, stored)| stored.session())
    }
}

/// scc: a lock for each bucket, and reclamation of its own.
pub struct Scc(scc::HashMap<SessionId, Stored, RandomState>);

impl Scc {
    /// A map with room for `capacity` entries.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self(scc::HashMap::with_capacity_and_hasher(
            capacity,
            RandomState::new(),
        ))
    }
}

impl std::fmt::Debug for Scc {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Scc")
    }
}

impl Peer for Scc {
    fn kind(&self) -> Kind {
        Kind::Map
    }

    #[inline]
    fn get_buffer(&self, id: &SessionId, buffer: &mut [u8]) -> Option<usize> {
        self.0
            .read_sync(id, |_, stored| stored.copy_to(buffer))
            .flatten()
    }

    #[inline]
    fn get(&self, id: &SessionId) -> Option<u64> {
        self.0.read_sync(id, |_, stored| stored.session()).flatten()
    }

    #[inline]
    fn insert(&self, id: &SessionId, value: &[u8]) -> bool {
        self.0.upsert_sync(*id, Stored::new(value));
        true
    }

    #[inline]
    fn remove(&self, id: &SessionId) -> bool {
        self.0.remove_sync(id).is_some()
    }

    #[inline]
    fn take(&self, id: &SessionId) -> Option<u64> {
        let taken = self.0.remove_sync(id);
        taken.and_then(|(_, stored)| stored.session())
    }
}

/// papaya: lookups without locks, reclamation by seize.
#[derive(Debug)]
pub struct Papaya(papaya::HashMap<SessionId, Stored, RandomState>);

impl Papaya {
    /// A map with room for `capacity` entries.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self(papaya::HashMap::with_capacity_and_hasher(
            capacity,
            RandomState::new(),
        ))
    }
}

impl Peer for Papaya {
    fn kind(&self) -> Kind {
        Kind::Map
    }

    #[inline]
    fn get_buffer(&self, id: &SessionId, buffer: &mut [u8]) -> Option<usize> {
        let map = self.0.pin();
        map.get(id).and_then(|stored| stored.copy_to(buffer))
    }

    #[inline]
    fn get(&self, id: &SessionId) -> Option<u64> {
        self.0.pin().get(id).and_then(Stored::session)
    }

    #[inline]
    fn insert(&self, id: &SessionId, value: &[u8]) -> bool {
        self.0.pin().insert(*id, Stored::new(value));
        true
    }

    #[inline]
    fn remove(&self, id: &SessionId) -> bool {
        self.0.pin().remove(id).is_some()
    }

    #[inline]
    fn take(&self, id: &SessionId) -> Option<u64> {
        self.0.pin().remove(id).and_then(Stored::session)
    }
}
