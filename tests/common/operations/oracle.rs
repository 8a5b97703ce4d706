//! What must be in the cache, and what each operation must answer.

use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;

use rekindle::{Cache, Copied, Inserted, ManualClock, Refused, SessionId, Stats, Time};

use super::input::{Hashes, Input, Insert, Life, Operation};

thread_local! {
    /// Values that were made and not dropped yet.
    static ALIVE: Cell<usize> = const { Cell::new(0) };
}

pub(crate) fn alive() -> usize {
    ALIVE.get()
}

/// Makes a cache and runs the operations on it. `alone` says that no other thread of the process
/// uses a cache, so that nothing but this thread's guards holds reclamation back.
pub(crate) fn run(input: Input, alone: bool) {
    let clock = Arc::new(ManualClock::new());
    let mut builder = Cache::builder()
        .capacity(input.capacity)
        .max_encoded_len(input.max_encoded_len)
        .clock(clock.clone())
        .hasher(input.hashes);
    if let Some(bytes) = input.max_bytes {
        builder = builder.max_bytes(bytes);
    }
    if let Some(objects) = input.retired_limit {
        builder = builder.retired_limit(objects);
    }
    let cache = builder.build().expect("in range");
    let mut oracle = Oracle::new(&cache, &clock, &input, alone);
    oracle.run(&mut input.operations.into_iter());

    // No guard is left: what has left the table is reclaimed, and the rest goes with the cache.
    cache.maintain();
    oracle.validate();
    oracle.validate_reclaimed();
    drop(cache);
    assert_eq!(alive(), 0);
}

/// A value, which tells when it is dropped.
pub(crate) struct Value(pub(crate) u64);

impl Value {
    fn new(n: u64) -> Arc<Self> {
        ALIVE.set(ALIVE.get() + 1);
        Arc::new(Self(n))
    }
}

impl Drop for Value {
    fn drop(&mut self) {
        ALIVE.set(ALIVE.get() - 1);
    }
}

pub(crate) type TestCache = Cache<Arc<Value>, Hashes>;

/// Many ids, among them prefixes of others, and others with zeros behind.
fn id(n: u8) -> SessionId {
    let whole = [b'a', 0, 0, b'b', 0, n / 16, 0, n / 16];
    SessionId::new(&whole[..1 + usize::from(n % 8)]).expect("1 to 8 bytes")
}

const IDS: usize = 128;

/// A number below [`IDS`] for each id that [`id`] makes. A perfect hash, that is, which keeps the
/// oracle's map from costing more than the cache.
pub(crate) fn number(id: &SessionId) -> usize {
    let id = id.as_bytes();
    id.len() - 1 + 8 * usize::from(id.get(5).copied().unwrap_or(0))
}

/// What encoded bytes are cut from, each entry's from its own beginning.
static PATTERN: [u8; 256 + (40 << 10)] = {
    let mut bytes = [0; 256 + (40 << 10)];
    let mut i = 0;
    while i < bytes.len() {
        bytes[i] = (i ^ (i >> 8)) as u8;
        i += 1;
    }
    bytes
};

/// What buffers are filled with beforehand.
static CANARY: [u8; 40 << 10] = [0xEE; 40 << 10];

/// What is in the cache under an id.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Entry {
    pub(crate) value: u64,
    len: usize,
    pub(crate) expires_at: Time,
    pub(crate) resumed: bool,
    /// The last look that it was seen at.
    pub(crate) seen: u64,
}

impl Entry {
    pub(crate) fn encoded(&self) -> &'static [u8] {
        let first = usize::from(self.value.wrapping_mul(31) as u8);
        &PATTERN[first..first + self.len]
    }

    pub(crate) fn bytes(&self) -> usize {
        charge(self.len)
    }
}

/// Bytes that an entry counts for: header, value, encoded bytes and the allocator's own in
/// multiples of 16, above 1,024 bytes in quarters of the power of two below.
fn charge(len: usize) -> usize {
    let size: usize = 48 + size_of::<Arc<Value>>() + len + 8;
    if size <= 1_024 {
        return size.next_multiple_of(16);
    }
    size.next_multiple_of((1 << (size - 1).ilog2()) / 4)
}

pub(crate) struct Oracle<'c> {
    pub(crate) cache: &'c TestCache,
    clock: &'c ManualClock,
    pub(crate) max_bytes: usize,
    max_encoded_len: usize,
    retired_limit: usize,
    pub(crate) entries: [Option<Entry>; IDS],
    /// Number of those, and the bytes that they count for.
    pub(crate) len: usize,
    pub(crate) bytes: usize,
    /// What the cache's counters must be. Evictions are copied from them once they are accounted
    /// for.
    pub(crate) stats: Stats,
    /// Values that were ever made.
    values: u64,
    /// How often the oracle has looked at all that is in the cache.
    pub(crate) looks: u64,
    /// Guards that are held.
    guards: usize,
    pub(crate) alone: bool,
}

/// Deeper than this, `Pin` does nothing.
const MAX_GUARDS: usize = 4;

/// Retired entries that the gauge may not know of yet.
pub(crate) const UNREPORTED: usize = 64;

impl<'c> Oracle<'c> {
    fn new(cache: &'c TestCache, clock: &'c ManualClock, input: &Input, alone: bool) -> Self {
        Self {
            cache,
            clock,
            max_bytes: input.max_bytes.unwrap_or(usize::MAX),
            max_encoded_len: input.max_encoded_len,
            retired_limit: input.retired_limit.unwrap_or(usize::MAX),
            entries: [const { None }; IDS],
            len: 0,
            bytes: 0,
            stats: Stats::default(),
            values: 0,
            looks: 0,
            guards: 0,
            alone,
        }
    }

    fn is_live(&self, entry: &Entry) -> bool {
        self.cache.now() <= entry.expires_at
    }

    fn put(&mut self, id: &SessionId, entry: Entry) {
        self.drop(id);
        self.len += 1;
        self.bytes += entry.bytes();
        self.entries[number(id)] = Some(entry);
    }

    fn drop(&mut self, id: &SessionId) -> Option<Entry> {
        let entry = self.entries[number(id)].take()?;
        self.len -= 1;
        self.bytes -= entry.bytes();
        Some(entry)
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

    /// What a guard has shown stays as it is until the guard is dropped.
    fn run_pinned(&mut self, operations: &mut impl Iterator<Item = Operation>) {
        let guard = self.cache.pin();
        self.guards += 1;
        let expected = |id| self.entries[number(id)].clone().expect("in the cache");
        let seen: Vec<_> = guard.iter().map(|v| (expected(v.id()), v)).collect();
        self.run(operations);
        for (entry, view) in seen {
            assert_eq!(view.value().0, entry.value);
            assert!(view.encoded() == entry.encoded());
            assert_eq!(view.expires_at(), entry.expires_at);
        }
        self.guards -= 1;
    }

    fn step(&mut self, operation: Operation) {
        let cache = self.cache;
        let sweeping = matches!(operation, Operation::Maintain);
        match operation {
            Operation::Insert(insert) => return self.insert(insert),
            Operation::Churn { first, times } => {
                return (0..times).for_each(|n| self.insert(first.nth(n)));
            }
            Operation::Get { id: n } => {
                self.peek(&id(n));
                let found = self.lookup(&id(n)).map(|entry| entry.value);
                assert_eq!(cache.get(&id(n)).map(|value| value.0), found);
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
                    cache.pin().take(&id(n)).map(|entry| entry.value().0)
                } else {
                    cache.take(&id(n)).map(|value| value.0)
                };
                assert_eq!(taken, live);
                self.stats.taken += u64::from(live.is_some());
            }
            Operation::Advance { millis } => {
                self.clock.advance(Duration::from_millis(millis.into()));
            }
            Operation::Maintain => {
                let expired = self.stats.evicted.expired + cache.maintain() as u64;
                assert_eq!(cache.stats().evicted.expired, expired);
            }
            Operation::Clear => {
                assert_eq!(cache.clear(), self.len);
                self.stats.removed += self.len as u64;
                self.entries.fill(None);
                (self.len, self.bytes) = (0, 0);
            }
            Operation::Repin => cache.pin().repin(),
            Operation::Pin | Operation::Unpin => {}
        }
        let vanished = self.validate();
        assert!(vanished.is_empty() || sweeping, "{vanished:?} are gone");
        if sweeping && self.guards == 0 {
            self.validate_reclaimed();
        }
    }

    /// Counts a lookup, and says what it must find.
    fn lookup(&mut self, id: &SessionId) -> Option<Entry> {
        let now = self.cache.now();
        match &mut self.entries[number(id)] {
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

    /// What leaves no trace: neither a count, nor a use that an eviction would know of.
    fn peek(&self, id: &SessionId) {
        let entry = self.entries[number(id)].as_ref();
        let entry = entry.filter(|entry| self.is_live(entry));
        let is_it = |value: &Arc<Value>, encoded: &[u8], expires_at| {
            entry.is_some_and(|entry| {
                (value.0, expires_at) == (entry.value, entry.expires_at)
                    && encoded == entry.encoded()
            })
        };
        let peeked = self.cache.peek(id, is_it);
        assert_eq!(peeked, entry.map(|_| true));
        assert_eq!(self.cache.contains(id), entry.is_some());
    }

    fn get_buffer(&mut self, id: &SessionId, room: usize) {
        let mut buffer = CANARY[..room].to_vec();
        let copied = self.cache.get_buffer(id, &mut buffer);
        let (expected, bytes) = match self.lookup(id) {
            None => (None, &[][..]),
            Some(entry) => {
                let (needed, stored) = (entry.len, entry.len.min(room));
                (Some(Copied { needed, stored }), entry.encoded())
            }
        };
        assert_eq!(copied, expected);
        let stored = expected.map_or(0, |copied| copied.stored);
        assert!(buffer[..stored] == bytes[..stored]);
        assert!(buffer[stored..] == CANARY[stored..room], "wrote beyond");
    }

    /// The entry leaves; the live one is returned, an expired one counts as evicted.
    fn leave(&mut self, id: &SessionId) -> Option<Entry> {
        let entry = self.drop(id)?;
        let live = self.is_live(&entry);
        self.stats.evicted.expired += u64::from(!live);
        live.then_some(entry)
    }

    fn insert(&mut self, insert: Insert) {
        let (cache, id) = (self.cache, id(insert.id));
        let entry = Entry {
            value: self.values,
            len: insert.len,
            expires_at: match insert.life {
                Life::Over => Time::from_millis(cache.now().as_millis() - 1),
                Life::Millis(n) => cache.now().saturating_add(Duration::from_millis(n.into())),
                Life::Endless => Time::NEVER,
            },
            resumed: false,
            seen: 0,
        };
        self.values += 1;
        let value = Value::new(entry.value);
        let kept = Arc::downgrade(&value);
        let (encoded, end) = (entry.encoded(), entry.expires_at);
        let guard = insert.on_guard.then(|| cache.pin());
        let result = if insert.if_absent {
            let inserted = cache.insert_if_absent(&id, value, encoded, end);
            inserted.map(|inserted| inserted.then_some(Inserted::New))
        } else {
            cache.insert(&id, value, encoded, end).map(Some)
        };
        drop(guard);

        let old = self.entries[number(&id)].as_ref();
        let was_live = old.is_some_and(|entry| self.is_live(entry));
        let (charge, limit) = (entry.bytes(), self.max_encoded_len);
        let len = entry.len;
        match result {
            Err(refused) if len > limit => {
                assert_eq!(refused, Refused::TooLarge { len, limit });
                self.stats.refused.too_large += 1;
            }
            Err(refused) if charge > self.max_bytes => {
                assert_eq!(refused, Refused::OverBudget);
                self.stats.refused.over_budget += 1;
            }
            Err(refused) => {
                assert_eq!(refused, Refused::ReclamationHeldBack);
                let guarded = self.guards > 0 || insert.on_guard;
                assert!(guarded, "no guard holds anything back");
                assert!(cache.stats().retired >= self.retired_limit, "too early");
                let inserts = !(insert.if_absent && was_live);
                assert!(inserts, "there was nothing to insert");
                self.stats.refused.reclamation += 1;
            }
            Ok(inserted) => {
                assert!(entry.len <= limit && charge <= self.max_bytes);
                let expected = match (insert.if_absent, was_live) {
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
        // Refused, or there was one: then nothing has changed, and the value is dropped.
        assert_eq!(kept.strong_count(), 0);
        let vanished = self.validate();
        assert!(vanished.is_empty(), "{vanished:?} are gone");
    }

    /// Brings a successful insert into the oracle, and checks what it evicted.
    fn inserted(&mut self, id: SessionId, mut entry: Entry, was_live: bool) {
        let before = (self.len, self.bytes);
        let evicted = self.stats.evicted;
        let old = self.entries[number(&id)].clone();
        // A replacement inherits whether the session was ever resumed. An expired one may have been
        // swept out before it was replaced, so that there was nothing to inherit.
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
        let value = entry.value;
        self.put(&id, entry);
        let vanished = self.validate();
        let stayed = vanished.iter().all(|gone| gone.value != value);
        assert!(stayed, "evicted what it has just inserted");

        let after = self.stats.evicted;
        let full = before.0 + usize::from(old.is_none()) > self.cache.capacity()
            || before.1 + charge.saturating_sub(freed) > self.max_bytes;
        if (after.unused, after.idle) != (evicted.unused, evicted.idle) {
            assert!(full, "evicted live entries with room left");
        }
        if after.line_full != evicted.line_full {
            assert!(before.0 >= 7, "a line has seven slots");
        }
        let may_vanish = full || vanished.len() <= 1;
        assert!(may_vanish, "evicted {vanished:?} with room left");
    }
}
