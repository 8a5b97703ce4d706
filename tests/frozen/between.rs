//! Every pair of operations, with the whole of one (or of several) between any two steps of the
//! other: what loom does with one preemption, but at full size, on the machine's own atomics, for
//! states of all kinds.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use libtest_mimic::Trial;
use rekindle::Cache;
use rekindle::steps::watch;

use crate::history::{Op, Ret, is_linearizable};
use crate::peer::Peer;
use crate::scenarios::before;
use crate::subject::{Subject, check_accounts, make, subject, timed};

const OUTER: [Op; 9] = [
    Op::Insert(0, 1),
    Op::InsertExpired(0, 1),
    Op::InsertIfAbsent(0, 1),
    Op::Get(0),
    Op::GetBuffer(0),
    Op::Contains(0),
    Op::Remove(0),
    Op::Take(0),
    Op::Maintain,
];

const INSERT: Op = Op::Insert(0, 2);
const ABSENT: Op = Op::InsertIfAbsent(0, 3);
const REMOVE: Op = Op::Remove(0);
const TAKE: Op = Op::Take(0);
/// Frees the first slot, where it is there.
const REMOVE_OTHER: Op = Op::Remove(1);

/// What comes in between: the same, on the same id and on its neighbour, and some in a row.
const INNER: [&[Op]; 17] = [
    &[INSERT],
    &[Op::Insert(1, 2)],
    &[Op::InsertExpired(0, 2)],
    &[ABSENT],
    &[REMOVE],
    &[REMOVE_OTHER],
    &[TAKE],
    &[Op::Get(0)],
    &[Op::Iterate],
    &[Op::Clear],
    &[Op::Maintain],
    &[INSERT, REMOVE],
    &[INSERT, TAKE, ABSENT],
    &[REMOVE, INSERT, Op::Iterate],
    &[TAKE, ABSENT],
    &[REMOVE_OTHER, INSERT],
    &[REMOVE_OTHER, ABSENT, TAKE],
];

/// What was there before, and whether there is room for more.
const STATES: [(usize, &[Op]); 6] = [
    (100, &[]),
    (100, &[Op::Insert(0, 0)]),
    (100, &[Op::Insert(1, 0)]),
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

/// Makes some calls whole before a certain step of another. False when that has fewer steps.
fn run(capacity: usize, state: &[Op], outer: Op, inner: &'static [Op], step: usize) -> bool {
    let subject: Arc<Subject> = Arc::new(subject(Cache::builder().capacity(capacity)));
    for op in state {
        assert_ne!(make(&subject, *op), Ret::Refused);
    }
    let spec = before(&subject, capacity == 1);
    let peer = Peer::spawn(&subject);
    // The first call of a thread has steps of its own.
    peer.make(Op::Contains(2));
    let between = Rc::new(RefCell::new(Vec::new()));
    let report = Rc::clone(&between);
    let mut to_go = step;
    let on_step = move |_| {
        if to_go == 0 {
            let calls = inner.iter().map(|op| timed(*op, |op| peer.make(op)));
            report.borrow_mut().extend(calls);
        }
        to_go = to_go.wrapping_sub(1);
    };
    let told = watch(on_step, || timed(outer, |op| make(&subject, op)));
    let mut witness = between.take();
    if witness.is_empty() {
        return false;
    }
    let looks = [0, 1, 2].map(Op::Get);
    witness.extend(looks.map(|op| timed(op, |op| make(&subject, op))));
    let threads = vec![vec![told], witness];
    let is_right = is_linearizable(&spec, &threads);
    assert!(is_right, "step {step}: {spec:?}, {threads:#?}");
    check_accounts(&subject);
    true
}
