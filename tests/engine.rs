//! The engine against a plain oracle: random sequences of operations, at capacities from 1 up, with
//! eviction, expiry, ids whose hashes collide and ids that are prefixes of each other.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;
use rekindle::{
    Cache, CacheBuilder, ConfigError, Copied, Inserted, ManualClock, Refused, SessionId, Time,
};

/// Hashes so that ids collide: to the sum of their bytes, or all to one value.
#[derive(Clone, Copy, Debug)]
enum Colliding {
    Sum,
    One,
}

struct SumHasher(u64, Colliding);

impl BuildHasher for Colliding {
    type Hasher = SumHasher;

    fn build_hasher(&self) -> SumHasher {
        SumHasher(0, *self)
    }
}

impl Hasher for SumHasher {
    fn write(&mut self, bytes: &[u8]) {
        self.0 += bytes.iter().map(|b| u64::from(*b)).sum::<u64>();
    }

    fn finish(&self) -> u64 {
        match self.1 {
            // Spread over the lines; the length counts too, so prefixes may or may not collide.
            Colliding::Sum => (self.0 % 7).wrapping_mul(0x9E37_79B9_7F4A_7C15),
            Colliding::One => 0,
        }
    }
}

/// Few ids, many of them prefixes of others, or others with zeros behind.
fn id(n: u8) -> SessionId {
    let whole = [b'a', 0, 0, b'b', 0, n / 16, 0, n / 16];
    SessionId::new(&whole[..1 + usize::from(n % 8)]).unwrap()
}

#[derive(Clone, Debug)]
enum Op {
    Insert { id: u8, len: usize, life: u64 },
    InsertIfAbsent { id: u8, len: usize, life: u64 },
    Get(u8),
    GetBuffer { id: u8, room: usize },
    Remove(u8),
    Take(u8),
    Advance(u64),
    Maintain,
    Clear,
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let (len, life) = (0usize..700, 0u64..50);
    let op = prop_oneof![
        6 => (any::<u8>(), len.clone(), life.clone()).prop_map(|(id, len, life)| Op::Insert { id, len, life }),
        2 => (any::<u8>(), len, life).prop_map(|(id, len, life)| Op::InsertIfAbsent { id, len, life }),
        6 => any::<u8>().prop_map(Op::Get),
        3 => (any::<u8>(), 0usize..800).prop_map(|(id, room)| Op::GetBuffer { id, room }),
        2 => any::<u8>().prop_map(Op::Remove),
        2 => any::<u8>().prop_map(Op::Take),
        2 => (0u64..20).prop_map(Op::Advance),
        1 => Just(Op::Maintain),
        1 => prop_oneof![9 => Just(Op::Maintain), 1 => Just(Op::Clear)],
    ];
    prop::collection::vec(op, 1..300)
}

/// A value that leads to its encoded bytes, and the moment after which it is gone.
#[derive(Clone, Debug)]
struct Entry {
    value: u64,
    len: usize,
    expires_at: Time,
}

fn encoded(value: u64, len: usize) -> Vec<u8> {
    (0..len).map(|i| (value as usize + i) as u8).collect()
}

/// Bytes that an entry counts for: its header, value and encoded bytes, and the allocator's own, in
/// multiples of 16.
fn charge(len: usize) -> usize {
    (56 + len + 8).next_multiple_of(16)
}

/// What was put in and not taken out; the cache may have evicted some of it.
struct Model<S: BuildHasher> {
    cache: Cache<u64, S>,
    clock: Arc<ManualClock>,
    max_bytes: usize,
    entries: HashMap<SessionId, Entry>,
    next_value: u64,
    hits: u64,
    lookups: u64,
}

impl<S: BuildHasher> Model<S> {
    fn run(&mut self, op: &Op) {
        match *op {
            Op::Insert { id: n, len, life } => self.insert(id(n), len, life),
            Op::InsertIfAbsent { id: n, len, life } => self.insert_if_absent(id(n), len, life),
            Op::Get(n) => self.get(id(n)),
            Op::GetBuffer { id: n, room } => self.get_buffer(id(n), room),
            Op::Remove(n) => {
                let removed = self.cache.remove(&id(n));
                self.check_gone(id(n), removed);
            }
            Op::Take(n) => {
                let taken = self.cache.take(&id(n));
                if let Some(value) = taken {
                    assert_eq!(value, self.entries[&id(n)].value);
                }
                self.check_gone(id(n), taken.is_some());
            }
            Op::Advance(millis) => self.clock.advance(Duration::from_millis(millis)),
            Op::Maintain => {
                self.cache.maintain();
            }
            Op::Clear => {
                self.cache.clear();
                self.entries.clear();
                assert!(self.cache.is_empty());
            }
        }
        self.check_invariants();
    }

    fn new_entry(&mut self, len: usize, life: u64) -> (Entry, Vec<u8>) {
        self.next_value += 1;
        let expires_at = self.cache.now().saturating_add(Duration::from_millis(life));
        let entry = Entry {
            value: self.next_value,
            len,
            expires_at,
        };
        (entry, encoded(self.next_value, len))
    }

    fn insert(&mut self, id: SessionId, len: usize, life: u64) {
        let evicted = self.evictions();
        let (new, bytes) = self.new_entry(len, life);
        match self.cache.insert(&id, new.value, &bytes, new.expires_at) {
            Ok(Inserted::Replaced) => assert!(self.live(id).is_some()),
            Ok(Inserted::New) => assert!(self.may_be_gone(id), "replaced, but not so called"),
            Err(Refused::OverBudget) => {
                assert!(charge(len) > self.max_bytes, "{len} bytes do fit");
                assert_eq!(self.evictions(), evicted, "a refusal changes nothing");
                return;
            }
            Err(other) => panic!("{other}"),
        }
        self.entries.insert(id, new);
        // What was inserted last is there, whatever else had to go.
        assert!(self.cache.pin().iter().any(|entry| *entry.id() == id));
    }

    fn insert_if_absent(&mut self, id: SessionId, len: usize, life: u64) {
        let (new, bytes) = self.new_entry(len, life);
        match self
            .cache
            .insert_if_absent(&id, new.value, &bytes, new.expires_at)
        {
            Ok(true) => {
                assert!(self.may_be_gone(id));
                self.entries.insert(id, new);
            }
            Ok(false) => assert!(self.live(id).is_some()),
            Err(Refused::OverBudget) => assert!(charge(len) > self.max_bytes),
            Err(other) => panic!("{other}"),
        }
    }

    fn get(&mut self, id: SessionId) {
        let got = self.cache.get(&id);
        assert_eq!(got, self.cache.pin().get(&id).copied(), "both ways agree");
        self.lookups += 2;
        self.hits += 2 * u64::from(got.is_some());
        match got {
            Some(value) => assert_eq!(Some(value), self.live(id).map(|e| e.value)),
            None => assert!(self.may_be_gone(id), "lost {id:?}"),
        }
    }

    fn get_buffer(&mut self, id: SessionId, room: usize) {
        let mut buffer = vec![0xEE; room];
        let copied = self.cache.get_buffer(&id, &mut buffer);
        self.lookups += 1;
        self.hits += u64::from(copied.is_some());
        let Some(Copied { needed, stored }) = copied else {
            assert!(self.may_be_gone(id), "lost {id:?}");
            assert!(
                buffer.iter().all(|b| *b == 0xEE),
                "a miss leaves the buffer alone"
            );
            return;
        };
        let entry = self.live(id).expect("a hit on something that was put in");
        let whole = encoded(entry.value, entry.len);
        assert_eq!((needed, stored), (whole.len(), whole.len().min(room)));
        assert_eq!(buffer[..stored], whole[..stored]);
        assert!(buffer[stored..].iter().all(|b| *b == 0xEE), "no overrun");
    }

    fn check_gone(&mut self, id: SessionId, was_there: bool) {
        let live = self.live(id).is_some();
        assert!(!was_there || live);
        assert!(was_there || self.may_be_gone(id));
        self.entries.remove(&id);
        assert!(!self.cache.pin().iter().any(|entry| *entry.id() == id));
    }

    fn live(&self, id: SessionId) -> Option<&Entry> {
        let now = self.cache.now();
        self.entries
            .get(&id)
            .filter(|entry| now <= entry.expires_at)
    }

    /// Without evictions for room, what is live in the model is live in the cache.
    fn may_be_gone(&self, id: SessionId) -> bool {
        self.live(id).is_none() || self.evictions() > 0
    }

    fn evictions(&self) -> u64 {
        let evicted = self.cache.stats().evicted;
        evicted.unused + evicted.idle + evicted.line_full
    }

    fn check_invariants(&self) {
        let stats = self.cache.stats();
        let guard = self.cache.pin();
        let mut seen = HashMap::new();
        for entry in guard.iter() {
            let expected = &self.entries[entry.id()];
            assert_eq!(
                *entry.value(),
                expected.value,
                "the latest value of {:?}",
                entry.id()
            );
            assert_eq!(entry.encoded(), encoded(expected.value, expected.len));
            assert!(
                seen.insert(*entry.id(), ()).is_none(),
                "one entry for each id"
            );
        }
        assert_eq!(stats.entries, seen.len());
        assert_eq!(self.cache.len(), seen.len());
        assert!(stats.entries <= self.cache.capacity());
        assert!(stats.bytes <= self.max_bytes);
        assert_eq!(stats.bytes == 0, seen.is_empty());
        let gone = stats.removed + stats.taken + self.evictions() + stats.evicted.expired;
        assert_eq!(stats.inserts - gone, seen.len() as u64, "{stats:?}");
        assert_eq!(stats.hits, self.hits);
        assert_eq!(stats.hits + stats.misses + stats.expired, self.lookups);
    }
}

fn check<S: BuildHasher>(capacity: usize, max_bytes: Option<usize>, hasher: S, ops: &[Op]) {
    let clock = Arc::new(ManualClock::new());
    let mut builder = Cache::builder().capacity(capacity).clock(clock.clone());
    if let Some(bytes) = max_bytes {
        builder = builder.max_bytes(bytes);
    }
    let mut model = Model {
        cache: builder.hasher(hasher).build().unwrap(),
        clock,
        max_bytes: max_bytes.unwrap_or(usize::MAX),
        entries: HashMap::new(),
        next_value: 0,
        hits: 0,
        lookups: 0,
    };
    for op in ops {
        model.run(op);
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 160,
        failure_persistence: Some(Box::new(FileFailurePersistence::WithSource("regressions"))),
        ..ProptestConfig::default()
    })]

    #[test]
    fn agrees_with_the_oracle(capacity in 1usize..300, ops in ops()) {
        check(capacity, None, ahash::RandomState::new(), &ops);
    }

    #[test]
    fn agrees_when_small(capacity in 1usize..6, ops in ops()) {
        check(capacity, None, ahash::RandomState::new(), &ops);
    }

    #[test]
    fn agrees_when_hashes_collide(capacity in 1usize..300, ops in ops()) {
        check(capacity, None, Colliding::Sum, &ops);
        check(capacity, None, Colliding::One, &ops);
    }

    #[test]
    fn agrees_with_a_byte_limit(capacity in 1usize..300, max_bytes in 64usize..8_000, ops in ops()) {
        check(capacity, Some(max_bytes), ahash::RandomState::new(), &ops);
    }
}

fn fill(cache: &Cache<u64>, ids: std::ops::Range<u32>) {
    for n in ids {
        cache
            .insert(&numbered(n), 0, b"bytes", Time::NEVER)
            .unwrap();
    }
}

fn numbered(n: u32) -> SessionId {
    SessionId::new(&n.to_be_bytes()).unwrap()
}

#[test]
fn a_flood_of_sessions_that_nobody_resumes_does_not_push_out_those_in_use() {
    let cache = Cache::new(1_000).unwrap();
    fill(&cache, 0..500);
    let guard = cache.pin();
    let in_use = |n: &u32| guard.get(&numbered(*n)).is_some();
    let before = (0..500).filter(in_use).count();
    drop(guard);
    // A hundred times the capacity, and nobody comes back meanwhile.
    fill(&cache, 1_000..101_000);
    let guard = cache.pin();
    let after = (0..500)
        .filter(|n| guard.get(&numbered(*n)).is_some())
        .count();
    assert!(before >= 490, "{before}");
    assert!(after >= before * 9 / 10, "{after} of {before} survived");
}

#[test]
fn sessions_that_were_resumed_once_do_not_stay_for_good() {
    let cache = Cache::new(1_000).unwrap();
    fill(&cache, 0..1_000);
    for n in 0..1_000 {
        assert!(cache.get(&numbered(n)).is_some() || cache.stats().evicted.line_full > 0);
    }
    // All of them were resumed; now others are, and the old ones are not any more.
    for n in 1_000..4_000 {
        fill(&cache, n..n + 1);
        cache.get(&numbered(n));
    }
    let old = (0..1_000)
        .filter(|n| cache.get(&numbered(*n)).is_some())
        .count();
    assert!(old < 200, "{old} of 1,000 still there");
}

#[test]
fn expired_entries_go_before_live_ones() {
    let clock = Arc::new(ManualClock::new());
    let cache = Cache::builder()
        .capacity(100)
        .clock(clock.clone())
        .build()
        .unwrap();
    for n in 0..50 {
        let soon = cache.now().saturating_add(Duration::from_secs(1));
        cache.insert(&numbered(n), 0, b"", soon).unwrap();
    }
    fill(&cache, 50..100);
    let live = cache.len() - 50;
    clock.advance(Duration::from_secs(2));
    fill(&cache, 100..150);
    let stats = cache.stats();
    assert!(stats.evicted.expired >= 30, "{stats:?}");
    let still = (50..100)
        .filter(|n| cache.get(&numbered(*n)).is_some())
        .count();
    assert!(still + 20 >= live, "{still} of {live}");
}

#[test]
fn maintaining_sweeps_the_whole_table_in_sixty_calls() {
    let clock = Arc::new(ManualClock::new());
    let cache = Cache::builder()
        .capacity(10_000)
        .clock(clock.clone())
        .build()
        .unwrap();
    let soon = cache.now().saturating_add(Duration::from_secs(1));
    for n in 0..5_000 {
        cache.insert(&numbered(n), 0, b"", soon).unwrap();
    }
    let before = cache.len();
    clock.advance(Duration::from_millis(1_001));
    let swept: usize = (0..60).map(|_| cache.maintain()).sum();
    assert_eq!(swept, before);
    // Another test's thread may be pinned right now.
    while cache.stats().retired > 0 {
        cache.maintain();
    }
    let stats = cache.stats();
    assert_eq!(
        (
            stats.entries,
            stats.bytes,
            stats.retired,
            stats.retired_bytes
        ),
        (0, 0, 0, 0)
    );
}

#[test]
fn an_id_has_one_to_32_bytes() {
    assert_eq!(SessionId::new(b"").unwrap_err().len, 0);
    assert_eq!(SessionId::new(&[0; 33]).unwrap_err().len, 33);
    assert_eq!(SessionId::new(&[7; 32]).unwrap().as_bytes(), [7; 32]);
    assert_ne!(
        SessionId::new(b"ab").unwrap(),
        SessionId::new(b"ab\0").unwrap()
    );
}

#[test]
fn bad_configurations_are_refused() {
    let build = |builder: CacheBuilder<u64>| builder.build().unwrap_err();
    let new = |capacity| Cache::builder().capacity(capacity);
    assert_eq!(build(new(0)), ConfigError::Capacity(0));
    assert_eq!(build(new(usize::MAX)), ConfigError::Capacity(usize::MAX));
    assert_eq!(build(new(1).max_encoded_len(0)), ConfigError::EncodedLen(0));
    let long = CacheBuilder::MAX_ENCODED_LEN + 1;
    assert_eq!(
        build(new(1).max_encoded_len(long)),
        ConfigError::EncodedLen(long)
    );
    assert_eq!(build(new(1).max_bytes(63)), ConfigError::MaxBytes(63));
    assert_eq!(build(new(1).retired_limit(0)), ConfigError::RetiredLimit);
}

#[test]
fn an_entry_that_the_caller_refuses_counts_as_expired() {
    let cache = Cache::new(10).unwrap();
    let id = SessionId::new(b"id").unwrap();
    cache.insert(&id, 5u64, b"encoded", Time::NEVER).unwrap();
    let guard = cache.pin();
    assert_eq!(guard.get_if(&id, |value| *value == 4), None);
    assert!(!guard.iter().next().unwrap().was_resumed());
    assert_eq!(guard.get_if(&id, |value| *value == 5), Some(&5));
    let stats = cache.stats();
    assert_eq!((stats.hits, stats.misses, stats.expired), (1, 0, 1));
}

#[test]
fn a_take_on_a_guard_gives_the_encoded_bytes() {
    let cache = Cache::new(10).unwrap();
    let id = SessionId::new(b"id").unwrap();
    cache.insert(&id, 5u64, b"encoded", Time::NEVER).unwrap();
    let guard = cache.pin();
    let taken = guard.take(&id).unwrap();
    assert_eq!(
        (taken.id(), taken.value(), taken.encoded()),
        (&id, &5, &b"encoded"[..])
    );
    assert!(!taken.was_resumed() && guard.take(&id).is_none());
}

#[test]
fn ids_are_shown_in_hexadecimal_and_ordered_by_their_bytes() {
    let id = |bytes: &[u8]| SessionId::new(bytes).unwrap();
    assert_eq!(id(&[0, 0xAB, 9]).to_string(), "00ab09");
    assert!(id(b"ab") < id(b"ab\0") && id(b"ab\0") < id(b"ac") && id(b"ac") < id(b"b"));
}

#[test]
fn debug_shows_no_encoded_bytes_and_no_whole_id() {
    let cache = Cache::new(10).unwrap();
    let id = SessionId::new(&[0xAB; 32]).unwrap();
    cache.insert(&id, 1u64, b"a secret", Time::NEVER).unwrap();
    let guard = cache.pin();
    let shown = format!(
        "{cache:?} {guard:?} {:?} {id:?}",
        guard.iter().collect::<Vec<_>>()
    );
    assert!(
        !shown.contains("secret") && !shown.contains("97, 32"),
        "{shown}"
    );
    assert!(!shown.contains("ababababab"), "{shown}");
}

/// The ids of a cache in the order of its lines, in which a client with the hash's key could choose
/// ids for one line.
fn ids_by_line() -> String {
    let cache = Cache::new(1_000).unwrap();
    for n in 0..32 {
        let id = SessionId::new(&[n; 8]).unwrap();
        cache.insert(&id, (), b"", Time::NEVER).unwrap();
    }
    let guard = cache.pin();
    let firsts = guard.iter().map(|entry| entry.id().as_bytes()[0]);
    format!("order: {:?}", firsts.collect::<Vec<_>>())
}

#[test]
fn each_process_hashes_ids_with_a_key_of_its_own() {
    let name = "each_process_hashes_ids_with_a_key_of_its_own";
    if std::env::var_os(name).is_some() {
        println!("{}", ids_by_line());
        return;
    }
    let order = || {
        let mut process = std::process::Command::new(std::env::current_exe().unwrap());
        process
            .args(["--exact", name, "--nocapture"])
            .env(name, "1");
        let out = String::from_utf8(process.output().unwrap().stdout).unwrap();
        let line = out
            .lines()
            .find_map(|line| Some(&line[line.find("order: ")?..]));
        line.expect("the child prints its order").to_owned()
    };
    assert_ne!(order(), order());
}
