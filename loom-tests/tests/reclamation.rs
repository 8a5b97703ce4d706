//! Memory that left the table against threads that may still look at it.
#![cfg(loom)]

use rekindle::{Cache, Inserted, Refused};
use rekindle_loom_tests::{
    A, B, Before, M, Subject, Value, Z, explore, explore_alike, explore_in_order,
    explore_three_in_order, get_buffer, id,
};

/// A reader with a guard against a writer that replaces again and again, so that the memory of the
/// first entries is used for later ones.
///
/// Catches memory that is used again before the readers that were pinned are gone: a grace period
/// that does not ask the readers, or that asks them before it has unlinked; an announcement that
/// the writer may miss.
#[test]
fn what_a_guard_sees_is_not_used_again() {
    explore(
        2,
        Subject::with_a,
        |s| {
            let guard = s.cache.pin();
            let value = guard.get(&id(A)).expect("there all the time");
            let seen = value.get();
            let bytes = get_buffer(&guard, A).expect("there all the time");
            assert!(seen <= bytes, "{bytes} after {seen}");
            assert_eq!(value.get(), seen, "changed under a guard");
        },
        |s| {
            for n in 1..=3 {
                s.insert(A, n).expect("fits");
                s.cache.maintain();
            }
        },
        |_, (), ()| (),
    );
}

/// The same with a reader that pins for the first time ever, while the writer looks for readers.
///
/// Catches a writer that misses a slot which is being claimed.
#[test]
fn a_thread_that_pins_for_the_first_time_is_not_missed() {
    explore_in_order(
        2,
        Subject::with_a,
        Before::Nothing,
        replaces_and_reclaims,
        looks_twice,
        |_, (), seen| assert_eq!(seen.0, seen.1),
    );
}

/// Two threads that pin for the first time, at the same time, while the writer looks for readers:
/// one of them may need slots that are not there yet.
///
/// Catches two threads that get one slot (the first to leave would unpin the other), a chunk of
/// slots that is used before it is written, and a writer that does not look into it.
#[test]
fn two_threads_that_begin_at_once_are_both_protected() {
    explore_three_in_order(
        1,
        Subject::with_a,
        [Before::Nothing; 2],
        replaces_and_reclaims,
        looks_twice,
        looks_twice,
        saw_the_same_twice,
    );
}

fn replaces_and_reclaims(s: &Subject) {
    s.insert(A, 1).expect("fits");
    s.cache.maintain();
}

fn saw_the_same_twice(_: &Subject, (): (), first: (u8, u8), second: (u8, u8)) {
    assert_eq!((first.0, second.0), (first.1, second.1));
}

fn looks_twice(s: &Subject) -> (u8, u8) {
    let guard = s.cache.pin();
    let value = guard.get(&id(A)).expect("there all the time");
    (value.get(), value.get())
}

/// A reader's thread ends, a new thread claims its slot and pins, while a writer may be waiting for
/// the first one to leave: both are protected, and the writer does not wait for good.
///
/// Catches a slot that is handed on before its owner is done with it, or whose new owner begins
/// with numbers that are not the last owner's last: it would count guards that are gone and
/// announce nothing.
#[test]
fn a_slot_that_changes_hands_protects_its_new_owner() {
    explore_three_in_order(
        2,
        Subject::with_a,
        [Before::PinnedAndEnds, Before::Nothing],
        replaces_and_reclaims,
        looks_twice,
        looks_twice,
        saw_the_same_twice,
    );
}

/// A guard that is pinned anew in between: what it sees after that is protected as well.
///
/// Catches a repin that leaves the slot unpinned, and a writer that takes a slot which was pinned
/// anew for one that is gone and will not come back.
#[test]
fn a_guard_protects_after_it_was_pinned_anew() {
    explore(
        2,
        Subject::with_a,
        |s| {
            let mut guard = s.cache.pin();
            guard.get(&id(A)).expect("there all the time").get();
            guard.repin();
            let value = guard.get(&id(A)).expect("there all the time");
            (value.get(), value.get())
        },
        replaces_and_reclaims,
        |_, seen, ()| assert_eq!(seen.0, seen.1),
    );
}

/// A thread with a guard replaces what it looks at, while another retires the same and reclaims,
/// with the first one's writer as well: what it found stays until its guard goes, also a guard
/// within another.
///
/// Catches a grace period that leaves the thread's own guard out, and a guard that unpins when one
/// within it does.
#[test]
fn what_a_thread_replaces_under_its_own_guard_is_not_used_again() {
    explore(
        2,
        Subject::with_a,
        |s| {
            let guard = s.cache.pin();
            let value = guard.get(&id(A)).expect("there all the time");
            let seen = value.get();
            s.insert(A, 10).expect("fits");
            s.cache.maintain();
            assert_eq!(value.get(), seen, "changed under a guard");
        },
        replaces_and_reclaims,
        |_, (), ()| (),
    );
}

/// A thread with a guard writes, pins anew and writes again, against another that does: what it
/// found since it pinned anew stays, and what left before does not hold the other up.
///
/// Catches a writer that goes on under an older pin than its guard's, and one that takes its own
/// new pin for the older.
#[test]
fn a_guard_may_be_pinned_anew_between_writes() {
    explore(
        2,
        Subject::with_a,
        |s| {
            let mut guard = s.cache.pin();
            s.insert(A, 10).expect("fits");
            guard.repin();
            let value = guard.get(&id(A)).expect("there all the time");
            let seen = value.get();
            s.insert(A, 20).expect("fits");
            assert_eq!(value.get(), seen, "changed under a guard");
        },
        replaces_and_reclaims,
        |s, (), ()| assert!(matches!(s.get(A), Some(1 | 20))),
    );
}

/// A writer whose last batch may be reclaimed by now replaces what a reader with a guard looks at:
/// the grace period that is over is not that of what has just left.
///
/// Catches memory that is used again one grace period early.
#[test]
fn a_grace_period_frees_only_what_waited_for_it() {
    explore(
        2,
        || {
            let s = Subject::with_a();
            // The first batch waits for this guard alone, and then for none.
            let guard = s.cache.pin();
            s.insert(A, 0).expect("fits");
            s.cache.maintain();
            drop(guard);
            s
        },
        |s| {
            let guard = s.cache.pin();
            let value = guard.get(&id(A)).expect("there all the time");
            let seen = value.get();
            (seen, value.get(), get_buffer(&guard, A))
        },
        |s| s.insert(A, 1),
        |_, (seen, again, bytes), _| {
            assert_eq!(seen, again);
            assert!(bytes >= Some(seen), "{bytes:?} after {seen}");
        },
    );
}

/// A guard holds memory back as long as it lives, and no longer.
///
/// Catches memory that is reclaimed under a guard, and memory that stays retired when the guard is
/// gone.
#[test]
fn a_guard_holds_back_what_leaves_until_it_is_dropped() {
    explore(
        2,
        Subject::with_a,
        |s| {
            let guard = s.cache.pin();
            let seen = guard.get(&id(A));
            s.cache.maintain();
            seen.map(Value::get)
        },
        |s| {
            s.remove(A);
            s.cache.maintain();
        },
        |_, seen, ()| assert!(matches!(seen, None | Some(0))),
    );
}

/// A writer that only looks, against one that retires what it looks at, and reclaims: it is not
/// used again meanwhile.
///
/// Catches a writer that does not pin, and a grace period that does not wait for it.
#[test]
fn writers_wait_for_writers() {
    explore(
        2,
        Subject::with_a,
        |s| s.insert_if_absent(A, 1),
        |s| {
            s.insert(A, 2).expect("fits");
            s.cache.maintain();
        },
        |_, inserted, ()| assert!(!inserted, "there all the time"),
    );
}

/// Two writers at once, of which one finds the numbered place and the other appends to the list,
/// and then both again.
///
/// Catches a pool that hands one writer to two threads, or loses one with all that it keeps: a
/// place that is filled twice, an end of the list that is overwritten.
#[test]
fn two_writers_have_memory_of_their_own() {
    explore_alike(
        2,
        || Subject::new(9, &[]),
        |s| [s.insert(A, 1), s.insert(M, 2)],
        |s| [s.insert(B, 3), s.insert(Z, 4)],
        |s, first, second| {
            assert_eq!([first, second], [[Ok(Inserted::New); 2]; 2]);
            let seen = [A, M, B, Z].map(|key| s.get(key));
            assert_eq!(seen, [Some(1), Some(2), Some(3), Some(4)]);
        },
    );
}

/// Two threads that make the first writer, of which one retires at once.
///
/// Catches a place in the pool that is filled twice: the writer that was in it is lost, and what it
/// keeps is never reclaimed.
#[test]
fn a_writer_that_was_made_at_once_with_another_is_not_lost() {
    explore(
        2,
        || Subject::new(9, &[]),
        |s| s.insert(A, 1),
        |s| (s.insert(M, 2), s.take(M)),
        |s, first, second| {
            assert_eq!((first, second), (Ok(Inserted::New), (first, Some(2))));
            assert_eq!(s.get(A), Some(1));
        },
    );
}

/// With the bound of retired memory reached, an insert is refused as long as a guard lives, and
/// succeeds when it is gone.
///
/// Catches a bound that is never lifted again, and an insert that goes on above it.
#[test]
fn an_insert_above_the_bound_is_refused_until_the_guard_is_gone() {
    explore(
        2,
        || Subject::build(Cache::builder().capacity(1).retired_limit(1), &[A]),
        |s| {
            let guard = s.cache.pin();
            guard.get(&id(A)).map(Value::get)
        },
        |s| {
            s.remove(A);
            let inserted = s.insert(A, 1);
            // It retires nothing itself, so nothing is retired if there was room under the bound.
            assert!(inserted.is_err() || s.cache.stats().retired == 0);
            inserted
        },
        |s, seen, inserted| {
            assert!(matches!(seen, None | Some(0 | 1)), "{seen:?}");
            if let Err(refused) = inserted {
                assert_eq!(refused, Refused::ReclamationHeldBack);
                assert_eq!(s.cache.stats().refused.reclamation, 1);
            }
            s.insert(A, 2).expect("no thread is pinned");
        },
    );
}

/// Two inserts that find the bound of retired memory reached, with no thread pinned but each other.
///
/// Catches a writer that is told to reclaim for all and never says that it is done.
#[test]
fn two_inserts_above_the_bound_do_not_block_each_other_for_good() {
    explore_alike(
        1, // with two it takes minutes
        || {
            let s = Subject::build(Cache::builder().capacity(1).retired_limit(1), &[A]);
            s.remove(A);
            s
        },
        |s| s.insert(A, 1),
        |s| s.insert(A, 2),
        |s, first, second| {
            for inserted in [first, second] {
                assert!(matches!(
                    inserted,
                    Ok(_) | Err(Refused::ReclamationHeldBack)
                ));
            }
            s.insert(A, 3).expect("no thread is pinned");
        },
    );
}
