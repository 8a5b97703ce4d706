//! Many threads at once: what one of them was told stays true for the others.

use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, ScopedJoinHandle};

use rekindle::{Cache, SessionId, Time};

const THREADS: usize = 4;

fn id(n: usize) -> SessionId {
    SessionId::new(&n.to_be_bytes()).unwrap()
}

fn at_once(f: impl Fn(usize) + Sync) {
    let barrier = Barrier::new(THREADS);
    thread::scope(|scope| {
        let threads = (0..THREADS).map(|t| {
            let (f, barrier) = (&f, &barrier);
            scope.spawn(move || {
                barrier.wait();
                f(t);
            })
        });
        join(threads.collect());
    });
}

/// Thread sanitizer sees a join, but not the end of a scope: std itself is not instrumented.
fn join(threads: Vec<ScopedJoinHandle<'_, ()>>) {
    for thread in threads {
        thread.join().unwrap();
    }
}

/// Another test's threads may be pinned right now, but not for long.
fn reclaim_all<V>(cache: &Cache<V>) {
    while cache.stats().retired > 0 {
        cache.maintain();
        thread::yield_now();
    }
}

#[test]
fn of_any_number_of_takers_one_wins() {
    let cache = Cache::new(10_000).unwrap();
    let winners = AtomicUsize::new(0);
    for n in 0..2_000 {
        cache.insert(&id(n), n, b"", Time::NEVER).unwrap();
    }
    let there = cache.len();
    at_once(|_| {
        for n in 0..2_000 {
            if let Some(value) = cache.take(&id(n)) {
                assert_eq!(value, n);
                winners.fetch_add(1, Ordering::Relaxed);
            }
        }
    });
    assert_eq!(winners.into_inner(), there);
    assert!(cache.is_empty());
}

#[test]
fn of_any_number_of_inserters_if_absent_one_wins() {
    let cache = Cache::new(10_000).unwrap();
    let winners = AtomicUsize::new(0);
    at_once(|t| {
        for n in 0..1_000 {
            if cache.insert_if_absent(&id(n), t, b"", Time::NEVER).unwrap() {
                winners.fetch_add(1, Ordering::Relaxed);
            }
        }
    });
    let lost = cache.stats().evicted.line_full as usize;
    assert_eq!(winners.into_inner(), 1_000 + lost);
    assert_eq!(cache.len(), 1_000);
}

#[test]
fn a_replaced_session_is_always_there_whole_and_never_older_than_before() {
    const LEN: usize = 300;
    let cache = Cache::new(100).unwrap();
    let key = id(1);
    cache.insert(&key, 0, &[0; LEN], Time::NEVER).unwrap();
    at_once(|t| {
        if t == 0 {
            for n in 1..100_000usize {
                cache.insert(&key, n, &[n as u8; LEN], Time::NEVER).unwrap();
            }
            return;
        }
        let (mut last, mut buffer) = (0, [0; LEN]);
        while last < 99_999 {
            let value = cache.get(&key).expect("neither the old nor the new one");
            assert!(value >= last, "{value} after {last}");
            last = value;
            cache.get_buffer(&key, &mut buffer).expect("as above");
            assert!(buffer.iter().all(|b| *b == buffer[0]), "torn bytes");
        }
    });
}

#[test]
fn a_removed_session_is_gone_for_everybody() {
    let cache = Cache::new(1_000).unwrap();
    at_once(|t| {
        // Each thread has ids of its own; the lines are shared.
        for n in 0..20_000 {
            let id = id(n % 50 * THREADS + t);
            cache.insert(&id, n, &n.to_le_bytes(), Time::NEVER).unwrap();
            let got = cache.get(&id);
            assert!(got.is_none_or(|value| value == n), "{got:?}, not {n}");
            cache.remove(&id);
            assert!(cache.get(&id).is_none());
        }
    });
    assert!(cache.is_empty());
    reclaim_all(&cache);
    let stats = cache.stats();
    assert_eq!((stats.entries, stats.bytes, stats.retired), (0, 0, 0));
}

#[test]
fn statistics_add_up_when_threads_are_done() {
    let cache = Cache::new(500).unwrap();
    let lookups = AtomicUsize::new(0);
    at_once(|t| {
        for n in 0..30_000 {
            let id = id((n * 31 + t * 17) % 1_000);
            match n % 4 {
                0 => drop(cache.insert(&id, n, &[0; 50], Time::NEVER)),
                1 => drop(cache.remove(&id)),
                2 => drop(cache.take(&id)),
                _ => {
                    cache.get(&id);
                    lookups.fetch_add(1, Ordering::Relaxed);
                }
            }
        }
    });
    let stats = cache.stats();
    assert_eq!((stats.hits + stats.misses) as usize, lookups.into_inner());
    let evicted = stats.evicted.unused + stats.evicted.idle + stats.evicted.line_full;
    let left = stats.inserts - stats.removed - stats.taken - evicted;
    assert_eq!(left as usize, stats.entries);
    assert_eq!(cache.pin().iter().count(), stats.entries);
    assert!(stats.entries <= cache.capacity() + THREADS);
}

/// A guard in a thread-local variable may be dropped after the thread's registration is gone.
#[test]
fn a_slot_is_given_back_though_a_guard_outlives_its_threads_registration() {
    use std::cell::RefCell;
    use std::sync::LazyLock;

    use rekindle::Guard;

    static CACHE: LazyLock<Cache<u32>> = LazyLock::new(|| Cache::new(10).unwrap());
    thread_local! {
        static LATE: RefCell<Option<Guard<'static, u32>>> = const { RefCell::new(None) };
    }
    for _ in 0..100 {
        thread::spawn(|| {
            // Registers its destructor first, so it runs last.
            LATE.with_borrow_mut(|late| *late = Some(CACHE.pin()));
        })
        .join()
        .unwrap();
    }
    // None of them is pinned any more.
    CACHE.insert(&id(1), 1, b"", Time::NEVER).unwrap();
    CACHE.clear();
    reclaim_all(&CACHE);
}

#[test]
fn threads_that_come_and_go_leave_nothing_behind() {
    let cache = Cache::new(100).unwrap();
    for round in 0..200 {
        thread::scope(|scope| {
            let threads = (0..8).map(|t| {
                let cache = &cache;
                scope.spawn(move || {
                    for n in 0..20 {
                        cache.insert(&id(n + t), round, b"x", Time::NEVER).unwrap();
                        cache.get(&id(n));
                    }
                })
            });
            join(threads.collect());
        });
    }
    cache.clear();
    reclaim_all(&cache);
}
