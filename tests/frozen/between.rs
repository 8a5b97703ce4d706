//! Every pair of operations, with the whole of one between any two steps of the other: what loom
//! does with one preemption, but at full size, on the machine's own atomics, for states of all
//! kinds.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use libtest_mimic::Trial;
use rekindle::Cache;
use rekindle::steps::watch;

use crate::history::{Call, Op, Ret, is_linearizable};
use crate::peer::Peer;
use crate::scenarios::before;
use crate::subject::{Subject, check_accounts, make, subject};

const OUTER: [Op; 8] = [
    Op::Insert(0, 1),
    Op::InsertExpired(0, 1),
    Op::InsertIfAbsent(0, 1),
    Op::Get(0),
    Op::GetBuffer(0),
    Op::Contains(0),
    Op::Remove(0),
    Op::Take(0),
];

/// What comes in between: the same, on the same id and on its neighbour.
const INNER: [Op; 8] = [
    Op::Insert(0, 2),
    Op::Insert(1, 2),
    Op::InsertExpired(0, 2),
    Op::InsertIfAbsent(0, 2),
    Op::Remove(0),
    Op::Remove(1),
    Op::Take(0),
    Op::Get(0),
];

/// What was there before, and whether there is room for more.
const STATES: [(usize, &[Op]); 5] = [
    (100, &[]),
    (100, &[Op::Insert(0, 0)]),
    (100, &[Op::Insert(1, 0), Op::InsertExpired(0, 0)]),
    (1, &[Op::Insert(0, 0)]),
    (1, &[Op::Insert(2, 0)]),
];

pub(crate) fn trials() -> Vec<Trial> {
    OUTER
        .map(|outer| {
            Trial::test(format!("between::the_steps_of::{outer:?}"), move || {
                let mut runs = 0;
                for inner in INNER {
                    for (capacity, state) in STATES {
                        let mut step = 0;
                        while run(capacity, state, outer, inner, step) {
                            step += 1;
                        }
                        runs += step;
                    }
                }
                assert!(runs >= INNER.len() * STATES.len() * 4, "{runs} runs");
                println!("{outer:?}: {runs} runs");
                Ok(())
            })
        })
        .into()
}

/// Makes one call whole before a certain step of another. False when that has fewer steps.
fn run(capacity: usize, state: &[Op], outer: Op, inner: Op, step: usize) -> bool {
    let subject: Arc<Subject> = Arc::new(subject(Cache::builder().capacity(capacity)));
    for op in state {
        assert_ne!(make(&subject, *op), Ret::Refused);
    }
    let spec = before(&subject, capacity == 1);
    let peer = Peer::spawn(&subject);
    // The first call of a thread has steps of its own.
    peer.make(Op::Contains(2));
    let between = Rc::new(RefCell::new(None));
    let report = Rc::clone(&between);
    let mut to_go = step;
    let on_step = move |_| {
        if to_go == 0 {
            *report.borrow_mut() = Some(peer.make(inner));
        }
        to_go = to_go.wrapping_sub(1);
    };
    let told = watch(on_step, || make(&subject, outer));
    let Some(told_between) = between.take() else {
        return false;
    };
    let mut witness = vec![Call::new(1, 2, inner, told_between)];
    for (i, id) in [0, 1, 2].into_iter().enumerate() {
        let op = Op::Get(id);
        let now = 4 + 2 * i as u64;
        witness.push(Call::new(now, now + 1, op, make(&subject, op)));
    }
    let threads = vec![vec![Call::new(0, 3, outer, told)], witness];
    let is_right = is_linearizable(&spec, &threads);
    assert!(is_right, "step {step}: {spec:?}, {threads:#?}");
    check_accounts(&subject);
    true
}
