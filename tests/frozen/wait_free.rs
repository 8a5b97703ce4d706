//! Lookups are wait-free: the number of their steps has a bound that other threads cannot raise.
//!
//! At every single step of a lookup another thread completes an operation on the very session that
//! is looked up: more interference than any scheduler can cause.

use std::rc::Rc;
use std::sync::{Arc, mpsc};

use libtest_mimic::Trial;
use rekindle::Cache;
use rekindle::steps::{Step, watch};

use crate::calls::{Numbered, get_buffer};
use crate::history::Op;
use crate::peer::Peer;
use crate::subject::{Subject, check_accounts, id, make, subject};

/// Read-modify-writes among the steps: the announcement of a pin.
const EXCHANGES: usize = 1;

type Lookup = fn(&Subject);

pub(crate) fn trials() -> Vec<Trial> {
    // To pin and to unpin are eight steps. A lookup is five (the line, the tick, the recency, the
    // counter), and three more where the session was not found in this tick before: the recency,
    // and what is learned.
    let lookups: [(&str, usize, Lookup); 4] = [
        ("get", 16, |s| drop(s.get(&id(0)))),
        ("get_buffer", 16, |s| {
            get_buffer(s, &id(0));
        }),
        ("contains", 9, |s| {
            s.contains(&id(0));
        }),
        ("pin_and_get_twice", 24, |s| {
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
        trials.push(Trial::test(format!("wait_free::{name}"), move || {
            let undisturbed = steps_of(lookup, false);
            let disturbed = steps_of(lookup, true);
            for steps in [&undisturbed, &disturbed] {
                let exchanges = steps.iter().filter(|step| is_exchange(step)).count();
                assert!(exchanges <= EXCHANGES, "{steps:#?}");
                assert!(
                    !steps.is_empty() && steps.len() <= bound,
                    "{} steps",
                    steps.len()
                );
            }
            Ok(())
        }));
    }
    trials
}

fn is_exchange(step: &Step) -> bool {
    !["load", "store"].contains(&step.name)
}

/// The longest of some lookups. If they are to be disturbed, another thread completes an operation
/// at each of their steps.
fn steps_of(lookup: Lookup, disturb: bool) -> Vec<Step> {
    let subject = Arc::new(subject(Cache::builder().capacity(100)));
    make(&subject, Op::Insert(0, 0));
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
