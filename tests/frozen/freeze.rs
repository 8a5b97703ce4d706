//! One trial for each scenario and each step in it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;

use libtest_mimic::Trial;
use rekindle::steps::Step;

use crate::bystanders;
use crate::halted::{FOR_GOOD, Halted};
use crate::history::{Call, Op, Ret, is_linearizable};
use crate::peer::Peer;
use crate::scenarios::{Act, QUICK, Scenario, all, before};
use crate::sites::{SITES, exchanges_a_slot};
use crate::subject::{Subject, check_accounts, make, now, timed};

/// `./check --quick` takes a scenario for each operation, and each of its steps the first time; the
/// gate all scenarios; `./check --full` also one time in the middle of those that a step comes.
pub(crate) fn trials() -> Vec<Trial> {
    let tier = std::env::var("REKINDLE_TIER").unwrap_or_default();
    let (quick, full) = (tier == "quick", tier == "full");
    let mut trials = Vec::new();
    let mut frozen_at = BTreeSet::new();
    for scenario in all() {
        if quick && !QUICK.contains(&scenario.name) {
            continue;
        }
        let scenario = Arc::new(scenario);
        let steps = rehearse(&scenario);
        for name in steps.iter().collect::<BTreeSet<_>>() {
            frozen_at.insert(name.clone());
            let times = steps.iter().filter(|step| *step == name).count();
            let middle = if full { times.div_ceil(2) } else { 1 };
            for time in BTreeSet::from([1, middle]) {
                let (scenario, name) = (Arc::clone(&scenario), name.clone());
                let title = format!("frozen::{}::{}, time {time}", scenario.name, name);
                trials.push(Trial::test(title, move || {
                    freeze(&scenario, &name, time);
                    Ok(())
                }));
            }
        }
    }
    if !quick {
        trials.push(Trial::test("frozen::at_every_step", move || {
            SITES.check_covered(&frozen_at);
            Ok(())
        }));
    }
    trials
}

/// The names of all steps that a scenario makes.
fn rehearse(scenario: &Arc<Scenario>) -> Vec<String> {
    let subject = Arc::new((scenario.set_up)());
    let company = (scenario.company)(&subject);
    let (send, steps) = mpsc::channel();
    let note = move |step: &Step| {
        if let Some(name) = SITES.name(step) {
            send.send(name.to_owned()).expect("the test listens");
        }
        false
    };
    let started = start(scenario, &subject, note, mpsc::channel().0);
    assert!(started.is_err(), "never halts");
    company.finish();
    steps.iter().collect()
}

/// Starts the thread that will be frozen. The calls of one that overtakes it are sent.
fn start(
    scenario: &Arc<Scenario>,
    subject: &Arc<Subject>,
    mut halt: impl FnMut(&Step) -> bool + Send + 'static,
    overtaking: mpsc::Sender<Call>,
) -> Result<Halted<Option<Ret>>, Option<Ret>> {
    let act = scenario.act;
    let (theirs, ours) = (Arc::clone(subject), Arc::clone(subject));
    let warm_up = move || {
        if !matches!(act, Act::FirstCall(_)) {
            drop(theirs.pin());
            theirs.remove(&crate::subject::id(255));
        }
    };
    let act = move || match act {
        Act::Call(op) | Act::FirstCall(op) => Some(make(&ours, op)),
        Act::Other(act) => {
            act(&ours);
            None
        }
    };
    let mut overtakes = scenario.overtaken_by;
    let peer = (!overtakes.is_empty()).then(|| Peer::spawn(subject));
    let halt = move |step: &Step| {
        if let (Some(peer), true) = (&peer, exchanges_a_slot(step)) {
            for op in std::mem::take(&mut overtakes) {
                let call = timed(*op, |op| peer.make(op));
                // A rehearsal does not listen.
                let _ = overtaking.send(call);
            }
        }
        halt(step)
    };
    Halted::start(warm_up, act, halt)
}

fn freeze(scenario: &Arc<Scenario>, name: &str, time: usize) {
    let subject = Arc::new((scenario.set_up)());
    let state = before(&subject, scenario.evicts);
    let company = (scenario.company)(&subject);

    let wanted = name.to_owned();
    let mut to_go = time;
    let halt = move |step: &Step| {
        let here = SITES.name(step) == Some(wanted.as_str());
        to_go = to_go.wrapping_sub(usize::from(here));
        here && to_go == 0
    };
    let (overtakes, overtaking) = mpsc::channel();
    let called = now();
    let victim = start(scenario, &subject, halt, overtakes);
    let victim = match victim {
        Ok(victim) => victim,
        // Another thread of this one's number has made the writer: no such step this time.
        Err(_) if name.starts_with("pool::make ") => return,
        Err(ret) => panic!("the thread has not come to this step: {ret:?}"),
    };

    let (say_done, done) = mpsc::channel::<()>();
    let others = {
        let (scenario, subject) = (Arc::clone(scenario), Arc::clone(&subject));
        let frozen = company.len() + 1;
        thread::spawn(move || {
            // Dropped at the end, whether the work is done or a thread has panicked.
            let _say_done = say_done;
            let mut witness = Witness::new(&subject);
            witness.look();
            bystanders::work(&subject, frozen, scenario.evicts, scenario.at_the_bound);
            witness.look();
            witness.change();
            witness.calls
        })
    };
    let stopped = done.recv_timeout(FOR_GOOD) == Err(RecvTimeoutError::Timeout);
    if stopped {
        // They may wait for each other.
        victim.thaw();
        company.thaw();
    }
    let told = victim.finish();
    let returned = now();
    let seen = others.join().expect("every answer is right");
    assert!(!stopped, "the others waited for the frozen thread");

    let mut threads = company.finish();
    if let (Act::Call(op) | Act::FirstCall(op), Some(ret)) = (scenario.act, told) {
        threads.push(vec![Call::new(called, returned, op, ret)]);
    }
    threads.push(overtaking.iter().collect());
    let mut witness = Witness::new(&subject);
    witness.look();
    threads.push([seen, witness.calls].concat());
    // Refused calls change nothing.
    for calls in &mut threads {
        calls.retain(|call| call.ret != Ret::Refused);
    }
    assert!(is_linearizable(&state, &threads), "{state:?}: {threads:#?}");

    check_accounts(&subject);
    let insert = Op::Insert(2, 9);
    let told = make(&subject, insert);
    assert!(matches!(told, Ret::Inserted(_)), "refused still");
}

/// A thread that calls about the same ids as the frozen one.
struct Witness<'s> {
    subject: &'s Subject,
    calls: Vec<Call>,
}

impl<'s> Witness<'s> {
    fn new(subject: &'s Subject) -> Self {
        let calls = Vec::new();
        Self { subject, calls }
    }

    fn call(&mut self, op: Op) {
        self.calls.push(timed(op, |op| make(self.subject, op)));
    }

    fn look(&mut self) {
        self.call(Op::Get(0));
        self.call(Op::GetBuffer(1));
        self.call(Op::Contains(0));
        self.call(Op::Iterate);
    }

    /// The frozen thread's exchange may come after each of these.
    fn change(&mut self) {
        self.call(Op::Insert(1, 7));
        self.call(Op::Take(0));
        self.call(Op::InsertIfAbsent(0, 8));
    }
}
