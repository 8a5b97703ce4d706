//! The engine against an oracle, by random sequences of operations, and what eviction promises.

#[allow(dead_code)] // what the fuzz target uses
#[path = "common/operations/mod.rs"]
mod operations;

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use arbitrary::{Arbitrary, Unstructured};
use operations::Input;
use operations::input::{Hashes, Operation};
use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;
use rekindle::{Cache, CacheBuilder, ConfigError, ManualClock, Refused, SessionId, Time};

/// Operations on a cache without limits but its capacity, in sizes that make the oracle fast.
fn inputs() -> impl Strategy<Value = Input> {
    prop::collection::vec(any::<u8>(), 5..1_000).prop_map(|bytes| {
        let mut input = Input::arbitrary(&mut Unstructured::new(&bytes)).unwrap();
        for operation in &mut input.operations {
            if let Operation::Insert(insert) | Operation::Churn { first: insert, .. } = operation {
                insert.len %= 700;
            }
        }
        Input {
            max_bytes: None,
            max_encoded_len: 1_000,
            retired_limit: None,
            hashes: Hashes::Many,
            ..input
        }
    })
}

/// Other tests of the process use caches meanwhile.
fn check(input: Input) {
    operations::run(input, false);
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 160,
        failure_persistence: Some(Box::new(FileFailurePersistence::WithSource("regressions"))),
        ..ProptestConfig::default()
    })]

    #[test]
    fn agrees_with_the_oracle(capacity in 1usize..300, input in inputs()) {
        check(Input { capacity, ..input });
    }

    #[test]
    fn agrees_when_small(capacity in 1usize..6, input in inputs()) {
        check(Input { capacity, ..input });
    }

    #[test]
    fn agrees_when_hashes_collide(capacity in 1usize..300, input in inputs()) {
        check(Input { capacity, hashes: Hashes::Seven, ..input.clone() });
        check(Input { capacity, hashes: Hashes::One, ..input });
    }

    #[test]
    fn agrees_with_a_byte_limit(
        capacity in 1usize..300,
        max_bytes in 64usize..8_000,
        input in inputs(),
    ) {
        check(Input { capacity, max_bytes: Some(max_bytes), ..input });
    }
}

#[test]
fn agrees_on_the_fuzz_targets_corpus() {
    // A published package has none.
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/corpus/operations");
    let corpus = std::fs::read_dir(folder);
    for file in corpus.into_iter().flatten() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        let mut input = Input::arbitrary(&mut Unstructured::new(&bytes)).unwrap();
        input.retired_limit = None;
        check(input);
    }
}

fn fill(cache: &Cache<u64>, ids: Range<u32>) {
    for n in ids {
        let inserted = cache.insert(&numbered(n), 0, b"bytes", Time::NEVER);
        inserted.unwrap();
    }
}

/// How many of these are found.
fn found(cache: &Cache<u64>, ids: Range<u32>) -> usize {
    let guard = cache.pin();
    ids.filter(|n| guard.get(&numbered(*n)).is_some()).count()
}

fn with_clock(capacity: usize) -> (Arc<ManualClock>, Cache<u64>) {
    let clock = Arc::new(ManualClock::new());
    let builder = Cache::builder().capacity(capacity).clock(clock.clone());
    (clock, builder.build().unwrap())
}

fn with_entry() -> (Cache<u64>, SessionId) {
    let cache = Cache::new(10).unwrap();
    let id = SessionId::new(b"id").unwrap();
    cache.insert(&id, 5, b"encoded", Time::NEVER).unwrap();
    (cache, id)
}

fn numbered(n: u32) -> SessionId {
    SessionId::new(&n.to_be_bytes()).unwrap()
}

#[test]
fn a_flood_of_sessions_that_nobody_resumes_does_not_push_out_those_in_use() {
    let cache = Cache::new(1_000).unwrap();
    fill(&cache, 0..500);
    let before = found(&cache, 0..500);
    // A hundred times the capacity, none of which is resumed meanwhile.
    fill(&cache, 1_000..101_000);
    let after = found(&cache, 0..500);
    assert!(before >= 490, "{before}");
    // A full line of them gives one up.
    assert!(after >= before * 97 / 100, "{after} of {before} survived");
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
    let old = found(&cache, 0..1_000);
    assert!(old < 200, "{old} of 1,000 still there");
}

#[test]
fn expired_entries_go_before_live_ones() {
    let (clock, cache) = with_clock(100);
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
    let still = found(&cache, 50..100);
    assert!(still + 20 >= live, "{still} of {live}");
}

#[test]
fn maintaining_sweeps_the_whole_table_in_sixty_calls() {
    let (clock, cache) = with_clock(10_000);
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
    assert_eq!((stats.entries, stats.bytes), (0, 0));
    assert_eq!((stats.retired, stats.retired_bytes), (0, 0));
}

#[test]
fn an_id_has_one_to_32_bytes() {
    assert_eq!(SessionId::new(b"").unwrap_err().len, 0);
    assert_eq!(SessionId::new(&[0; 33]).unwrap_err().len, 33);
    assert_eq!(SessionId::new(&[7; 32]).unwrap().as_bytes(), [7; 32]);
    assert_ne!(SessionId::new(b"ab"), SessionId::new(b"ab\0"));
}

#[test]
fn bad_configurations_are_refused() {
    let build = |builder: CacheBuilder<u64>| builder.build().unwrap_err();
    let new = |capacity| Cache::builder().capacity(capacity);
    assert_eq!(build(new(0)), ConfigError::Capacity(0));
    assert_eq!(build(new(usize::MAX)), ConfigError::Capacity(usize::MAX));
    assert_eq!(build(new(1).max_encoded_len(0)), ConfigError::EncodedLen(0));
    let long = CacheBuilder::MAX_ENCODED_LEN + 1;
    let too_long = ConfigError::EncodedLen(long);
    assert_eq!(build(new(1).max_encoded_len(long)), too_long);
    assert_eq!(build(new(1).max_bytes(63)), ConfigError::MaxBytes(63));
    assert_eq!(build(new(1).retired_limit(0)), ConfigError::RetiredLimit);
}

#[test]
fn an_entry_that_the_caller_refuses_counts_as_expired() {
    let (cache, id) = with_entry();
    let guard = cache.pin();
    assert_eq!(guard.get_if(&id, |value, _| *value == 4), None);
    assert!(!guard.iter().next().unwrap().was_resumed());
    assert_eq!(guard.get_if(&id, |value, _| *value == 5), Some(&5));
    let stats = cache.stats();
    assert_eq!((stats.hits, stats.misses, stats.expired), (1, 0, 1));
}

#[test]
fn what_a_value_owns_counts_in_the_byte_limit_and_in_the_statistics() {
    let build = |max_bytes, value_bytes| {
        let builder = Cache::builder().capacity(1_000).max_bytes(max_bytes);
        builder.value_bytes(value_bytes).build().unwrap()
    };
    let insert = |cache: &Cache<usize>, n: u8, bytes| {
        let id = SessionId::new(&[n]).unwrap();
        cache.insert(&id, bytes, b"1234", Time::NEVER)
    };
    let plain = build(1 << 30, |_, _| 0);
    insert(&plain, 0, 0).unwrap();
    let entry = plain.stats().bytes;

    let cache = build(10_000, |bytes, encoded_len| bytes + encoded_len);
    let (each, few) = (entry + 2_004, 4);
    for n in 0..200 {
        insert(&cache, n, 2_000).unwrap();
        let stats = cache.stats();
        assert_eq!(stats.bytes, stats.entries * each);
        assert_eq!(stats.entries, few.min(usize::from(n) + 1));
    }
    assert_eq!(insert(&cache, 0, 10_000), Err(Refused::OverBudget));
    assert_eq!(cache.stats().refused.over_budget, 1);
    assert_eq!(cache.stats().bytes, few * each);
    // One in place of another.
    let id = *cache.pin().iter().next().unwrap().id();
    cache.insert(&id, 100, b"1234", Time::NEVER).unwrap();
    assert_eq!(cache.stats().bytes, 3 * each + entry + 104);
    cache.clear();
    assert_eq!(cache.stats().bytes, 0);
    // No more than 16 MiB is counted.
    let cache = build(usize::MAX, |_, _| usize::MAX);
    insert(&cache, 0, 0).unwrap();
    assert_eq!(cache.stats().bytes, entry + (1 << 24) - 1);
}

#[test]
fn a_take_on_a_guard_gives_the_encoded_bytes() {
    let (cache, id) = with_entry();
    let guard = cache.pin();
    let taken = guard.take(&id).unwrap();
    assert_eq!((taken.id(), taken.value()), (&id, &5));
    assert_eq!(taken.encoded(), b"encoded");
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
    let entries: Vec<_> = guard.iter().collect();
    let shown = format!("{cache:?} {guard:?} {entries:?} {id:?}");
    for secret in ["secret", "97, 32", "ababababab"] {
        assert!(!shown.contains(secret), "{shown}");
    }
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
        let process = process.args(["--exact", name, "--nocapture"]);
        let out = process.env(name, "1").output().unwrap().stdout;
        let out = String::from_utf8(out).unwrap();
        let order = |line: &str| Some(line[line.find("order: ")?..].to_owned());
        let order = out.lines().find_map(order);
        order.expect("the child prints its order")
    };
    assert_ne!(order(), order());
}
