//! Threads that make room against each other.
#![cfg(loom)]

use rekindle::{Cache, Inserted};
use rekindle_loom_tests::{A, B, ENTRY, Subject, Z, explore, explore_alike};

/// Two inserts of sessions of different lengths into a full cache of one: both succeed, and what is
/// in the table is what the gauges say.
///
/// Catches two writers that both count the eviction of one entry (the gauge would fall behind for
/// good, and the cache grow), and a refusal where the other has made the room already.
#[test]
fn two_inserts_into_a_full_cache_count_each_eviction_once() {
    explore_alike(
        1, // with two it takes minutes
        Subject::with_a,
        |s| s.insert(B, 10),
        |s| s.insert(Z, 20),
        |s, first, second| {
            assert_eq!((first, second), (Ok(Inserted::New), Ok(Inserted::New)));
            // One more than fits for each other writer at work, as the documentation says.
            let left = s.cache.len();
            assert!((1..=2).contains(&left), "{left}");
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
        Subject::with_a,
        |s| s.insert(B, 1).expect("fits"),
        |s| s.remove(A),
        |s, inserted, removed| {
            assert_eq!(inserted, Inserted::New);
            assert_eq!(s.cache.stats().evicted.unused, u64::from(!removed));
            assert_eq!((s.get(A), s.get(B)), (None, Some(1)));
        },
    );
}

/// An insert that evicts against a take of the same entry: it is handed out or evicted, not both.
///
/// Catches a take that hands out a session which another thread unlinked (0-RTT data accepted
/// twice, should the session come back from elsewhere), and an eviction that is counted beside it.
#[test]
fn an_entry_is_either_evicted_or_taken() {
    explore(
        2,
        Subject::with_a,
        |s| s.insert(B, 10).expect("fits"),
        |s| s.take(A),
        |s, inserted, taken| {
            assert_eq!(inserted, Inserted::New);
            assert!(matches!(taken, None | Some(0)), "{taken:?}");
            let stats = s.cache.stats();
            assert_eq!(stats.evicted.unused, u64::from(taken.is_none()));
            assert_eq!(stats.taken, u64::from(taken.is_some()));
            assert_eq!((s.get(A), s.get(B)), (None, Some(10)));
        },
    );
}

/// An insert that evicts against a replacement of the entry that it would evict.
///
/// Catches an eviction that unlinks the newer session for the older one's sake, or counts the bytes
/// of the one and retires the other.
#[test]
fn an_entry_is_evicted_before_or_after_it_is_replaced() {
    explore(
        2,
        Subject::with_a,
        |s| s.insert(B, 10).expect("fits"),
        |s| s.insert(A, 20).expect("fits"),
        |s, inserted, _| {
            assert_eq!(inserted, Inserted::New);
            let (a, b) = (s.get(A), s.get(B));
            assert!(matches!((a, b), (None | Some(20), None | Some(10))));
            // One more than fits for each other writer at work.
            assert!(a.is_some() || b.is_some());
        },
    );
}

/// A replacement by a longer session, which needs room by bytes, against a remove of the only one
/// that can make way.
///
/// Catches room that is made for entries only, and an eviction whose bytes are counted by neither
/// of the two or by both.
#[test]
fn room_by_bytes_is_made_by_an_eviction_or_a_remove() {
    explore(
        2,
        || Subject::build(Cache::builder().capacity(3).max_bytes(2 * ENTRY), &[A, B]),
        |s| s.insert(A, 10).expect("fits"),
        |s| s.remove(B),
        |s, inserted, removed| {
            assert_eq!(inserted, Inserted::Replaced);
            assert_eq!(s.cache.stats().evicted.unused, u64::from(!removed));
            assert_eq!((s.get(A), s.get(B)), (Some(10), None));
        },
    );
}

/// A take of an expired entry against the sweep: no thread gets it, and it leaves once.
///
/// Catches a take that hands out what has expired when it loses the race for it, and an expiry that
/// is counted by both.
#[test]
fn an_expired_session_is_taken_by_nobody() {
    explore(
        2,
        Subject::with_expired_a,
        |s| s.cache.maintain(),
        |s| s.take(A),
        |s, swept, taken| {
            assert_eq!(taken, None);
            assert!(swept <= 1);
            let stats = s.cache.stats();
            assert_eq!((stats.evicted.expired, stats.taken), (1, 0));
        },
    );
}

/// A take of an expired entry against an insert under its id: it gets the new session or none.
///
/// Catches a take that asks one entry whether it has expired and hands out another.
#[test]
fn a_take_gets_the_session_that_follows_an_expired_one_or_none() {
    explore(
        2,
        Subject::with_expired_a,
        |s| s.take(A),
        |s| s.insert(A, 10).expect("fits"),
        |s, taken, inserted| {
            assert_eq!(inserted, Inserted::New);
            assert!(matches!(taken, None | Some(10)), "{taken:?}");
            assert_eq!(s.get(A), taken.is_none().then_some(10));
            assert_eq!(s.cache.stats().evicted.expired, 1);
        },
    );
}

/// Two lookups while the clock passes the session's end and another thread takes it: no thread gets
/// it there, it leaves as expired, and no lookup finds it again.
///
/// Catches a take that hands out what has expired, because a lookup has just found it or because it
/// asked too early.
#[test]
fn a_session_that_expires_meanwhile_stays_away() {
    explore(
        2,
        || {
            let s = Subject::new(1, &[]);
            s.insert_until(A, 0, s.cache.now()).expect("fits");
            s
        },
        |s| [s.get_buffer(A), s.get_buffer(A)],
        |s| {
            s.let_time_pass();
            s.take(A)
        },
        |s, seen, taken| {
            assert_eq!(taken, None, "it has expired");
            assert!(seen[0].is_some() || seen[1].is_none(), "{seen:?}");
            assert_eq!(s.cache.stats().evicted.expired, 1);
        },
    );
}

/// The sweep of an expired entry against an insert under its id: the new session stays.
///
/// Catches a sweep that decides by the old entry and unlinks the entry that has its slot by then.
#[test]
fn a_sweep_spares_the_session_that_takes_an_expired_ones_place() {
    explore(
        2,
        Subject::with_expired_a,
        |s| s.cache.maintain(),
        |s| s.insert(A, 1).expect("fits"),
        |s, swept, inserted| {
            assert_eq!(inserted, Inserted::New);
            assert!(swept <= 1);
            assert_eq!(s.get(A), Some(1));
            assert_eq!(s.cache.stats().evicted.expired, 1);
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
        Subject::with_expired_a,
        |s| s.get_buffer(A),
        |s| s.insert(A, 1).expect("fits"),
        |_, seen, inserted| {
            assert_eq!(inserted, Inserted::New);
            assert!(matches!(seen, None | Some(1)), "{seen:?}");
        },
    );
}
