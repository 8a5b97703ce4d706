//! Threads that make room against each other.
#![cfg(loom)]

use rekindle::Inserted;
use rekindle_loom_tests::{A, B, Subject, Z, explore, explore_alike};

/// Two inserts into a full cache of one: both succeed, and what is in the table is what the gauges
/// say.
///
/// Catches two writers that both count the eviction of one entry (the gauge would fall behind for
/// good, and the cache grow), and a refusal where the other has made the room already.
#[test]
fn two_inserts_into_a_full_cache_count_each_eviction_once() {
    explore_alike(
        1, // with two it takes minutes
        || Subject::new(1, &[A]),
        |s| s.insert(B, 1),
        |s| s.insert(Z, 2),
        |s, first, second| {
            assert_eq!((first, second), (Ok(Inserted::New), Ok(Inserted::New)));
            // One more than fits for each other writer at work, as the documentation says.
            let left = s.cache.len();
            assert!((1..=2).contains(&left), "{left}");
            s.check_accounts();
        },
    );
}

/// An insert that evicts against a remove of the same entry: it leaves once.
///
/// Catches an eviction that counts or retires an entry that another thread unlinked.
#[test]
fn an_entry_is_either_evicted_or_removed() {
    explore(
        2,
        || Subject::new(1, &[A]),
        |s| s.insert(B, 1).expect("fits"),
        |s| s.remove(A),
        |s, inserted, removed| {
            assert_eq!(inserted, Inserted::New);
            assert_eq!(s.cache.stats().evicted.unused, u64::from(!removed));
            assert_eq!((s.get(A), s.get(B)), (None, Some(1)));
            s.check_accounts();
        },
    );
}

/// The sweep of an expired entry against an insert under its id: the new session stays.
///
/// Catches a sweep that decides by the old entry and unlinks whatever has its slot by then.
#[test]
fn a_sweep_spares_the_session_that_takes_an_expired_ones_place() {
    explore(
        1, // with two it takes minutes
        || {
            let s = Subject::new(1, &[]);
            s.insert_expired(A, 0);
            s
        },
        |s| s.cache.maintain(),
        |s| s.insert(A, 1).expect("fits"),
        |s, swept, inserted| {
            assert_eq!(inserted, Inserted::New);
            assert!(swept <= 1);
            assert_eq!(s.get(A), Some(1));
            assert_eq!(s.cache.stats().evicted.expired, 1);
            s.check_accounts();
        },
    );
}

/// A lookup of an expired entry against an insert under its id: the old session is never seen.
///
/// Catches a lookup that checks one entry's expiry and returns another.
#[test]
fn an_expired_session_is_not_seen_while_it_is_replaced() {
    explore(
        3,
        || {
            let s = Subject::new(1, &[]);
            s.insert_expired(A, 0);
            s
        },
        |s| s.get_buffer(A),
        |s| s.insert(A, 1).expect("fits"),
        |s, seen, inserted| {
            assert_eq!(inserted, Inserted::New);
            assert!(matches!(seen, None | Some(1)), "{seen:?}");
            s.check_accounts();
        },
    );
}
