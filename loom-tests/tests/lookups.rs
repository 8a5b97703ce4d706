//! Lookups against writers: what a reader sees, and that it may see it.
#![cfg(loom)]

use rekindle_loom_tests::{A, B, Subject, Value, explore, get_buffer, id};

/// Two copies against a replacement: the id is always found, its bytes are of one session, and the
/// older one does not come back.
///
/// Catches a replacement in two steps (a reader sees neither), an entry that is published before
/// it is written, and a lookup that loads with less than Acquire.
#[test]
fn a_copy_finds_the_older_or_the_newer_session() {
    explore(
        2,
        Subject::with_a,
        |s| [s.get_buffer(A), s.get_buffer(A)],
        |s| s.insert(A, 1).expect("fits"),
        |_, seen, _| {
            let [first, second] = seen.map(|n| n.expect("there all the time"));
            assert!(first <= second && second <= 1, "{second} after {first}");
        },
    );
}

/// A lookup of a new id against its insert: all of it or nothing.
///
/// Catches an entry that is published before it is written, and one that is found undecided and
/// then not.
#[test]
fn a_new_session_is_seen_whole_or_not_at_all() {
    explore(
        3,
        || Subject::new(1, &[]),
        |s| s.get(A),
        |s| s.insert(A, 1).expect("fits"),
        |s, seen, _| {
            assert!(matches!(seen, None | Some(1)), "{seen:?}");
            assert_eq!(s.get(A), Some(1));
        },
    );
}

/// Two lookups against a remove: no session comes back after it was gone.
///
/// Catches a remove that marks the entry in one step and unlinks it in another, where readers
/// look at different steps.
#[test]
fn a_removed_session_stays_away() {
    explore(
        3,
        Subject::with_a,
        |s| [s.get_buffer(A), s.get_buffer(A)],
        |s| s.remove(A),
        |s, seen, removed| {
            assert!(removed);
            assert!(seen[0].is_some() || seen[1].is_none(), "{seen:?}");
            assert_eq!(s.get(A), None);
        },
    );
}

/// A guard that looked a session up, against a take of it: the session may be used, and looked up
/// no more.
///
/// Catches a take that hands the memory on while a reader uses it.
#[test]
fn a_session_may_be_used_while_it_is_taken() {
    explore(
        2,
        Subject::with_a,
        |s| {
            let guard = s.cache.pin();
            let value = guard.get(&id(A));
            let again = guard.get(&id(A)).map(Value::get);
            (value.map(Value::get), again)
        },
        |s| {
            let taken = s.take(A);
            s.cache.maintain();
            taken
        },
        |_, (seen, again), taken| {
            assert_eq!(taken, Some(0));
            assert!(seen.is_some() || again.is_none(), "{seen:?}, {again:?}");
        },
    );
}

/// A guard against an insert that evicts what it looks up, and another that uses the memory again.
///
/// Catches an eviction that does not wait for readers, and bytes that are written while they are
/// copied.
#[test]
fn a_session_may_be_copied_while_it_is_evicted() {
    explore(
        2,
        Subject::with_a,
        |s| {
            let guard = s.cache.pin();
            let value = guard.get(&id(A));
            let bytes = get_buffer(&guard, A);
            (value.map(Value::get), bytes)
        },
        |s| {
            s.insert(B, 1).expect("fits");
            s.insert(B, 2).expect("fits");
        },
        |s, (value, bytes), ()| {
            assert!(matches!(value, None | Some(0)), "{value:?}");
            assert!(value.is_some() || bytes.is_none());
            assert_eq!((s.get(A), s.get(B)), (None, Some(2)));
        },
    );
}
