//! Three operations on one new id: two are halted, each at every step at which it looks at the
//! table or changes it, while the third is made whole. The two then go on, in either order.

use std::sync::Arc;

use libtest_mimic::Trial;
use rekindle::Cache;
use rekindle::steps::Step;

use crate::halted::Halted;
use crate::history::{Call, Op, Ret, is_linearizable};
use crate::scenarios::before;
use crate::sites::SITES;
use crate::subject::{Subject, check_accounts, make, now, subject, timed};

const INSERTS: [fn(u32) -> Op; 2] = [|n| Op::Insert(0, n), |n| Op::InsertIfAbsent(0, n)];

const THIRD: [Op; 4] = [
    Op::Insert(0, 3),
    Op::InsertIfAbsent(0, 3),
    Op::Take(0),
    Op::Clear,
];

pub(crate) fn trials() -> Vec<Trial> {
    let pairs = INSERTS
        .iter()
        .flat_map(|first| INSERTS.map(|second| (first(1), second(2))));
    let beside: [(&str, fn()); 2] = [
        (
            "a_lookup_beside_undecided_and_dead",
            a_lookup_beside_undecided_and_dead,
        ),
        ("a_lookup_of_a_dead_entry", a_lookup_of_a_dead_entry),
    ];
    let beside = beside.map(|(name, run)| {
        Trial::test(format!("nested::{name}"), move || {
            run();
            Ok(())
        })
    });
    pairs
        .map(|(first, second)| {
            Trial::test(format!("nested::{first:?} and {second:?}"), move || {
                let mut runs = 0;
                for third in THIRD {
                    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2]] {
                        let mut at = [0, 0];
                        while let Some(reached) = run([first, second, third], at, order) {
                            runs += 1;
                            at = if reached == 2 {
                                [at[0], at[1] + 1]
                            } else {
                                [at[0] + 1, 0]
                            };
                        }
                    }
                }
                assert!(runs > THIRD.len() * 3 * 200, "{runs} runs");
                println!("{first:?} and {second:?}: {runs} runs");
                Ok(())
            })
        })
        .chain(beside)
        .collect()
}

/// An insert-if-absent that has found its id absent, halted before it places its entry in a slot
/// before another insert's, which is live by then; an insert of another id follows.
fn loser(subject: &Arc<Subject>) -> Halted<Ret> {
    let theirs = Arc::clone(subject);
    let act = move || {
        let ret = make(&theirs, Op::InsertIfAbsent(0, 1));
        // As long, so that it could take the same memory.
        make(&theirs, Op::Insert(2, 1));
        ret
    };
    let halted = Halted::start(|| (), act, before_step("line::exchange"));
    // Its slot, the first one, is taken while another chooses one, and free again.
    for op in [Op::Insert(1, 9), Op::Insert(0, 2), Op::Remove(1)] {
        make(subject, op);
    }
    halted.expect("it has yet to place its entry")
}

fn before_step(site: &'static str) -> impl Fn(&Step) -> bool + Send {
    move |step| SITES.name(step).is_some_and(|name| name.starts_with(site))
}

/// No lookup finds an entry that is undecided, dead or emptied.
fn a_lookup_beside_undecided_and_dead() {
    let subject: Arc<Subject> = Arc::new(subject(Cache::builder().capacity(100)));
    let loser = loser(&subject);
    for site in ["entry::decide", "entry::take_value", "line::exchange"] {
        loser.go_to(before_step(site));
        assert_eq!(make(&subject, Op::Get(0)), Ret::Found(Some(2)), "{site}");
    }
    assert_eq!(loser.finish(), Ret::Yes(false));
    check_accounts(&subject);
}

/// An entry that turns out to be dead is not used again while a lookup may look at it.
fn a_lookup_of_a_dead_entry() {
    let subject: Arc<Subject> = Arc::new(subject(Cache::builder().capacity(100)));
    let loser = loser(&subject);
    loser.go_to(before_step("entry::decide"));
    let theirs = Arc::clone(&subject);
    let look = move || make(&theirs, Op::Get(0));
    let lookup = Halted::start(|| (), look, before_step("entry::state"));
    assert_eq!(loser.finish(), Ret::Yes(false));
    let found = lookup.map_or_else(|found| found, Halted::finish);
    assert_eq!(found, Ret::Found(Some(2)));
    check_accounts(&subject);
}

/// Halts two operations at these steps and finishes all three in an order. How many of the two have
/// a step of that number; none if the first has fewer.
fn run(ops: [Op; 3], at: [usize; 2], order: [usize; 3]) -> Option<usize> {
    let subject: Arc<Subject> = Arc::new(subject(Cache::builder().capacity(100)));
    // In the first slot while the first operation chooses one, so that the two choose others.
    let other = Op::Insert(1, 9);
    assert_ne!(make(&subject, other), Ret::Refused);
    let spec = before(&subject, false);
    let mut threads = vec![Vec::new()];
    let begin = |op, steps: usize| {
        let (theirs, called) = (Arc::clone(&subject), now());
        let mut to_go = steps;
        let halt = move |step: &Step| {
            let name = SITES.name(step).unwrap_or_default();
            let here = name.starts_with("line::") || name.starts_with("entry::");
            let halts = here && to_go == 0;
            to_go = to_go.wrapping_sub(usize::from(here));
            halts
        };
        let halted = Halted::start(|| (), move || make(&theirs, op), halt);
        (op, called, halted)
    };
    let end = |(op, called, halted): (_, _, Result<Halted<Ret>, Ret>)| {
        let ret = halted.map_or_else(|ret| ret, Halted::finish);
        vec![Call::new(called, now(), op, ret)]
    };
    let first = begin(ops[0], at[0]);
    let mut reached = usize::from(first.2.is_ok());
    threads[0].push(timed(Op::Remove(1), |op| make(&subject, op)));
    let second = begin(ops[1], at[1]);
    reached += usize::from(reached == 1 && second.2.is_ok());
    let mut halted = [Some(first), Some(second)];
    for turn in order {
        // The third is whole, and comes first, second or last.
        match halted.get_mut(turn.wrapping_sub(1)).and_then(Option::take) {
            Some(halted) => threads.push(end(halted)),
            None => threads[0].push(timed(ops[2], |op| make(&subject, op))),
        }
    }
    for op in [Op::Iterate, Op::Get(0)] {
        threads[0].push(timed(op, |op| make(&subject, op)));
    }
    let is_right = is_linearizable(&spec, &threads);
    assert!(is_right, "{at:?}, {order:?}: {spec:?}, {threads:#?}");
    check_accounts(&subject);
    (reached > 0).then_some(reached)
}
