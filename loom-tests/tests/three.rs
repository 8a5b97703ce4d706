//! Three threads: what two writers do to one reader, and to each other before its eyes.
#![cfg(loom)]

use rekindle_loom_tests::{
    A, B, Before, M, Subject, Value, Z, explore_three, explore_three_in_order, get_buffer, id,
};

/// Two replacements before a reader's eyes: it finds the id each time, and the sessions in the
/// order in which they replaced each other.
///
/// Catches a replacement that gives way to a reader or to another (the id would be gone for a
/// moment), and one that brings back what the other has replaced.
#[test]
fn a_reader_sees_two_replacements_in_their_order() {
    explore_three_in_order(
        2,
        Subject::with_a,
        [Before::Pinned; 2],
        |s| [s.get_buffer(A), s.get_buffer(A)].map(|n| n.expect("there all the time")),
        |s| s.insert(A, 1).expect("fits"),
        |s| s.insert(A, 12).expect("fits"),
        |s, [first, second], _, _| {
            let last = s.get(A).expect("there all the time");
            let before = if last == 1 { 12 } else { 1 };
            let rank = |n| [0, before, last].iter().position(|m| *m == n);
            assert!(rank(first) <= rank(second), "{second} after {first}");
        },
    );
}

/// Two takes before the eyes of a reader with a guard: one wins, and the reader may use what it
/// found, though both may be done with it.
///
/// Catches a session that is handed out and used again while a third thread looks at it, and a
/// loser that hands out what it found as well.
#[test]
fn of_two_takes_one_wins_while_a_reader_looks_on() {
    explore_three(
        2,
        Subject::with_a,
        |s| {
            let guard = s.cache.pin();
            let value = guard.get(&id(A));
            let again = get_buffer(&guard, A);
            (value.map(Value::get), again)
        },
        |s| s.take(A),
        |s| s.take(A),
        |_, (seen, again), first, second| {
            assert!(
                matches!((first, second), (Some(0), None) | (None, Some(0))),
                "{first:?} and {second:?}"
            );
            assert!(seen.is_some() || again.is_none(), "{seen:?}, {again:?}");
        },
    );
}

/// A replacement and a remove before the eyes of a reader with a guard: what it found stays as it
/// was, though two writers retire memory of that line.
///
/// Catches a writer that uses memory again because its own readers are gone, while another's are
/// not, and a removed session that comes back.
#[test]
fn what_a_reader_found_outlives_its_replacement_and_removal() {
    explore_three_in_order(
        1, // with two it takes minutes
        Subject::with_a,
        [Before::Pinned; 2],
        |s| {
            let guard = s.cache.pin();
            let value = guard.get(&id(A));
            let seen = value.map(Value::get);
            let again = get_buffer(&guard, A);
            assert_eq!(value.map(Value::get), seen, "changed under a guard");
            (seen, again)
        },
        |s| s.insert(A, 10).expect("fits"),
        |s| s.remove(A),
        |_, (seen, again), _, removed| {
            assert!(removed, "there all the time");
            assert!(matches!(seen, None | Some(0 | 10)), "{seen:?}");
            assert!(seen != Some(10) || again != Some(0), "an older session");
        },
    );
}

/// An insert that evicts and a remove before the eyes of a reader.
///
/// Catches an entry that two writers retire, each to its own list: the reader would see the first
/// of them use it again.
#[test]
fn what_a_reader_found_is_retired_once() {
    explore_three_in_order(
        1, // with two it takes minutes
        Subject::with_a,
        [Before::Pinned; 2],
        |s| {
            let guard = s.cache.pin();
            let value = guard.get(&id(A));
            (value.map(Value::get), value.map(Value::get))
        },
        |s| s.insert(B, 10).expect("fits"),
        |s| s.remove(A),
        |s, (seen, again), _, removed| {
            assert_eq!(seen, again);
            let evicted = s.cache.stats().evicted;
            assert_eq!(evicted.unused + evicted.idle, u64::from(!removed));
            assert_eq!((s.get(A), s.get(B)), (None, Some(10)));
        },
    );
}

/// A take hands out what it has unlinked; two other threads go on with its writer.
///
/// Catches a writer that is handed on without what was done with it before: a store that does not
/// release it, an exchange that does not acquire it.
#[test]
fn what_is_taken_is_not_used_again_before_it_was_handed_out() {
    explore_three_in_order(
        1, // with two it takes minutes
        || Subject::new(9, &[A, M, Z]),
        [Before::Pinned; 2],
        |s| s.take(A),
        |s| s.remove(Z),
        |s| s.remove(M),
        |s, taken, first, second| {
            assert_eq!((taken, first, second), (Some(0), true, true));
            assert!(s.cache.is_empty());
        },
    );
}
