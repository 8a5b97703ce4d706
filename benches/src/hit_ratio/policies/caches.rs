//! Caches as they come from their makers.

use std::collections::{HashMap, VecDeque};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use ahash::RandomState;
use lru::LruCache;
use quick_cache::UnitWeighter;
use quick_cache::sync::{Cache as Quick, DefaultLifecycle};
use rekindle::{Cache, Clock, ManualClock, SessionId, Time};
use rustls::server::{ServerSessionMemoryCache, StoresServerSessions};
use tinyufo::TinyUfo;

use super::Policy;

/// The engine, on a clock that goes with the stream.
pub(super) struct Rekindle {
    cache: Cache<Time>,
    clock: Arc<ManualClock>,
}

impl Rekindle {
    pub(super) fn new(capacity: usize) -> Self {
        let clock = Arc::new(ManualClock::new());
        let cache = Cache::builder()
            .capacity(capacity)
            .clock(clock.clone())
            .build();
        Self {
            cache: cache.expect("a valid capacity"),
            clock,
        }
    }
}

impl Policy for Rekindle {
    fn at(&mut self, now: Time) {
        let passed = now.as_millis() - self.clock.now().as_millis();
        self.clock.advance(Duration::from_millis(passed));
    }

    fn get(&mut self, id: &SessionId) -> Option<Time> {
        let ends = self.cache.get(id)?;
        assert!(ends >= self.cache.now(), "an expired session was found");
        Some(ends)
    }

    fn insert(&mut self, id: &SessionId, ends: Time) {
        (self.cache.insert(id, ends, &[], ends)).expect("nothing is refused here");
    }

    fn take(&mut self, id: &SessionId) -> Option<Time> {
        self.cache.take(id)
    }
}

/// The exact least-recently-used order.
pub(super) struct ExactLru(LruCache<SessionId, Time, RandomState>);

impl ExactLru {
    pub(super) fn new(capacity: usize) -> Self {
        let capacity = NonZeroUsize::new(capacity).expect("a capacity above zero");
        Self(LruCache::with_hasher(capacity, RandomState::new()))
    }
}

impl Policy for ExactLru {
    fn get(&mut self, id: &SessionId) -> Option<Time> {
        self.0.get(id).copied()
    }

    fn insert(&mut self, id: &SessionId, ends: Time) {
        self.0.push(*id, ends);
    }

    fn take(&mut self, id: &SessionId) -> Option<Time> {
        self.0.pop(id)
    }
}

pub(super) struct QuickCache(Quick<SessionId, Time, UnitWeighter, RandomState>);

impl QuickCache {
    pub(super) fn new(capacity: usize) -> Self {
        Self(Quick::with(
            capacity,
            capacity as u64,
            UnitWeighter,
            RandomState::new(),
            DefaultLifecycle::default(),
        ))
    }
}

impl Policy for QuickCache {
    fn get(&mut self, id: &SessionId) -> Option<Time> {
        self.0.get(id)
    }

    fn insert(&mut self, id: &SessionId, ends: Time) {
        self.0.insert(*id, ends);
    }

    fn take(&mut self, id: &SessionId) -> Option<Time> {
        self.0.remove(id).map(|(_, ends)| ends)
    }
}

/// moka can expire by itself, but only by the machine's clock. So that it loses nothing by this
/// one, what has ended is taken out of it here.
pub(super) struct Moka {
    cache: moka::sync::Cache<SessionId, Time, RandomState>,
    /// What was inserted, in the order of its end: all sessions of a stream live equally long.
    endings: VecDeque<(Time, SessionId)>,
    /// The end of the last session under each id: asking the cache would count as a use.
    last: HashMap<SessionId, Time, RandomState>,
}

impl Moka {
    pub(super) fn new(capacity: usize) -> Self {
        let builder = moka::sync::Cache::builder().max_capacity(capacity as u64);
        Self {
            cache: builder.build_with_hasher(RandomState::new()),
            endings: VecDeque::new(),
            last: HashMap::default(),
        }
    }
}

impl Policy for Moka {
    fn at(&mut self, now: Time) {
        while let Some((ends, id)) = self.endings.front()
            && *ends < now
        {
            if self.last.get(id) == Some(ends) {
                self.last.remove(id);
                self.cache.invalidate(id);
            }
            self.endings.pop_front();
        }
    }

    fn get(&mut self, id: &SessionId) -> Option<Time> {
        self.cache.get(id)
    }

    fn insert(&mut self, id: &SessionId, ends: Time) {
        self.cache.insert(*id, ends);
        self.endings.push_back((ends, *id));
        self.last.insert(*id, ends);
    }

    fn take(&mut self, id: &SessionId) -> Option<Time> {
        self.last.remove(id);
        self.cache.remove(id)
    }
}

pub(super) struct Tiny(TinyUfo<SessionId, Time>);

impl Tiny {
    pub(super) fn new(capacity: usize) -> Self {
        Self(TinyUfo::new(capacity, capacity))
    }
}

impl Policy for Tiny {
    fn get(&mut self, id: &SessionId) -> Option<Time> {
        self.0.get(id)
    }

    fn insert(&mut self, id: &SessionId, ends: Time) {
        self.0.put(*id, ends, 1);
    }

    fn take(&mut self, id: &SessionId) -> Option<Time> {
        self.0.remove(id)
    }
}

/// rustls's own session store: first in, first out.
pub(super) struct RustlsMemory(Arc<ServerSessionMemoryCache>);

impl RustlsMemory {
    pub(super) fn new(capacity: usize) -> Self {
        Self(ServerSessionMemoryCache::new(capacity))
    }
}

impl Policy for RustlsMemory {
    fn get(&mut self, id: &SessionId) -> Option<Time> {
        self.0.get(id.as_bytes()).map(|value| decode(&value))
    }

    fn insert(&mut self, id: &SessionId, ends: Time) {
        let value = ends.as_millis().to_le_bytes();
        self.0.put(id.as_bytes().to_vec(), value.to_vec());
    }

    fn take(&mut self, id: &SessionId) -> Option<Time> {
        self.0.take(id.as_bytes()).map(|value| decode(&value))
    }
}

fn decode(value: &[u8]) -> Time {
    Time::from_millis(u64::from_le_bytes(value.try_into().expect("eight bytes")))
}
