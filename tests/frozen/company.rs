//! Threads that are frozen before the one that a scenario is about begins, and until all is over.

use std::sync::Arc;

use rekindle::Time;
use rekindle::steps::Step;

use crate::calls::Numbered;
use crate::halted::Halted;
use crate::history::{Call, IDS, Op, Ret};
use crate::sites::{decides, exchanges_a_slot, is_of_the_engine, loads_a_slot};
use crate::subject::{Subject, Value, bystander_id, make, now, timed};

/// Slots of a line.
pub(crate) const SLOTS: usize = 7;

#[derive(Default)]
pub(crate) struct Company {
    /// What each does, and since when.
    frozen: Vec<(Op, u64, Halted<Ret>)>,
    /// What other threads have done to bring them there.
    calls: Vec<Call>,
}

impl Company {
    pub(crate) fn len(&self) -> usize {
        self.frozen.len()
    }

    fn add(
        &mut self,
        subject: &Arc<Subject>,
        op: Op,
        halt: impl FnMut(&Step) -> bool + Send + 'static,
    ) {
        let (theirs, called) = (Arc::clone(subject), now());
        let halted = Halted::start(|| (), move || make(&theirs, op), halt);
        let halted = halted.expect("the thread comes to this step");
        self.frozen.push((op, called, halted));
    }

    /// Another thread makes some calls, and is not frozen.
    fn call(&mut self, subject: &Arc<Subject>, ops: &[Op]) {
        for op in ops.iter().copied() {
            let theirs = Arc::clone(subject);
            let call = move || timed(op, |op| make(&theirs, op));
            let done = Halted::start(|| (), call, |_| false);
            self.calls.push(done.err().expect("never halts"));
        }
    }

    pub(crate) fn thaw(&self) {
        self.frozen.iter().for_each(|(.., halted)| halted.thaw());
    }

    /// All go on to the end, one after another. The calls that a history is about, by thread.
    pub(crate) fn finish(self) -> Vec<Vec<Call>> {
        let mut threads = vec![self.calls];
        for (op, called, halted) in self.frozen {
            let ret = halted.finish();
            threads.push(vec![Call::new(called, now(), op, ret)]);
        }
        threads
            .iter_mut()
            .for_each(|calls| calls.retain(|call| call.op.id() < IDS));
        threads
    }
}

/// Halts at a step of a kind, this time after the first exchange of a slot: an insert of a new id
/// into a line with room has published its entry there.
fn placed(kind: fn(&Step) -> bool, mut time: usize) -> impl FnMut(&Step) -> bool + Send + 'static {
    let mut is_placed = false;
    move |step| {
        let here = is_placed && kind(step);
        time = time.wrapping_sub(usize::from(here));
        is_placed |= exchanges_a_slot(step);
        here && time == 0
    }
}

const NEW: Op = Op::Insert(0, 200);

pub(crate) fn nobody_else(_: &Arc<Subject>) -> Company {
    Company::default()
}

/// An insert has published its entry, and has not looked again.
pub(crate) fn undecided(subject: &Arc<Subject>) -> Company {
    let mut company = Company::default();
    company.add(subject, NEW, placed(is_of_the_engine, 1));
    company
}

/// It has looked again at three slots.
pub(crate) fn looking(subject: &Arc<Subject>) -> Company {
    let mut company = Company::default();
    company.add(subject, NEW, placed(loads_a_slot, 4));
    company
}

/// It has looked again at all slots.
pub(crate) fn deciding(subject: &Arc<Subject>) -> Company {
    let mut company = Company::default();
    company.add(subject, NEW, placed(decides, 1));
    company
}

/// The same in a cache that was full, and is.
pub(crate) fn undecided_in_a_full_cache(subject: &Arc<Subject>) -> Company {
    let other = bystander_id(9, 0);
    subject.remove(&other);
    let company = undecided(subject);
    let inserted = subject.insert(&other, Value::new(0), b"", Time::NEVER);
    inserted.expect("fits");
    company
}

/// Several inserts of one id that are undecided in the first slots. Each has found nothing and
/// chosen its slot before any has published its entry; then come other calls.
pub(crate) fn rivals(subject: &Arc<Subject>, number: usize, id: usize, then: &[Op]) -> Company {
    let mut company = Company::default();
    let filler = |n| 40 + n;
    for n in 0..number {
        company.add(subject, Op::Insert(id, 200 + n as u32), exchanges_a_slot);
        assert_ne!(make(subject, Op::Insert(filler(n), 0)), Ret::Refused);
    }
    company.call(subject, then);
    for n in 0..number {
        assert_eq!(make(subject, Op::Remove(filler(n))), Ret::Yes(true));
    }
    for (.., halted) in &company.frozen {
        halted.go_to(is_of_the_engine);
    }
    company
}

pub(crate) fn two_undecided(subject: &Arc<Subject>) -> Company {
    rivals(subject, 2, 0, &[])
}

/// They are in lower slots than a live entry of their id.
pub(crate) fn two_undecided_beside_a_live_one(subject: &Arc<Subject>) -> Company {
    rivals(subject, 2, 0, &[Op::Insert(0, 300)])
}

/// Two inserts are undecided, and another thread's has decided both: one is live and replaced, the
/// other is dead.
pub(crate) fn owner_of_a_dead_entry(subject: &Arc<Subject>) -> Company {
    let mut company = two_undecided(subject);
    company.call(subject, &[Op::Insert(0, 300)]);
    company
}

/// A line in which all entries are undecided, of an id each.
pub(crate) fn line_of_undecided(subject: &Arc<Subject>) -> Company {
    let mut company = Company::default();
    for slot in 0..SLOTS {
        let insert = Op::Insert(20 + slot, 0);
        company.add(subject, insert, placed(is_of_the_engine, 1));
    }
    company
}

/// A full line: one entry of another id, the others dead and of the id that is inserted.
pub(crate) fn line_of_dead_of_this_id(subject: &Arc<Subject>) -> Company {
    let mut company = rivals(subject, SLOTS, 0, &[]);
    company.call(
        subject,
        &[
            Op::Remove(0),
            Op::Insert(0, 300),
            Op::Remove(0),
            Op::Insert(20, 0),
        ],
    );
    company
}

/// A line in which all entries but one are dead.
pub(crate) fn line_of_dead(subject: &Arc<Subject>) -> Company {
    let mut company = rivals(subject, SLOTS, 30, &[]);
    company.call(subject, &[Op::Insert(30, 0)]);
    company
}
