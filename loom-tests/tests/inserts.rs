//! Inserts of one id against each other.
#![cfg(loom)]

use rekindle::Inserted;
use rekindle_loom_tests::{A, B, Subject, explore_alike};

/// Two inserts of one new id: one is new, the other replaces it, and the later one stays.
///
/// Catches an insert that looks for the id in one line and publishes over another: both would be
/// new, and either there are two entries under one id or one of them is lost and never freed.
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
            s.check_accounts();
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
        || Subject::new(1, &[A]),
        |s| s.insert(A, 1).expect("fits"),
        |s| s.insert(A, 2).expect("fits"),
        |s, first, second| {
            assert_eq!((first, second), (Inserted::Replaced, Inserted::Replaced));
            assert!(matches!(s.get(A), Some(1 | 2)));
            let stats = s.cache.stats();
            assert_eq!((stats.entries, stats.inserts, stats.replaced), (1, 1, 2));
            s.check_accounts();
        },
    );
}

/// Two inserts of ids in one line: both stay.
///
/// Catches an exchange that does not check that the line is still the one that it copied: the
/// other thread's entry would be lost with the line that held it.
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
            s.check_accounts();
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
            s.check_accounts();
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
        || {
            let s = Subject::new(1, &[]);
            s.insert_expired(A, 0);
            s
        },
        |s| s.insert_if_absent(A, 1),
        |s| s.insert_if_absent(A, 2),
        |s, first, second| {
            assert!(first != second, "{first} and {second}");
            assert_eq!(s.get(A), Some(if first { 1 } else { 2 }));
            assert_eq!(s.cache.stats().evicted.expired, 1);
            s.check_accounts();
        },
    );
}
