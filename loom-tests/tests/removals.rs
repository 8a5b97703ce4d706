//! Removes and takes, against each other and against inserts.
#![cfg(loom)]

use rekindle::Inserted;
use rekindle_loom_tests::{A, B, Subject, explore, explore_alike, id};

fn with_neighbours() -> Subject {
    Subject::new(3, &[A, B])
}

/// Two takes of one entry: exactly one receives the session.
///
/// Catches a take that reads the entry and unlinks it in two steps without asking whether its own
/// exchange succeeded (wolfSSL: 0-RTT data accepted twice).
#[test]
fn of_two_takes_one_wins() {
    explore(
        3,
        Subject::with_a,
        |s| s.take(A),
        |s| s.cache.pin().take(&id(A)).map(|entry| entry.value().get()),
        |s, first, second| {
            let winners = [first, second].map(|taken| taken.is_some());
            assert!(winners[0] != winners[1], "{first:?} and {second:?}");
            assert_eq!(first.or(second), Some(0));
            let stats = s.cache.stats();
            assert_eq!((stats.entries, stats.taken), (0, 1));
        },
    );
}

/// A take against a remove: either the session was handed out or it was removed.
///
/// Catches a removal that reports success for an entry that another thread unlinked.
#[test]
fn an_entry_is_either_taken_or_removed() {
    explore(
        3,
        Subject::with_a,
        |s| s.take(A),
        |s| s.remove(A),
        |s, taken, removed| {
            assert!(taken.is_some() != removed, "{taken:?} and {removed}");
            let stats = s.cache.stats();
            let counts = [!removed, removed].map(u64::from);
            assert_eq!([stats.taken, stats.removed], counts);
        },
    );
}

/// A take against a replacement: the older session or the newer one is handed out, never both, and
/// the one that is not stays or has been replaced.
///
/// Catches a take that unlinks what it has not read, and a replacement that brings back an id that
/// was taken in between without saying that it is new.
#[test]
fn a_take_gets_the_older_or_the_newer_session() {
    explore(
        2,
        Subject::with_a,
        |s| s.take(A),
        |s| s.insert(A, 1).expect("fits"),
        |s, taken, inserted| match (taken, inserted) {
            (Some(0), Inserted::New) => assert_eq!(s.get(A), Some(1)),
            (Some(1), Inserted::Replaced) => assert_eq!(s.get(A), None),
            other => panic!("{other:?}"),
        },
    );
}

/// A take against an insert of a new id.
///
/// Catches a take that finds an entry before it is published, or leaves one half behind.
#[test]
fn a_take_gets_a_new_session_or_leaves_it() {
    explore(
        3,
        || Subject::new(1, &[]),
        |s| s.take(A),
        |s| s.insert(A, 1).expect("fits"),
        |s, taken, inserted| {
            assert_eq!(inserted, Inserted::New);
            assert!(matches!(taken, None | Some(1)), "{taken:?}");
            assert_eq!(s.get(A).is_none(), taken.is_some());
        },
    );
}

/// A remove against a replacement: the id was there all the time, so the remove finds it.
///
/// Catches a remove that gives up when another thread has changed the slot in between, and one
/// that removes the older entry while the newer one comes back.
#[test]
fn a_remove_finds_what_is_being_replaced() {
    explore(
        2,
        Subject::with_a,
        |s| s.remove(A),
        |s| s.insert(A, 1).expect("fits"),
        |s, removed, inserted| {
            assert!(removed);
            let left = match inserted {
                Inserted::New => Some(1),
                Inserted::Replaced => None,
            };
            assert_eq!(s.get(A), left);
        },
    );
}

/// A remove against an insert of a new id: it removes all of it or finds nothing.
///
/// Catches a remove that finds a session before it is published, and one that reports success and
/// leaves it there.
#[test]
fn a_remove_gets_a_new_session_or_leaves_it() {
    explore(
        3,
        || Subject::new(1, &[]),
        |s| s.remove(A),
        |s| s.insert(A, 1).expect("fits"),
        |s, removed, inserted| {
            assert_eq!(inserted, Inserted::New);
            assert_eq!(s.get(A), (!removed).then_some(1));
            assert_eq!(s.cache.stats().removed, u64::from(removed));
        },
    );
}

/// A remove of the only session in a line against an insert of its neighbour, into the next slot or
/// the same.
///
/// Catches a slot that is filled though it is not free yet, or freed though another session has
/// come into it.
#[test]
fn a_neighbour_comes_while_the_only_session_goes() {
    explore(
        2,
        || Subject::new(3, &[A]),
        |s| s.remove(A),
        |s| s.insert(B, 10).expect("fits"),
        |s, removed, inserted| {
            assert!(removed);
            assert_eq!(inserted, Inserted::New);
            assert_eq!((s.get(A), s.get(B)), (None, Some(10)));
        },
    );
}

/// Two removes in one line: both leave, each once.
///
/// Catches an exchange that brings back an entry which left the line meanwhile.
#[test]
fn removed_neighbours_stay_away() {
    explore_alike(
        2,
        with_neighbours,
        |s| s.remove(A),
        |s| s.remove(B),
        |s, first, second| {
            assert!(first && second);
            assert_eq!((s.get(A), s.get(B)), (None, None));
            assert_eq!(s.cache.stats().removed, 2);
        },
    );
}

/// Clearing the cache against an insert and a remove in the same line: what was there before is
/// gone, and each entry is counted once.
///
/// Catches a clear that counts or retires the entries of a line that it did not replace.
#[test]
fn a_clear_counts_what_it_removed() {
    explore(
        2,
        with_neighbours,
        |s| s.cache.clear(),
        |s| s.remove(A),
        |s, cleared, removed| {
            assert_eq!(cleared + usize::from(removed), 2);
            assert!(s.cache.is_empty());
        },
    );
}
