//! What the operations of a table are called at each peer. Maps neither evict nor expire; caches
//! evict by a policy of their own.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex};

use ahash::RandomState;
use dashmap::DashMap;
use lru::LruCache;
use quick_cache::UnitWeighter;
use quick_cache::sync::{Cache as Quick, DefaultLifecycle};
use rekindle::SessionId;
use rustls::server::{ServerSessionMemoryCache, StoresServerSessions};
use tinyufo::TinyUfo;

pub(crate) use super::peer::Wiping;
use super::peer::{Encoded, Kind, Peer, Stored, copy};
use crate::workload::number;

/// Makes a [`Peer`] of a table: how it is built, read, written and emptied. `read` is called with a
/// reference to what was found.
macro_rules! peer {
    (
        $(#[$doc:meta])* $name:ident($table:ty), $kind:expr;
        new |$room:ident| $new:expr;
        get |$of:ident, $id:ident, $read:ident| $get:expr;
        put |$stored:ident| $put:expr;
        take $take:expr;
    ) => {
        $(#[$doc])*
        pub(crate) struct $name<E: Encoded>($table);

        impl<E: Encoded> $name<E> {
            pub(crate) fn new($room: usize) -> Self {
                Self($new)
            }

            #[inline]
            fn look_up<R>(
                &self,
                $id: &SessionId,
                $read: impl FnOnce(&Stored<E>) -> R,
            ) -> Option<R> {
                let $of = &self.0;
                $get
            }

            #[inline]
            fn take_out<R>(
                &self,
                $id: &SessionId,
                $read: impl FnOnce(&Stored<E>) -> R,
            ) -> Option<R> {
                let $of = &self.0;
                $take
            }
        }

        impl<E: Encoded> Peer for $name<E> {
            fn kind(&self) -> Kind {
                $kind
            }

            #[inline]
            fn get_buffer(&self, id: &SessionId, buffer: &mut [u8]) -> Option<usize> {
                self.look_up(id, |stored| stored.copy_to(buffer)).flatten()
            }

            #[inline]
            fn get(&self, id: &SessionId) -> Option<u64> {
                self.look_up(id, Stored::session).flatten()
            }

            #[inline]
            fn insert(&self, id: &SessionId, value: &[u8]) -> bool {
                let ($of, $id, $stored) = (&self.0, *id, Stored::new(value));
                // Dropped after the temporaries of the statement: outside of a lock.
                #[allow(clippy::let_unit_value)]
                let _replaced = $put;
                true
            }

            #[inline]
            fn remove(&self, id: &SessionId) -> bool {
                self.take_out(id, |_| ()).is_some()
            }

            #[inline]
            fn take(&self, id: &SessionId) -> Option<u64> {
                self.take_out(id, Stored::session).flatten()
            }
        }
    };
}

peer! {
    /// dashmap: a lock for each of some shards.
    Dash(DashMap<SessionId, Stored<E>, RandomState>), Kind::Map;
    new |room| DashMap::with_capacity_and_hasher(room, RandomState::new());
    get |map, id, read| map.get(id).map(|stored| read(&stored));
    put |stored| map.insert(id, stored);
    take map.remove(id).map(|(_, stored)| read(&stored));
}

peer! {
    /// scc: a lock for each bucket, and reclamation of its own.
    Scc(scc::HashMap<SessionId, Stored<E>, RandomState>), Kind::Map;
    new |room| scc::HashMap::with_capacity_and_hasher(room, RandomState::new());
    get |map, id, read| map.read_sync(id, |_, stored| read(stored));
    put |stored| map.upsert_sync(id, stored);
    take map.remove_sync(id).map(|(_, stored)| read(&stored));
}

peer! {
    /// papaya: lookups without locks, reclamation by seize.
    Papaya(papaya::HashMap<SessionId, Stored<E>, RandomState>), Kind::Map;
    new |room| papaya::HashMap::with_capacity_and_hasher(room, RandomState::new());
    get |map, id, read| map.pin().get(id).map(read);
    put |stored| { map.pin().insert(id, stored); };
    take map.pin().remove(id).map(read);
}

peer! {
    /// quick_cache: a cache with eviction.
    QuickCache(Quick<SessionId, Stored<E>, UnitWeighter, RandomState>), Kind::Cache;
    new |room| Quick::with(
        room, room as u64, UnitWeighter, RandomState::new(), DefaultLifecycle::default(),
    );
    get |cache, id, read| cache.get(id).map(|stored| read(&stored));
    put |stored| cache.insert(id, stored);
    take cache.remove(id).map(|(_, stored)| read(&stored));
}

peer! {
    /// moka: eviction by TinyLFU, done by the threads that call it.
    Moka(moka::sync::Cache<SessionId, Stored<E>, RandomState>), Kind::Cache;
    new |room| {
        let builder = moka::sync::Cache::builder().max_capacity(room as u64);
        builder.build_with_hasher(RandomState::new())
    };
    get |cache, id, read| cache.get(id).map(|stored| read(&stored));
    put |stored| cache.insert(id, stored);
    take cache.remove(id).map(|stored| read(&stored));
}

peer! {
    /// TinyUFO: eviction by S3-FIFO with TinyLFU. Keeps only a hash of each id.
    Tiny(TinyUfo<SessionId, Stored<E>>), Kind::Cache;
    new |room| TinyUfo::new(room, room);
    get |cache, id, read| cache.get(id).map(|stored| read(&stored));
    put |stored| cache.put(id, stored, 1);
    take cache.remove(id).map(|stored| read(&stored));
}

type LockedCache<E> = Mutex<LruCache<SessionId, Stored<E>, RandomState>>;

fn pop<E>(cache: &LockedCache<E>, id: &SessionId) -> Option<Stored<E>> {
    cache.lock().expect("not poisoned").pop(id)
}

fn locked<E>(room: usize) -> LockedCache<E> {
    let room = NonZeroUsize::new(room).expect("a capacity above zero");
    Mutex::new(LruCache::with_hasher(room, RandomState::new()))
}

// Of both, entries are allocated and freed outside the lock.
peer! {
    /// The exact least-recently-used order under one lock.
    LockedLru(LockedCache<E>), Kind::Cache;
    new |room| locked(room);
    get |cache, id, read| cache.lock().expect("not poisoned").get(id).map(read);
    put |stored| cache.lock().expect("not poisoned").push(id, stored);
    take pop(cache, id).map(|stored| read(&stored));
}

peer! {
    /// First in, first out, as Traffic Server's cache: a lookup does not change the order.
    Fifo(LockedCache<E>), Kind::Cache;
    new |room| locked(room);
    get |cache, id, read| cache.lock().expect("not poisoned").peek(id).map(read);
    put |stored| cache.lock().expect("not poisoned").push(id, stored);
    take pop(cache, id).map(|stored| read(&stored));
}

/// rustls's own session store: first in, first out, under one lock. Has no live sessions and no
/// expiry, and copies ids and values into vectors.
pub(crate) struct RustlsMemory(Arc<ServerSessionMemoryCache>);

impl RustlsMemory {
    pub(crate) fn new(capacity: usize) -> Self {
        Self(ServerSessionMemoryCache::new(capacity))
    }
}

impl Peer for RustlsMemory {
    fn kind(&self) -> Kind {
        Kind::Cache
    }

    fn get_buffer(&self, id: &SessionId, buffer: &mut [u8]) -> Option<usize> {
        let value = self.0.get(id.as_bytes())?;
        Some(copy(&value, buffer))
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
