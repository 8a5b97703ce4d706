//! A thread that stays pinned holds every reclamation of the process back: memory stays bounded,
//! and all recovers when it unpins.

use std::thread;

use rekindle::{Cache, Refused, SessionId, Time};

/// One test at a time: they would hold each other back.
#[allow(clippy::disallowed_types)] // not library code
fn alone() -> std::sync::MutexGuard<'static, ()> {
    static ALONE: std::sync::Mutex<()> = std::sync::Mutex::new(());
    ALONE
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner())
}

fn cache(capacity: usize, retired_limit: usize) -> Cache<usize> {
    let builder = Cache::builder().capacity(capacity);
    builder.retired_limit(retired_limit).build().unwrap()
}

fn id(n: usize) -> SessionId {
    SessionId::new(&n.to_be_bytes()).unwrap()
}

#[test]
fn a_thread_that_stays_pinned_for_good_bounds_memory_and_stops_no_removes() {
    let _alone = alone();
    const CAPACITY: usize = 10_000;
    const LIMIT: usize = 20_000;
    let cache = cache(CAPACITY, LIMIT);
    let guard = cache.pin();
    let mut refused = 0;
    thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for n in 0..1_000_000 {
                match cache.insert(&id(n), n, &[1; 100], Time::NEVER) {
                    Ok(_) => {}
                    Err(Refused::ReclamationHeldBack) => refused += 1,
                    Err(other) => panic!("{other}"),
                }
            }
        });
        // Thread sanitizer sees a join, but not the end of a scope: std itself is not instrumented.
        writer.join().unwrap();
    });
    let stats = cache.stats();
    assert!(refused > 900_000, "{refused}");
    assert_eq!(stats.refused.reclamation, refused);
    // A writer counts up to 64 entries on its own.
    const BOUND: usize = LIMIT + 64;
    assert!(stats.retired <= BOUND, "{stats:?}");
    assert!(stats.retired_bytes <= BOUND * 192, "{stats:?}");
    // Lookups and removes go on.
    let ids: Vec<SessionId> = guard.iter().map(|entry| *entry.id()).collect();
    thread::scope(|scope| {
        let remover = scope.spawn(|| {
            for id in &ids {
                assert!(cache.get(id).is_some());
                assert!(cache.remove(id));
                assert!(cache.get(id).is_none());
            }
        });
        remover.join().unwrap();
    });
    assert_eq!(cache.len(), 0);
    // Each remove retires an entry and a line: at most two for each entry of capacity.
    assert!(cache.stats().retired <= BOUND + 2 * CAPACITY);

    drop(guard);
    cache.maintain();
    let stats = cache.stats();
    assert_eq!((stats.retired, stats.retired_bytes), (0, 0), "{stats:?}");
    for n in 0..CAPACITY {
        cache.insert(&id(n), n, &[1; 100], Time::NEVER).unwrap();
    }
}

#[test]
fn an_insert_by_itself_recovers_once_the_thread_unpins() {
    let _alone = alone();
    let cache = cache(100, 200);
    let guard = cache.pin();
    let insert = |n| cache.insert(&id(n), n, b"", Time::NEVER);
    let refused =
        (0..10_000).find(|n| thread::scope(|s| s.spawn(|| insert(*n)).join().unwrap()).is_err());
    assert!(refused.is_some());
    drop(guard);
    insert(0).unwrap();
}
