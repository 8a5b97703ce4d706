//! Inserts of one id against each other.
#![cfg(loom)]

use std::time::Duration;

use rekindle::Inserted;
use rekindle_loom_tests::{A, B, Subject, explore, explore_alike};

/// Two inserts of one new id: one is new, the other replaces it, and the later one stays.
///
/// Catches an insert that decides before it has looked again, or whose look may miss the other's
/// entry: both would be new, and there would be two entries under one id.
#[test]
fn two_inserts_of_a_new_id_leave_one_entry() {
    explore_alike(
        2,
        || Subject::new(1, &[]),
        |s| s.insert(A, 1).expect("fits"),
        |s| s.insert(A, 2).expect("fits"),
        |s, first, second| {
            let left = s.get(A).expect("inserted");
            match (first, second) {
                (Inserted::New, Inserted::Replaced) => assert_eq!(left, 2),
                (Inserted::Replaced, Inserted::New) => assert_eq!(left, 1),
                both => panic!("{both:?}"),
            }
            let stats = s.cache.stats();
            assert_eq!((stats.entries, stats.inserts, stats.replaced), (1, 1, 1));
        },
    );
}

/// Two inserts under an id that has an entry: both replace.
///
/// Catches a replacement that retires the entry which it saw before a lost exchange, instead of
/// the one that its successful exchange unlinked (one is freed twice, another never).
#[test]
fn two_replacements_leave_one_entry() {
    explore_alike(
        2,
        Subject::with_a,
        |s| s.insert(A, 1).expect("fits"),
        |s| s.insert(A, 12).expect("fits"),
        |s, first, second| {
            assert_eq!((first, second), (Inserted::Replaced, Inserted::Replaced));
            assert!(matches!(s.get(A), Some(1 | 12)));
            let stats = s.cache.stats();
            assert_eq!((stats.entries, stats.inserts, stats.replaced), (1, 1, 2));
        },
    );
}

/// Two inserts of ids in one line: both stay.
///
/// Catches an exchange that does not check that the slot is still free: the other thread's entry
/// would be lost.
#[test]
fn inserts_of_neighbours_both_stay() {
    explore_alike(
        2,
        || Subject::new(3, &[]),
        |s| s.insert(A, 1).expect("fits"),
        |s| s.insert(B, 2).expect("fits"),
        |s, first, second| {
            assert_eq!((first, second), (Inserted::New, Inserted::New));
            assert_eq!(s.get(A), Some(1));
            assert_eq!(s.get(B), Some(2));
        },
    );
}

/// Two inserts-if-absent of one id: exactly one is told that it inserted, and its value stays.
///
/// Catches a check for the id that is not part of the exchange (Traffic Server checks in one
/// critical section and inserts in another).
#[test]
fn of_two_inserts_if_absent_one_wins() {
    explore_alike(
        2,
        || Subject::new(1, &[]),
        |s| s.insert_if_absent(A, 1),
        |s| s.insert_if_absent(A, 2),
        |s, first, second| {
            assert!(first != second, "{first} and {second}");
            assert_eq!(s.get(A), Some(if first { 1 } else { 2 }));
            assert_eq!(s.cache.stats().inserts, 1);
        },
    );
}

/// Two inserts-if-absent over an entry that has expired: it counts as absent, once.
///
/// Catches a thread that decides by the expired entry and then replaces the live one that the
/// other has put in its place.
#[test]
fn of_two_inserts_over_an_expired_entry_one_wins() {
    explore_alike(
        2,
        Subject::with_expired_a,
        |s| s.insert_if_absent(A, 1),
        |s| s.insert_if_absent(A, 2),
        |s, first, second| {
            assert!(first != second, "{first} and {second}");
            assert_eq!(s.get(A), Some(if first { 1 } else { 2 }));
            assert_eq!(s.cache.stats().evicted.expired, 1);
        },
    );
}

/// An insert of a new id against the replacement of its neighbour in the line, by a session of
/// another length: both stay.
///
/// Catches a replacement that is counted by the bytes of what came or of what left.
#[test]
fn a_new_neighbour_and_a_replacement_both_stay() {
    explore(
        2,
        || Subject::new(3, &[A]),
        |s| s.insert(B, 10),
        |s| s.insert(A, 20),
        |s, new, replaced| {
            assert_eq!((new, replaced), (Ok(Inserted::New), Ok(Inserted::Replaced)));
            assert_eq!((s.get(A), s.get(B)), (Some(20), Some(10)));
        },
    );
}

/// An insert against an insert-if-absent of one new id: the first stays, or is replaced.
///
/// Catches an insert-if-absent that finds the id free and replaces what came since, and a
/// result that tells the caller of an insert that never was.
#[test]
fn an_insert_if_absent_replaces_nothing() {
    explore(
        2,
        || Subject::new(1, &[]),
        |s| s.insert_if_absent(A, 1),
        |s| s.insert(A, 2).expect("fits"),
        |s, first, second| {
            assert_eq!(second == Inserted::Replaced, first);
            assert_eq!(s.get(A), Some(2));
        },
    );
}

/// Two inserts into a line that is full, though the cache is not: each puts another out, none of
/// them the other's.
///
/// Catches an insert that puts out another entry than it has chosen, and an eviction within a line
/// that is counted twice or not at all.
#[test]
fn two_inserts_into_a_full_line_put_two_out() {
    explore_alike(
        2,
        || {
            let s = Subject::new(9, &[]);
            let end = s.cache.now().saturating_add(Duration::from_secs(1));
            for key in 10..18 {
                s.insert_until(key, 0, end).expect("fits");
            }
            s
        },
        |s| s.insert(A, 1),
        |s| s.insert(B, 12),
        |s, first, second| {
            assert_eq!((first, second), (Ok(Inserted::New), Ok(Inserted::New)));
            assert_eq!((s.get(A), s.get(B)), (Some(1), Some(12)));
            let stats = s.cache.stats();
            assert_eq!((stats.entries, stats.evicted.line_full), (2, 8));
        },
    );
}
