//! The engine and its peers as policies: which sessions they keep. Each holds the end of a
//! session's life as its value, for the sizes of values change no hit.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use ahash::RandomState;
use rekindle::{Cache, Clock, ManualClock, SessionId, Time};

use crate::peers::{Contender, Peer};

/// Decides which sessions are kept.
pub(super) trait Policy {
    /// Lets time pass until `now`.
    fn at(&mut self, _now: Time) {}

    fn get(&mut self, id: &SessionId) -> Option<Time>;

    fn insert(&mut self, id: &SessionId, ends: Time);

    /// As `get`, and takes the session out.
    fn take(&mut self, id: &SessionId) -> Option<Time>;
}

/// All of them. The first three have room for exactly as many sessions as they are told.
pub(super) const ALL: [(&str, Contender); 7] = [
    ("rekindle", Contender::Rekindle),
    ("exact LRU", Contender::Lru),
    ("FIFO", Contender::Fifo),
    ("quick_cache", Contender::QuickCache),
    ("moka", Contender::Moka),
    ("TinyUFO", Contender::TinyUfo),
    // Looks through all its sessions to take one, which here would be hours. As its policy is that
    // of FIFO, it can be left out where sessions are taken.
    ("rustls memory cache", Contender::Rustls),
];

pub(super) fn make(contender: Contender, room: usize) -> Box<dyn Policy> {
    match contender {
        Contender::Rekindle => Box::new(Engine::new(room)),
        Contender::Moka => Box::new(Expiring {
            peer: contender.plain().boxed(room),
            endings: VecDeque::new(),
            last: HashMap::default(),
        }),
        _ => Box::new(contender.plain().boxed(room)),
    }
}

/// The engine, on a clock that goes with the stream.
struct Engine {
    cache: Cache<Time>,
    clock: Arc<ManualClock>,
}

impl Engine {
    fn new(capacity: usize) -> Self {
        let clock = Arc::new(ManualClock::new());
        let cache = Cache::builder().capacity(capacity);
        let cache = cache.clock(clock.clone()).build();
        let cache = cache.expect("a valid capacity");
        Self { cache, clock }
    }
}

impl Policy for Engine {
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

/// A peer, whose sessions end long after the run.
impl Policy for Box<dyn Peer + Sync> {
    fn get(&mut self, id: &SessionId) -> Option<Time> {
        (**self).get(id).map(Time::from_millis)
    }

    fn insert(&mut self, id: &SessionId, ends: Time) {
        (**self).insert(id, &ends.as_millis().to_le_bytes());
    }

    fn take(&mut self, id: &SessionId) -> Option<Time> {
        (**self).take(id).map(Time::from_millis)
    }
}

/// moka can expire by itself, but only by the machine's clock. So that it loses nothing by this
/// one, what has ended is taken out of it here.
struct Expiring {
    peer: Box<dyn Peer + Sync>,
    /// What was inserted, in the order of its end: all sessions of a stream live equally long.
    endings: VecDeque<(Time, SessionId)>,
    /// The end of the last session under each id: asking the cache would count as a use.
    last: HashMap<SessionId, Time, RandomState>,
}

impl Policy for Expiring {
    fn at(&mut self, now: Time) {
        while self.endings.front().is_some_and(|(ends, _)| *ends < now)
            && let Some((ends, id)) = self.endings.pop_front()
        {
            if self.last.get(&id) == Some(&ends) {
                self.take(&id);
            }
        }
    }

    fn get(&mut self, id: &SessionId) -> Option<Time> {
        Policy::get(&mut self.peer, id)
    }

    fn insert(&mut self, id: &SessionId, ends: Time) {
        Policy::insert(&mut self.peer, id, ends);
        self.endings.push_back((ends, *id));
        self.last.insert(*id, ends);
    }

    fn take(&mut self, id: &SessionId) -> Option<Time> {
        self.last.remove(id);
        Policy::take(&mut self.peer, id)
    }
}
