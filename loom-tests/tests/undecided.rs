//! An insert that stands still between placing its entry and deciding it. Loom runs the other
//! threads to their ends in that gap, which takes one preemption: they decide the entry for it.
#![cfg(loom)]

use rekindle::{Inserted, Time};
use rekindle_loom_tests::{
    A, B, C, Subject, Z, explore, explore_alike, explore_three, explore_three_alike,
};

fn empty() -> Subject {
    Subject::new(1, &[])
}

/// One line, full, of sessions that rank above any new one.
fn full_line() -> Subject {
    let s = Subject::new(9, &[B, C]);
    assert_eq!((s.get(B), s.get(C)), (Some(0), Some(0)));
    s
}

/// An insert and a lookup by one thread, while another inserts the same id: its own session is
/// there, or the other's which has replaced it.
///
/// Catches an insert that waits for an undecided entry or passes it by, and one that says that it
/// inserted before it is decided.
#[test]
fn an_inserted_session_is_found_at_once() {
    explore(
        2,
        empty,
        |s| s.insert(A, 1).expect("fits"),
        |s| (s.insert(A, 2).expect("fits"), s.get(A)),
        |s, first, (second, seen)| {
            let left = s.get(A);
            match (first, second) {
                (Inserted::New, Inserted::Replaced) => assert_eq!((seen, left), (Some(2), Some(2))),
                (Inserted::Replaced, Inserted::New) => {
                    assert!(matches!((seen, left), (Some(1 | 2), Some(1))));
                }
                both => panic!("{both:?}"),
            }
        },
    );
}

/// Two inserts of a new id that choose their slots apart: the second may have chosen the last one
/// while a neighbour still held the first, and then neither needs to have seen the other's.
///
/// Catches a second look that may come before its own entry is placed, and an entry that becomes
/// live beside an undecided one whose thread has looked already.
#[test]
fn two_inserts_into_slots_apart_leave_one_entry() {
    explore(
        2,
        || Subject::new(3, &[B]),
        |s| {
            assert!(s.remove(B));
            s.insert(A, 1).expect("fits")
        },
        |s| s.insert(A, 2).expect("fits"),
        |s, first, second| {
            let left = match (first, second) {
                (Inserted::New, Inserted::Replaced) => 2,
                (Inserted::Replaced, Inserted::New) => 1,
                both => panic!("{both:?}"),
            };
            assert_eq!(s.get(A), Some(left));
        },
    );
}

/// The same of inserts-if-absent: one wins, and only that is found.
///
/// Catches a lookup that finds a dead entry.
#[test]
fn of_two_inserts_if_absent_into_slots_apart_one_wins() {
    explore(
        2,
        || Subject::new(3, &[B]),
        |s| {
            assert!(s.remove(B));
            s.insert_if_absent(A, 1)
        },
        |s| (s.insert_if_absent(A, 2), s.get(A)),
        |s, first, (second, seen)| {
            assert!(first != second, "{first} and {second}");
            let left = Some(if first { 1 } else { 2 });
            assert_eq!((seen, s.get(A)), (left, left));
        },
    );
}

/// An insert against one that replaces its own session at once, and takes that.
///
/// Catches a helper that decides an entry after its thread has gone on, and a session that comes
/// back from the slot that it had while it was undecided.
#[test]
fn what_is_inserted_twice_and_taken_is_gone() {
    explore(
        2,
        empty,
        |s| s.insert(A, 1).expect("fits"),
        |s| {
            s.insert(A, 2).expect("fits");
            let again = s.insert(A, 3).expect("fits");
            (again, s.take(A))
        },
        |s, first, (again, taken)| {
            assert_eq!(again, Inserted::Replaced);
            let left = s.get(A);
            match (first, taken) {
                (Inserted::New, Some(3)) => assert!(matches!(left, None | Some(1))),
                (Inserted::Replaced, Some(1 | 3)) => assert_eq!(left, None),
                other => panic!("{other:?}"),
            }
        },
    );
}

/// An insert-if-absent against another that goes on with the session that won.
///
/// Catches an insert-if-absent that is refused for the sake of an entry which is not live, and one
/// that wins beside a live entry.
#[test]
fn an_id_that_is_not_absent_can_be_taken() {
    explore(
        2,
        empty,
        |s| s.insert_if_absent(A, 1),
        |s| (s.insert_if_absent(A, 2), s.get(A), s.take(A), s.get(A)),
        |s, first, (second, seen, taken, after)| {
            assert_eq!(
                (seen, taken),
                if second {
                    (Some(2), Some(2))
                } else {
                    (Some(1), Some(1))
                }
            );
            assert!(first || second);
            assert!(matches!(after, None | Some(1)), "{after:?}");
            assert_eq!(s.get(A), (first && second).then_some(1));
        },
    );
}

/// A look through the cache, twice, while an insert of a new id and a replacement stand still: each
/// id is there once at most, one that was there stays, and the replaced one never misses.
///
/// Catches a look that shows entries which are not live.
#[test]
fn a_look_through_the_cache_shows_decided_sessions() {
    fn look(s: &Subject) -> (usize, usize) {
        let guard = s.cache.pin();
        let ids: Vec<_> = guard.iter().map(|entry| entry.id().as_bytes()[0]).collect();
        let count = |id| ids.iter().filter(|n| **n == id).count();
        (count(A), count(B))
    }
    explore(
        2,
        || Subject::new(3, &[B]),
        |s| [look(s), look(s)],
        |s| [s.insert(A, 1), s.insert(B, 2)],
        |_, [first, second], inserted| {
            assert_eq!(inserted, [Ok(Inserted::New), Ok(Inserted::Replaced)]);
            assert_eq!((first.1, second.1), (1, 1));
            assert!(
                first.0 <= second.0 && second.0 <= 1,
                "{first:?}, {second:?}"
            );
        },
    );
}

/// A clear against an insert of a new id beside an old one: it counts what it removed, the new one
/// if that was there.
///
/// Catches an entry that leaves the table undecided, and is then decided where it no longer is.
#[test]
fn a_clear_decides_what_it_removes() {
    explore(
        2,
        || Subject::new(3, &[B]),
        |s| s.insert(A, 1).expect("fits"),
        |s| s.cache.clear(),
        |s, inserted, cleared| {
            assert_eq!(inserted, Inserted::New);
            assert!((1..=2).contains(&cleared));
            assert_eq!((s.get(A), s.get(B)), ((cleared == 1).then_some(1), None));
        },
    );
}

/// A session whose time ends while its insert stands still, against the sweep.
///
/// Catches a sweep that unlinks an undecided entry, or that cannot get rid of one.
#[test]
fn a_session_can_expire_while_its_insert_stands_still() {
    explore(
        2,
        empty,
        |s| s.insert_until(A, 1, Time::from_millis(0)).expect("fits"),
        |s| {
            s.let_time_pass();
            s.cache.maintain()
        },
        |s, inserted, swept| {
            assert_eq!(inserted, Inserted::New);
            assert_eq!(s.get(A), None);
            assert_eq!(s.cache.stats().evicted.expired, swept as u64);
        },
    );
}

/// A session whose time ends, under a sweep, while a replacement overtakes it: the newer one stays.
///
/// Catches a sweep that looks at one entry's end and unlinks another, and an insert-if-absent that
/// is refused for the sake of a session that has expired.
#[test]
fn a_replacement_overtakes_the_end_of_a_session() {
    explore(
        2,
        || {
            let s = empty();
            s.insert_until(A, 0, s.cache.now()).expect("fits");
            s
        },
        |s| s.insert(A, 1).expect("fits"),
        |s| {
            s.let_time_pass();
            (s.cache.maintain(), s.insert_if_absent(A, 2))
        },
        |s, inserted, (swept, won)| {
            let expired = s.cache.stats().evicted.expired;
            assert!(swept as u64 <= expired && expired <= 1);
            assert_eq!(inserted == Inserted::New, expired == 1 && !won);
            assert_eq!(s.get(A), Some(1));
        },
    );
}

/// Two inserts of neighbours into a cache that is full: the second may evict the first's entry
/// while that stands still.
///
/// Catches an eviction that unlinks an undecided entry: its insert would be counted, and its
/// departure not.
#[test]
fn an_entry_may_be_evicted_as_soon_as_it_is_placed() {
    explore_alike(
        1, // with two it takes minutes
        || Subject::new(1, &[Z]),
        |s| s.insert(A, 10),
        |s| s.insert(B, 20),
        |s, first, second| {
            assert_eq!((first, second), (Ok(Inserted::New), Ok(Inserted::New)));
            assert!((1..=2).contains(&s.cache.len()));
        },
    );
}

/// Two inserts-if-absent of one id into a line that is full of sessions which rank above it.
///
/// Catches an insert that makes way for itself: it would put out the session that has won, and win
/// as well.
#[test]
fn an_insert_into_a_full_line_does_not_put_its_own_id_out() {
    explore_alike(
        2,
        full_line,
        |s| s.insert_if_absent(A, 1),
        |s| s.insert_if_absent(A, 2),
        |s, first, second| {
            assert!(first != second, "{first} and {second}");
            assert_eq!(s.get(A), Some(if first { 1 } else { 2 }));
        },
    );
}

/// Three inserts of a new id: one is new, two replace. Their entries are undecided all at once, and
/// fill the line.
///
/// Catches a rule by which one of two entries lives that does not hold for three.
#[test]
fn of_three_inserts_of_a_new_id_one_is_new() {
    explore_three_alike(
        1, // with two it takes minutes
        empty,
        |s| s.insert(A, 1).expect("fits"),
        |s| s.insert(A, 2).expect("fits"),
        |s| s.insert(A, 3).expect("fits"),
        |s, results| {
            let new = results.map(|result| result == Inserted::New);
            assert_eq!(new.iter().filter(|new| **new).count(), 1, "{results:?}");
            let left = s.get(A).expect("inserted");
            assert!(!new[usize::from(left) - 1], "{left} was replaced");
        },
    );
}

/// Three inserts-if-absent of a new id: one wins.
#[test]
fn of_three_inserts_if_absent_one_wins() {
    explore_three_alike(
        1, // with two it takes minutes
        empty,
        |s| s.insert_if_absent(A, 1),
        |s| s.insert_if_absent(A, 2),
        |s| s.insert_if_absent(A, 3),
        |s, won| {
            assert_eq!(won.iter().filter(|won| **won).count(), 1, "{won:?}");
            let left = s.get(A).expect("inserted");
            assert!(won[usize::from(left) - 1], "{left} did not win");
        },
    );
}

/// Three inserts into a line for two, all of whose entries may be undecided: each succeeds, and one
/// entry makes way.
///
/// Catches an insert that finds no entry to put out, and waits for one.
#[test]
fn a_line_full_of_undecided_entries_takes_another() {
    explore_three_alike(
        1, // with two it takes minutes
        || Subject::new(9, &[]),
        |s| s.insert(A, 1),
        |s| s.insert(B, 12),
        |s| s.insert(C, 23),
        |s, results| {
            assert_eq!(results, [Ok(Inserted::New); 3]);
            let stats = s.cache.stats();
            assert_eq!((stats.entries, stats.evicted.line_full), (2, 1));
        },
    );
}

/// Two inserts-if-absent of one id fill the line, and a third thread needs a slot: the dead one
/// goes, for no reason that counts.
///
/// Catches a dead entry that is counted as evicted, one that is retired twice (by its own thread
/// and the one that needed its slot), and a value that is dropped with it though its thread has
/// moved it out.
#[test]
fn a_dead_entry_makes_way_first() {
    explore_three(
        1, // with two it takes minutes
        || Subject::new(9, &[]),
        |s| s.insert_if_absent(A, 1),
        |s| s.insert_if_absent(A, 2),
        |s| s.insert(B, 10).expect("fits"),
        |s, first, second, third| {
            assert_eq!(third, Inserted::New);
            assert!(first != second, "{first} and {second}");
            assert_eq!(s.get(A), Some(if first { 1 } else { 2 }));
            assert_eq!(s.get(B), Some(10));
        },
    );
}

/// Two inserts of a new id before a reader's eyes: it finds them in the order in which one replaced
/// the other, and the id is not gone again.
///
/// Catches two live entries of one id, and a dead one that is found.
#[test]
fn a_reader_sees_two_inserts_of_a_new_id_in_their_order() {
    explore_three(
        1, // with two it takes minutes
        empty,
        |s| [s.get(A), s.get(A)],
        |s| s.insert(A, 1).expect("fits"),
        |s| s.insert(A, 2).expect("fits"),
        |s, seen, first, _| {
            let order = match first {
                Inserted::New => [None, Some(1), Some(2)],
                Inserted::Replaced => [None, Some(2), Some(1)],
            };
            assert_eq!(s.get(A), order[2]);
            let rank = seen.map(|n| order.iter().position(|m| *m == n));
            assert!(rank[0] <= rank[1], "{seen:?} of {order:?}");
        },
    );
}

/// Two inserts of a new id, and a take: it gets one of them, or nothing.
///
/// Catches a take of an entry that is decided only after it was unlinked.
#[test]
fn a_take_gets_one_of_two_inserts_of_a_new_id() {
    explore_three(
        1, // with two it takes minutes
        empty,
        |s| s.insert(A, 1).expect("fits"),
        |s| s.insert(A, 2).expect("fits"),
        |s| s.take(A),
        |s, first, second, taken| {
            let new = [first, second].map(|result| result == Inserted::New);
            let left = s.get(A);
            match taken {
                None => assert!(new[0] != new[1] && left.is_some()),
                Some(n) => assert!(left != Some(n) && (left.is_some() == (new == [true; 2]))),
            }
        },
    );
}
