//! Sequences of operations on a cache against a plain oracle: a map of what must be in it.
//!
//! The oracle cannot know whom the cache evicts. So after each operation it looks at all that is
//! left: whatever is gone must be counted as evicted for a reason that held, and whatever is there
//! must be exactly what was put in. Hence every answer is known beforehand.
#![no_main]

use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher};
use std::sync::{Arc, Weak};
use std::time::Duration;

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use rekindle::{
    Cache, CacheBuilder, Copied, Inserted, ManualClock, Refused, SessionId, Stats, Time,
};

#[derive(Arbitrary, Debug)]
struct Input {
    capacity: u8,
    /// In blocks of 64 bytes.
    max_bytes: Option<u8>,
    max_encoded_len: u8,
    retired_limit: Option<u8>,
    hashes: Hashes,
    operations: Vec<Operation>,
}

#[derive(Arbitrary, Debug)]
enum Operation {
    Insert {
        id: u8,
        len: u16,
        life: Life,
        if_absent: bool,
        on_guard: bool,
    },
    Get {
        id: u8,
    },
    GetBuffer {
        id: u8,
        room: u16,
    },
    Remove {
        id: u8,
    },
    Take {
        id: u8,
        on_guard: bool,
    },
    Advance {
        millis: u8,
    },
    Maintain,
    Clear,
    /// Takes a guard and keeps it, and all that is in the cache, until `Unpin`.
    Pin,
    Repin,
    Unpin,
}

#[derive(Arbitrary, Debug)]
enum Life {
    Over,
    Millis(u8),
    Endless,
}

/// How ids are hashed: all to one value, to seven, or well.
#[derive(Arbitrary, Clone, Copy, Debug)]
enum Hashes {
    One,
    Seven,
    Many,
}

struct IdHasher(u64, Hashes);

impl BuildHasher for Hashes {
    type Hasher = IdHasher;

    fn build_hasher(&self) -> IdHasher {
        IdHasher(0, *self)
    }
}

impl Hasher for IdHasher {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01B3);
        }
    }

    fn finish(&self) -> u64 {
        let n = match self.1 {
            Hashes::One => 0,
            Hashes::Seven => self.0 % 7,
            Hashes::Many => self.0,
        };
        n.wrapping_mul(0x9E37_79B9_7F4A_7C15)
    }
}

/// 128 ids, many of them prefixes of others, or others with zeros behind.
fn id(n: u8) -> SessionId {
    let whole = [b'a', 0, 0, b'b', 0, n / 16, 0, n / 16];
    SessionId::new(&whole[..1 + usize::from(n % 8)]).expect("1 to 8 bytes")
}

/// What is in the cache under an id.
#[derive(Clone, Debug, PartialEq)]
struct Entry {
    value: u64,
    len: usize,
    expires_at: Time,
    resumed: bool,
}

impl Entry {
    fn encoded(&self) -> Vec<u8> {
        let first = self.value.wrapping_mul(31) as usize;
        (0..self.len).map(|i| (first + i) as u8).collect()
    }

    /// Bytes that it counts for: header, value and encoded bytes in blocks of 64.
    fn bytes(&self) -> usize {
        charge(self.len)
    }
}

fn charge(len: usize) -> usize {
    (56 + len).next_multiple_of(64)
}

type TestCache = Cache<Arc<u64>, Hashes>;

struct Oracle<'c> {
    cache: &'c TestCache,
    clock: &'c ManualClock,
    max_bytes: usize,
    max_encoded_len: usize,
    entries: HashMap<SessionId, Entry>,
    /// What the cache's counters must be. Evictions are copied from them once they are accounted
    /// for.
    stats: Stats,
    /// All values that were ever made.
    values: Vec<Weak<u64>>,
    /// Guards that are held.
    guards: usize,
}

/// Deeper than this, `Pin` does nothing.
const MAX_GUARDS: usize = 4;

impl Oracle<'_> {
    fn is_live(&self, entry: &Entry) -> bool {
        self.cache.now() <= entry.expires_at
    }

    fn live(&self, id: &SessionId) -> Option<&Entry> {
        self.entries.get(id).filter(|entry| self.is_live(entry))
    }

    /// Runs operations until they end, or until one unpins the guard that the caller holds.
    fn run(&mut self, operations: &mut impl Iterator<Item = Operation>) {
        while let Some(operation) = operations.next() {
            match operation {
                Operation::Unpin if self.guards > 0 => return,
                Operation::Pin if self.guards < MAX_GUARDS => self.run_pinned(operations),
                other => self.step(other),
            }
        }
    }

    /// What a guard has shown stays as it is until the guard is dropped, whatever happens.
    fn run_pinned(&mut self, operations: &mut impl Iterator<Item = Operation>) {
        let guard = self.cache.pin();
        self.guards += 1;
        let seen: Vec<_> = guard.iter().collect();
        let expected: Vec<_> = seen.iter().map(|v| self.entries[v.id()].clone()).collect();
        self.run(operations);
        for (view, entry) in seen.iter().zip(expected) {
            assert_eq!(**view.value(), entry.value);
            assert_eq!(view.encoded(), entry.encoded());
            assert_eq!(view.expires_at(), entry.expires_at);
        }
        self.guards -= 1;
    }

    fn step(&mut self, operation: Operation) {
        let cache = self.cache;
        match operation {
            Operation::Insert {
                id: n,
                len,
                life,
                if_absent,
                on_guard,
            } => {
                return self.insert(id(n), len, life, if_absent, on_guard);
            }
            Operation::Get { id: n } => {
                let found = self.lookup(&id(n)).map(|entry| entry.value);
                assert_eq!(cache.get(&id(n)).map(|value| *value), found);
            }
            Operation::GetBuffer { id: n, room } => self.get_buffer(&id(n), room),
            Operation::Remove { id: n } => {
                let live = self.leave(&id(n));
                assert_eq!(cache.remove(&id(n)), live.is_some());
                self.stats.removed += u64::from(live.is_some());
            }
            Operation::Take { id: n, on_guard } => {
                let live = self.leave(&id(n)).map(|entry| entry.value);
                let taken = if on_guard {
                    cache.pin().take(&id(n)).map(|value| **value)
                } else {
                    cache.take(&id(n)).map(|value| *value)
                };
                assert_eq!(taken, live);
                self.stats.taken += u64::from(live.is_some());
            }
            Operation::Advance { millis } => {
                self.clock.advance(Duration::from_millis(millis.into()));
            }
            Operation::Maintain => {
                let swept = cache.maintain() as u64;
                assert_eq!(
                    cache.stats().evicted.expired,
                    self.stats.evicted.expired + swept
                );
            }
            Operation::Clear => {
                assert_eq!(cache.clear(), self.entries.len());
                self.stats.removed += self.entries.drain().count() as u64;
            }
            Operation::Repin => cache.pin().repin(),
            Operation::Pin | Operation::Unpin => {}
        }
        let sweeping = matches!(operation, Operation::Maintain);
        let vanished = self.reconcile();
        assert!(vanished.is_empty() || sweeping, "{vanished:?} are gone");
    }

    /// Counts a lookup, and says what it must find.
    fn lookup(&mut self, id: &SessionId) -> Option<Entry> {
        let now = self.cache.now();
        match self.entries.get_mut(id) {
            None => self.stats.misses += 1,
            Some(entry) if now > entry.expires_at => self.stats.expired += 1,
            Some(entry) => {
                self.stats.hits += 1;
                entry.resumed = true;
                return Some(entry.clone());
            }
        }
        None
    }

    fn get_buffer(&mut self, id: &SessionId, room: u16) {
        let mut buffer = vec![0xEE; usize::from(room) % 1024];
        let room = buffer.len();
        let copied = self.cache.get_buffer(id, &mut buffer);
        let (expected, bytes) = match self.lookup(id) {
            None => (None, Vec::new()),
            Some(entry) => {
                let copied = Copied {
                    needed: entry.len,
                    stored: entry.len.min(room),
                };
                (Some(copied), entry.encoded())
            }
        };
        assert_eq!(copied, expected);
        let stored = expected.map_or(0, |copied| copied.stored);
        assert_eq!(buffer[..stored], bytes[..stored]);
        assert!(
            buffer[stored..].iter().all(|byte| *byte == 0xEE),
            "wrote beyond"
        );
    }

    /// The entry leaves; the live one is returned, an expired one counts as evicted.
    fn leave(&mut self, id: &SessionId) -> Option<Entry> {
        let entry = self.entries.remove(id)?;
        let live = self.is_live(&entry);
        self.stats.evicted.expired += u64::from(!live);
        live.then_some(entry)
    }

    fn insert(&mut self, id: SessionId, len: u16, life: Life, if_absent: bool, on_guard: bool) {
        let cache = self.cache;
        let entry = Entry {
            value: self.values.len() as u64,
            len: usize::from(len) % 768,
            expires_at: match life {
                Life::Over => Time::from_millis(cache.now().as_millis() - 1),
                Life::Millis(n) => cache.now().saturating_add(Duration::from_millis(n.into())),
                Life::Endless => Time::NEVER,
            },
            resumed: false,
        };
        let value = Arc::new(entry.value);
        self.values.push(Arc::downgrade(&value));
        let (encoded, end) = (entry.encoded(), entry.expires_at);
        let result = match (if_absent, on_guard) {
            (false, false) => cache.insert(&id, value, &encoded, end).map(Some),
            (false, true) => cache.pin().insert(&id, value, &encoded, end).map(Some),
            (true, false) => cache.insert_if_absent(&id, value, &encoded, end).map(new),
            (true, true) => cache
                .pin()
                .insert_if_absent(&id, value, &encoded, end)
                .map(new),
        };
        fn new(inserted: bool) -> Option<Inserted> {
            inserted.then_some(Inserted::New)
        }

        let was_live = self.live(&id).is_some();
        let (charge, limit) = (entry.bytes(), self.max_encoded_len);
        let too_large = Refused::TooLarge {
            len: entry.len,
            limit,
        };
        match result {
            Err(refused) if entry.len > limit => {
                assert_eq!(refused, too_large);
                self.stats.refused.too_large += 1;
            }
            Err(refused) if charge > self.max_bytes => {
                assert_eq!(refused, Refused::OverBudget);
                self.stats.refused.over_budget += 1;
            }
            Err(refused) => {
                assert_eq!(refused, Refused::ReclamationHeldBack);
                assert!(self.guards > 0 || on_guard, "nobody holds anything back");
                assert!(!(if_absent && was_live), "there was nothing to insert");
                self.stats.refused.reclamation += 1;
            }
            Ok(inserted) => {
                assert!(entry.len <= limit && charge <= self.max_bytes);
                let expected = match (if_absent, was_live) {
                    (true, true) => None,
                    (false, true) => Some(Inserted::Replaced),
                    (_, false) => Some(Inserted::New),
                };
                assert_eq!(inserted, expected);
                if inserted.is_some() {
                    return self.inserted(id, entry, was_live);
                }
            }
        }
        // Refused, or there was one: then nothing has changed, and nobody keeps the value.
        assert!(
            self.values
                .last()
                .is_some_and(|value| value.strong_count() == 0)
        );
        let vanished = self.reconcile();
        assert!(vanished.is_empty(), "{vanished:?} are gone");
    }

    /// Brings a successful insert into the oracle, and checks whom it evicted.
    fn inserted(&mut self, id: SessionId, mut entry: Entry, was_live: bool) {
        let before = (self.entries.len(), self.bytes());
        let evicted = self.stats.evicted;
        let old = self.entries.get(&id).cloned();
        // A replacement inherits whether anybody ever came back. An expired one may have been swept
        // out before it was replaced, so that there was nothing to inherit.
        entry.resumed = old.as_ref().is_some_and(|old| old.resumed);
        if old.is_some() && !was_live {
            let guard = self.cache.pin();
            let view = guard.iter().find(|view| *view.id() == id);
            let resumed = view.expect("just inserted").was_resumed();
            assert!(entry.resumed || !resumed);
            entry.resumed = resumed;
        }
        if was_live {
            self.stats.replaced += 1;
        } else {
            self.stats.inserts += 1;
            self.stats.evicted.expired += u64::from(old.is_some());
        }
        let (charge, freed) = (entry.bytes(), old.as_ref().map_or(0, Entry::bytes));
        self.entries.insert(id, entry);
        let vanished = self.reconcile();
        assert!(
            !vanished.contains_key(&id),
            "evicted what it has just inserted"
        );

        let after = self.stats.evicted;
        let full = before.0 + usize::from(old.is_none()) > self.cache.capacity()
            || before.1 + charge.saturating_sub(freed) > self.max_bytes;
        if (after.unused, after.idle) != (evicted.unused, evicted.idle) {
            assert!(full, "evicted live entries with room left");
        }
        if after.line_full != evicted.line_full {
            assert!(before.0 >= 8, "a line has eight slots");
        }
        assert!(
            full || vanished.len() <= 1,
            "evicted {vanished:?} with room left"
        );
    }

    fn bytes(&self) -> usize {
        self.entries.values().map(Entry::bytes).sum()
    }

    /// Takes what the cache evicted out of the oracle and returns it; then both are the same.
    fn reconcile(&mut self) -> HashMap<SessionId, Entry> {
        let guard = self.cache.pin();
        let mut left = HashMap::new();
        for view in guard.iter() {
            let entry = self
                .entries
                .remove(view.id())
                .expect("never inserted, or there twice");
            assert_eq!(**view.value(), entry.value);
            assert_eq!(view.encoded(), entry.encoded());
            assert_eq!(view.expires_at(), entry.expires_at);
            assert_eq!(view.was_resumed(), entry.resumed);
            left.insert(*view.id(), entry);
        }
        let vanished = std::mem::replace(&mut self.entries, left);

        let stats = self.cache.stats();
        let expired = vanished
            .values()
            .filter(|entry| !self.is_live(entry))
            .count() as u64;
        let live = vanished.len() as u64 - expired;
        self.stats.evicted.expired += expired;
        let count = |s: &Stats| s.evicted.unused + s.evicted.idle + s.evicted.line_full;
        assert_eq!(
            count(&stats),
            count(&self.stats) + live,
            "live entries evicted"
        );
        for (now, before, resumed) in [
            (stats.evicted.unused, self.stats.evicted.unused, false),
            (stats.evicted.idle, self.stats.evicted.idle, true),
        ] {
            let such = |entry: &&Entry| self.is_live(entry) && entry.resumed == resumed;
            let such = vanished.values().filter(such).count() as u64;
            assert!(
                now - before <= such,
                "evicted for a reason that does not hold"
            );
        }
        self.stats.evicted.unused = stats.evicted.unused;
        self.stats.evicted.idle = stats.evicted.idle;
        self.stats.evicted.line_full = stats.evicted.line_full;

        self.stats.entries = self.entries.len();
        self.stats.bytes = self.bytes();
        self.stats.retired = stats.retired;
        self.stats.retired_bytes = stats.retired_bytes;
        assert_eq!(stats, self.stats);
        assert!(stats.entries <= self.cache.capacity());
        assert!(stats.bytes <= self.max_bytes);
        assert_eq!(self.cache.len(), stats.entries);
        vanished
    }
}

fuzz_target!(|input: Input| {
    let clock = Arc::new(ManualClock::new());
    let max_bytes = input.max_bytes.map(|blocks| 64 * (1 + usize::from(blocks)));
    let max_encoded_len = 1 + 3 * usize::from(input.max_encoded_len);
    let mut builder = CacheBuilder::new(1 + usize::from(input.capacity) % 64)
        .max_encoded_len(max_encoded_len)
        .clock(clock.clone())
        .hasher(input.hashes);
    if let Some(bytes) = max_bytes {
        builder = builder.max_bytes(bytes);
    }
    if let Some(objects) = input.retired_limit {
        builder = builder.retired_limit(1 + usize::from(objects));
    }
    let cache = builder.build().expect("in range");
    let mut oracle = Oracle {
        cache: &cache,
        clock: &clock,
        max_bytes: max_bytes.unwrap_or(usize::MAX),
        max_encoded_len,
        entries: HashMap::new(),
        stats: Stats::default(),
        values: Vec::new(),
        guards: 0,
    };
    oracle.run(&mut input.operations.into_iter());

    // Nobody is pinned any more: what has left is reclaimed, and the rest goes with the cache.
    cache.maintain();
    assert_eq!((cache.stats().retired, cache.stats().retired_bytes), (0, 0));
    let (values, left) = (oracle.values, cache.len());
    let alive = |values: &[Weak<u64>]| values.iter().filter(|v| v.strong_count() > 0).count();
    assert_eq!(alive(&values), left);
    drop(cache);
    assert_eq!(alive(&values), 0);
});
