//! Lookups are wait-free: the number of their steps has a bound that other threads cannot raise.
//!
//! At every single step of a lookup another thread completes an operation on the very session that
//! is looked up: more interference than any scheduler can cause. And the line is full of entries of
//! this session, whose inserts are frozen before they are decided.

use std::rc::Rc;
use std::sync::{Arc, mpsc};

use libtest_mimic::Trial;
use rekindle::Cache;
use rekindle::steps::{Step, watch};

use crate::calls::{Numbered, get_buffer};
use crate::company::{self, SLOTS};
use crate::history::Op;
use crate::peer::Peer;
use crate::subject::{Subject, check_accounts, id, subject};

/// Read-modify-writes among the steps: the announcement of a pin.
const EXCHANGES: usize = 1;

/// To pin and to unpin.
const PIN: usize = 8;

/// Each slot of the line, and the state of each entry of this id in it: one, unless the inserts of
/// others are undecided, or dead and their owners have not taken them back.
const LOOK: usize = SLOTS + SLOTS;

/// The recency, the tick, and the counter twice.
const FOUND: usize = 4;

/// What is learned where the session was not found in this tick before: twice a counter, and the
/// recency.
const LEARN: usize = 3;

type Lookup = fn(&Subject);

pub(crate) fn trials() -> Vec<Trial> {
    let lookups: [(&str, usize, Lookup); 4] = [
        ("get", LOOK + FOUND + LEARN, |s| drop(s.get(&id(0)))),
        ("get_buffer", LOOK + FOUND + LEARN, |s| {
            get_buffer(s, &id(0));
        }),
        ("contains", LOOK, |s| {
            s.contains(&id(0));
        }),
        ("pin_and_get_twice", 2 * (LOOK + FOUND) + LEARN, |s| {
            let guard = s.pin();
            let first = guard.get(&id(0)).map(|value| value.number());
            // What it has shown stays as it is.
            let value = guard.get(&id(0));
            let again = value.map(|value| value.number());
            assert!(again.is_none() || first.is_none() || again >= first);
        }),
    ];
    let mut trials = Vec::new();
    for (name, bound, lookup) in lookups {
        let bound = PIN + bound;
        trials.push(Trial::test(format!("wait_free::{name}"), move || {
            let mut most = 0;
            for rivals in [0, SLOTS - 1] {
                for disturb in [false, true] {
                    let steps = steps_of(lookup, rivals, disturb);
                    let exchanges = steps.iter().filter(|step| is_exchange(step)).count();
                    assert!(exchanges <= EXCHANGES, "{steps:#?}");
                    assert!(!steps.is_empty() && steps.len() <= bound, "{steps:#?}");
                    most = most.max(steps.len());
                }
            }
            assert_eq!(most, bound, "the bound is exact");
            Ok(())
        }));
    }
    trials
}

fn is_exchange(step: &Step) -> bool {
    !["load", "store"].contains(&step.name)
}

/// The longest of some lookups, while some inserts are undecided. If they are to be disturbed,
/// another thread completes an operation at each of their steps.
fn steps_of(lookup: Lookup, rivals: usize, disturb: bool) -> Vec<Step> {
    let subject = Arc::new(subject(Cache::builder().capacity(100)));
    let company = company::rivals(&subject, rivals, 0, &[Op::Insert(0, 0)]);
    drop(subject.pin());

    let meddler = Rc::new(Peer::spawn(&subject));
    let mut number = 0;
    let mut longest = Vec::new();
    for _ in 0..100 {
        let (send, seen) = mpsc::channel();
        let theirs = Rc::clone(&meddler);
        let on_step = move |step| {
            send.send(step).expect("the test listens");
            if disturb {
                number += 1;
                theirs.make(meddle(number));
            }
        };
        watch(on_step, || lookup(&subject));
        let steps: Vec<Step> = seen.iter().collect();
        number += steps.len() as u32;
        if steps.len() > longest.len() {
            longest = steps;
        }
    }
    drop(meddler);
    company.finish();
    check_accounts(&subject);
    longest
}

fn meddle(n: u32) -> Op {
    match n % 6 {
        0 | 1 => Op::Insert(0, n),
        2 => Op::Remove(0),
        3 => Op::InsertIfAbsent(0, n),
        4 => Op::Take(0),
        _ => Op::Insert(1, n),
    }
}
