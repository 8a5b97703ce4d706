//! A program's own use of crossbeam-epoch and the cache do not hold each other back.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rekindle::{Cache, SessionId, Time};

#[test]
fn guards_of_crossbeam_epoch_and_of_a_cache_do_not_hold_each_other_back() {
    let cache = Cache::builder().capacity(100).retired_limit(1_000);
    let cache: Cache<u64> = cache.build().unwrap();
    let insert = |n: u64| {
        let id = SessionId::new(&n.to_be_bytes()).unwrap();
        cache.insert(&id, n, b"session", Time::NEVER)
    };
    let theirs = crossbeam_epoch::pin();
    for n in 0..10_000 {
        insert(n).unwrap();
    }
    cache.maintain();
    assert_eq!(cache.stats().retired, 0);
    drop(theirs);

    let ours = cache.pin();
    let collected = Arc::new(AtomicBool::new(false));
    let collect = Arc::clone(&collected);
    crossbeam_epoch::pin().defer(move || collect.store(true, Ordering::Relaxed));
    for _ in 0..1_000 {
        crossbeam_epoch::pin().flush();
    }
    assert!(collected.load(Ordering::Relaxed));
    drop(ours);
}
