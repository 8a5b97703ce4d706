//! A cache that refuses when it is full, as the strike register of early data has it: what it has
//! said it remembers stays.
#![cfg(loom)]

use rekindle::{Cache, Refused, Time};
use rekindle_loom_tests::{A, B, C, Subject, Value, explore_alike, id};

/// One line with two slots, and room for that many entries.
fn refusing(capacity: usize) -> Subject {
    Subject::build(Cache::builder().capacity(capacity).refuse_when_full(), &[])
}

fn strike(s: &Subject, key: u8, n: u8) -> Result<bool, Refused> {
    (s.cache).insert_if_absent(&id(key), Value::new(n), &[n; 24], Time::NEVER)
}

fn is_first_once(one: Result<bool, Refused>, other: Result<bool, Refused>) -> bool {
    matches!((one, other), (Ok(true), Ok(false)) | (Ok(false), Ok(true)))
}

/// Two equal flights: one is the first, or is told that there is no room; never are both first.
///
/// Catches an insert that takes the other's undecided entry for none, or evicts it.
#[test]
fn of_two_equal_flights_one_is_the_first() {
    explore_alike(
        2,
        || refusing(2),
        |s| strike(s, A, 1),
        |s| strike(s, A, 2),
        |s, one, other| {
            assert!(is_first_once(one, other));
            assert!(s.get(A).is_some());
        },
    );
}

/// Two flights and one place: what was let in is there, and nothing that was there before has gone.
///
/// Catches an insert that evicts a live entry of a line that another thread has just filled.
#[test]
fn a_line_that_fills_up_meanwhile_gives_nothing_up() {
    explore_alike(
        2,
        || {
            let subject = refusing(4);
            subject.insert(A, 0).expect("fits");
            subject
        },
        |s| strike(s, B, 1),
        |s| strike(s, C, 2),
        |s, b, c| {
            assert!(s.get(A).is_some(), "evicted");
            for (key, struck) in [(B, b), (C, c)] {
                match struck {
                    Ok(is_first) => assert!(is_first && s.get(key).is_some()),
                    Err(refused) => assert_eq!(refused, Refused::Full),
                }
            }
            assert!(b.is_ok() || c.is_ok());
        },
    );
}

/// Equal flights where the same flight of long ago has expired: one is the first.
#[test]
fn of_two_equal_flights_one_takes_the_place_of_an_expired_one() {
    explore_alike(
        2,
        || {
            let subject = refusing(2);
            subject.insert_expired(A, 0);
            subject
        },
        |s| strike(s, A, 1),
        |s| strike(s, A, 2),
        |s, one, other| {
            assert!(is_first_once(one, other));
            assert!(matches!(s.get(A), Some(1 | 2)));
        },
    );
}
