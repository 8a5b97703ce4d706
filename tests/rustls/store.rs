//! The store alone: what rustls and hostile clients ask of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use rekindle::rustls::{Resumption, Scope};
use rekindle::{Cache, ManualClock};
use rustls::server::StoresServerSessions;

fn resumption() -> Resumption {
    Resumption::builder().sessions(1_000).build().unwrap()
}

#[test]
fn a_value_comes_back_as_it_was_put() {
    let resumption = resumption();
    let store = resumption.store(&Scope::new("a"));
    for len in [0, 1, 200, 10_000] {
        let value = vec![len as u8; len];
        assert!(store.put(vec![7; 32], value.clone()));
        assert_eq!(store.get(&[7; 32]), Some(value.clone()));
        assert_eq!(store.take(&[7; 32]), Some(value));
        assert_eq!((store.get(&[7; 32]), store.take(&[7; 32])), (None, None));
    }
    assert!(store.can_cache());
    // Too large for one entry.
    assert!(!store.put(vec![7; 32], vec![0; 20_000]));
    assert_eq!(resumption.store_stats().refused, 1);
}

#[test]
fn keys_that_no_session_can_have_are_a_miss_and_counted() {
    let resumption = resumption();
    let store = resumption.store(&Scope::new("a"));
    let hostile = [0, 33, 64, 65_535].map(|len| vec![1; len]);
    for key in &hostile {
        assert_eq!((store.get(key), store.take(key)), (None, None));
        assert!(!store.put(key.clone(), b"value".to_vec()));
    }
    let stats = resumption.store_stats();
    assert_eq!(stats.invalid_keys, 3 * hostile.len() as u64);
    // The cache was not asked.
    assert_eq!((stats.misses, resumption.cache().stats().misses), (0, 0));
    // Shorter keys than rustls makes are as good as others.
    assert!(store.put(vec![1], b"value".to_vec()));
    assert_eq!(store.get(&[1]), Some(b"value".to_vec()));
}

#[test]
fn a_take_in_another_scope_leaves_the_session_alone() {
    let resumption = resumption();
    let [ours, theirs] = ["a", "b"].map(|name| resumption.store(&Scope::new(name)));
    assert!(ours.put(vec![1; 32], b"ours".to_vec()));
    assert_eq!((theirs.get(&[1; 32]), theirs.take(&[1; 32])), (None, None));
    assert_eq!(ours.take(&[1; 32]), Some(b"ours".to_vec()));
    // A name is no part of another.
    let [one, other] = ["ab", "a"].map(Scope::new);
    assert_ne!(one, other);
}

#[test]
fn of_many_takers_one_receives_the_session() {
    let resumption = resumption();
    let store = resumption.store(&Scope::new("a"));
    for round in 0..200_u32 {
        let key = [round.to_be_bytes(); 8].concat();
        store.put(key.clone(), b"session".to_vec());
        let received = AtomicUsize::new(0);
        thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    let taken = store.take(&key);
                    received.fetch_add(usize::from(taken.is_some()), Ordering::Relaxed);
                });
            }
        });
        assert_eq!(received.into_inner(), 1);
    }
    assert_eq!(resumption.store_stats().taken, 200);
}

#[test]
fn a_session_ends_with_its_timeout_by_the_caches_clock() {
    let clock = Arc::new(ManualClock::new());
    let cache = Cache::builder()
        .capacity(10)
        .clock(clock.clone())
        .build()
        .unwrap();
    let day = Duration::from_secs(24 * 60 * 60);
    let resumption = Resumption::builder()
        .cache(Arc::new(cache))
        .build()
        .unwrap();
    let store = resumption.store(&Scope::new("a"));
    store.put(vec![1; 32], b"session".to_vec());
    clock.advance(day);
    assert!(store.get(&[1; 32]).is_some());
    clock.advance(Duration::from_millis(1));
    assert!(store.get(&[1; 32]).is_none() && store.take(&[1; 32]).is_none());
}
