//! Readers free nothing, writers everything, once.

#[path = "common/counting.rs"]
mod counting;

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::{self, ThreadId};

use counting::{BYTES, CALLS};
use rekindle::{Cache, Refused, SessionId, Time};

/// Counts its drops.
struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

fn id(n: usize) -> SessionId {
    SessionId::new(&n.to_be_bytes()).unwrap()
}

/// Also when a test panics: the threads that look at the flag end, and so does the test.
struct SetWhenDropped<'a>(&'a AtomicBool);

impl Drop for SetWhenDropped<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Runs `read` while two threads insert, replace, remove and take.
fn beside_writers<V: Send + Sync>(
    cache: &Cache<V>,
    value: impl Fn(usize) -> V + Sync,
    read: impl FnOnce(),
) {
    let (done, ready) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        let writers = [0, 1].map(|writer| {
            let (done, value, ready) = (&done, &value, &ready);
            scope.spawn(move || {
                let mut n = writer * 7_919;
                while !done.load(Ordering::Relaxed) {
                    n += 1;
                    let bytes = [n as u8; 200];
                    match cache.insert(&id(n % 3_000), value(n), &bytes, Time::NEVER) {
                        // A thread was preempted while it was pinned.
                        Ok(_) | Err(Refused::ReclamationHeldBack) => {}
                        Err(other) => panic!("{other}"),
                    }
                    match n % 5 {
                        0 => drop(cache.remove(&id((n / 2) % 3_000))),
                        1 => drop(cache.pin().take(&id((n / 3) % 3_000)).is_some()),
                        _ => {}
                    }
                    ready.store(n, Ordering::Relaxed);
                }
            })
        });
        while ready.load(Ordering::Relaxed) == 0 {
            assert!(!writers.iter().any(|writer| writer.is_finished()));
            thread::yield_now();
        }
        let end = SetWhenDropped(&done);
        read();
        drop(end);
        // Thread sanitizer sees a join, but not the end of a scope: std itself is not instrumented.
        for writer in writers {
            writer.join().unwrap();
        }
    });
}

const READS: usize = 1_000_000;

#[test]
fn a_reading_thread_neither_allocates_nor_frees() {
    let cache = Cache::new(1_000).unwrap();
    let mut hits = 0;
    beside_writers(
        &cache,
        |n| n,
        || {
            let mut buffer = [0; 256];
            // The first pin of a thread registers it.
            drop(cache.pin());
            let before = CALLS.get();
            for n in 0..READS {
                let id = id(n % 3_000);
                // Pinning at each call, on purpose: crossbeam_epoch::pin would free now and then.
                hits += usize::from(match n % 3 {
                    0 => cache.get(&id).is_some(),
                    1 => cache.get_buffer(&id, &mut buffer).is_some(),
                    _ => cache.pin().get(&id).is_some(),
                });
            }
            assert_eq!(CALLS.get(), before);
        },
    );
    assert!(hits > READS / 100, "{hits} hits prove little");
    let evicted = cache.stats().evicted;
    assert!(evicted.unused > 0, "memory was recycled meanwhile");
}

/// Notes which thread runs its destructor.
struct Tattletale(mpsc::Sender<ThreadId>);

impl Drop for Tattletale {
    fn drop(&mut self) {
        let _ = self.0.send(thread::current().id());
    }
}

#[test]
fn no_destructor_runs_on_a_thread_that_only_reads() {
    let (tell, told) = mpsc::channel();
    let cache = Cache::new(1_000).unwrap();
    let mut hits = 0;
    beside_writers(
        &cache,
        |_| Tattletale(tell.clone()),
        || {
            for n in 0..READS {
                hits += usize::from(cache.pin().get(&id(n % 3_000)).is_some());
            }
        },
    );
    drop(tell);
    let droppers: HashSet<ThreadId> = told.try_iter().collect();
    assert!(!droppers.is_empty(), "values were dropped meanwhile");
    assert!(!droppers.contains(&thread::current().id()));
    assert!(hits > READS / 100);
}

#[test]
fn every_value_is_dropped_exactly_once() {
    let drops = Arc::new(AtomicUsize::new(0));
    let cache = Cache::builder().capacity(50).max_encoded_len(100);
    let cache = cache.build().unwrap();
    let mut made = 0;
    let mut value = || {
        made += 1;
        Counted(Arc::clone(&drops))
    };
    for n in 0..1_000 {
        let inserted = cache.insert(&id(n % 70), value(), &[0; 90], Time::NEVER);
        inserted.unwrap();
        let inserted = cache.insert_if_absent(&id(n % 60), value(), b"", Time::NEVER);
        inserted.unwrap();
        let inserted = cache.insert(&id(n), value(), &[0; 101], Time::NEVER);
        inserted.unwrap_err();
        cache.remove(&id(n / 2 % 70));
        cache.pin().take(&id(n / 3 % 70));
    }
    drop(cache);
    assert_eq!(drops.load(Ordering::Relaxed), made);
}

#[test]
fn a_value_may_call_the_cache_when_it_is_dropped() {
    struct Nosy(std::sync::Weak<Cache<Nosy>>, usize);
    impl Drop for Nosy {
        fn drop(&mut self) {
            if let Some(cache) = self.0.upgrade() {
                cache.get_buffer(&id(self.1), &mut [0; 8]);
                cache.remove(&id(self.1 + 1));
                if self.1.is_multiple_of(7) {
                    let heir = Nosy(std::sync::Weak::new(), 0);
                    let inserted = cache.insert(&id(self.1 + 2), heir, b"", Time::NEVER);
                    inserted.unwrap();
                }
            }
        }
    }
    let cache = Arc::new(Cache::new(10).unwrap());
    for n in 0..10_000 {
        let value = Nosy(Arc::downgrade(&cache), n);
        cache.insert(&id(n), value, b"", Time::NEVER).unwrap();
        assert!(cache.len() <= 10, "{}", cache.len());
    }
}

#[test]
fn memory_of_a_burst_is_kept_for_the_next_one_until_maintain() {
    let cache = Cache::new(100).unwrap();
    let replace = |n: usize| {
        let _ = cache.insert(&id(n % 100), (), &[1; 400], Time::NEVER);
    };
    // Threads of other tests are pinned as well, for as long as they like.
    let settle = || {
        while cache.stats().retired > 600 {
            (0..100).for_each(replace);
            thread::yield_now();
        }
    };
    (0..1_000).for_each(replace);
    settle();
    cache.maintain();
    let before = BYTES.get();
    let guard = cache.pin();
    (0..3_000).for_each(replace);
    drop(guard);
    settle();
    let kept = BYTES.get() - before;
    assert!(kept > 1 << 20, "{kept} bytes");
    while cache.stats().retired > 0 {
        cache.maintain();
    }
    cache.maintain();
    let kept = BYTES.get() - before;
    assert!(kept <= 300 << 10, "{kept} bytes");
}

#[test]
fn a_panic_in_a_destructor_leaves_the_gauges_right() {
    struct Grumpy(usize);
    impl Drop for Grumpy {
        fn drop(&mut self) {
            assert!(!self.0.is_multiple_of(10) || thread::panicking(), "no");
        }
    }
    // What the first cache of a process leaves behind: the hasher's seeds.
    drop(Cache::<()>::new(1).unwrap());
    let before = BYTES.get();
    let cache = Cache::new(100).unwrap();
    std::panic::set_hook(Box::new(|_| ()));
    for n in 0..5_000 {
        // The thread that reclaims meets the panic; what was inserted is in.
        let insert = || cache.insert(&id(n), Grumpy(n), &[1; 500], Time::NEVER);
        let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(insert));
    }
    let again = || std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| cache.clear()));
    while again().is_err() {}
    while cache.stats().retired > 0 {
        let maintain = std::panic::AssertUnwindSafe(|| cache.maintain());
        let _ = std::panic::catch_unwind(maintain);
    }
    let _ = std::panic::take_hook();
    let stats = cache.stats();
    assert_eq!((stats.entries, stats.bytes, stats.retired_bytes), (0, 0, 0));
    drop(cache);
    let left = BYTES.get() - before;
    assert!(left <= 0, "{left} bytes");
}

/// Panics when it is dropped, if it says so; counts its drops.
struct Fragile(bool, Arc<AtomicUsize>);

impl Drop for Fragile {
    fn drop(&mut self) {
        self.1.fetch_add(1, Ordering::Relaxed);
        assert!(!self.0, "a destructor that panics");
    }
}

#[test]
fn a_destructor_that_panics_when_the_cache_ends_keeps_no_other_from_running() {
    let drops = Arc::new(AtomicUsize::new(0));
    let cache = Cache::new(1_000).unwrap();
    let pass_through = |n, panics| {
        let value = Fragile(panics, Arc::clone(&drops));
        cache.insert(&id(n), value, b"", Time::NEVER).unwrap();
        assert!(cache.remove(&id(n)));
    };
    // Two threads at a time have two writers.
    pass_through(0, true);
    thread::scope(|scope| {
        scope.spawn(|| pass_through(1, false)).join().unwrap();
    });
    let end = std::panic::AssertUnwindSafe(move || drop(cache));
    std::panic::catch_unwind(end).unwrap_err();
    assert_eq!(drops.load(Ordering::Relaxed), 2);
}

/// Its destructor says that it runs, and waits until it may go on, if it is told to.
struct Stuck(Option<Arc<[AtomicBool; 2]>>);

impl Drop for Stuck {
    fn drop(&mut self) {
        if let Some(both) = self.0.take() {
            both[0].store(true, Ordering::Relaxed);
            while !both[1].load(Ordering::Relaxed) {
                thread::yield_now();
            }
        }
    }
}

#[test]
fn a_thread_that_is_stuck_reclaiming_at_the_bound_does_not_stop_inserts() {
    // The guards of other tests hold grace periods back, for a moment: an insert at the bound may
    // be refused before any destructor has run.
    assert!((0..1_000).any(|_| is_stuck_at_the_bound_beside_inserts()));
}

/// Whether an insert at the bound got stuck in a destructor; others went on beside it.
fn is_stuck_at_the_bound_beside_inserts() -> bool {
    let builder = Cache::builder().capacity(1_000).retired_limit(1_000);
    let cache = builder.build().unwrap();
    let insert = |n, value| cache.insert(&id(n), Stuck(value), b"", Time::NEVER);
    let flags = Arc::new([false, false].map(AtomicBool::new));
    let [is_stuck, go_on] = &*flags;
    let guard = cache.pin();
    insert(1, Some(Arc::clone(&flags))).unwrap();
    for _ in 0..500 {
        insert(1, None).unwrap();
    }
    thread::scope(|scope| {
        let until_refused = || while insert(2, None).is_ok() {};
        scope.spawn(until_refused).join().unwrap();
    });
    drop(guard);
    thread::scope(|scope| {
        let end = SetWhenDropped(go_on);
        let at_the_bound = scope.spawn(|| insert(3, None));
        while !is_stuck.load(Ordering::Relaxed) {
            if at_the_bound.is_finished() {
                return false;
            }
            thread::yield_now();
        }
        let inserted = (0..10_000).all(|_| {
            let is_inserted = |_| {
                thread::yield_now();
                insert(4, None).is_ok()
            };
            insert(4, None).is_ok() || (0..10_000_000).any(is_inserted)
        });
        assert!(inserted, "{:?}", cache.stats());
        drop(end);
        // Refused, or not: it was at the bound.
        let _ = at_the_bound.join().unwrap();
        true
    })
}
