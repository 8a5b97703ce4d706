//! One trial for each scenario and each step in it.

use std::collections::BTreeSet;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, LazyLock};
use std::thread;
use std::time::Duration;

use libtest_mimic::Trial;
use rekindle::steps::{Step, watch};

use crate::bystanders;
use crate::history::{Call, Op, Ret, is_linearizable};
use crate::scenarios::{Act, QUICK, Scenario, all, before};
use crate::sites::Sites;
use crate::subject::{Subject, check_accounts, make};

/// Other threads that have not completed their work by then, a fraction of a second's, are taken to
/// wait for the frozen thread.
const FOR_GOOD: Duration = Duration::from_secs(30);

static SITES: LazyLock<Sites> = LazyLock::new(Sites::read);

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
    let (send, steps) = mpsc::channel();
    let on_step = move |step: Step| {
        if let Some(name) = SITES.name(&step) {
            send.send(name.to_owned()).expect("the test listens");
        }
    };
    spawn(scenario, &subject, on_step).join().expect("no panic");
    steps.iter().collect()
}

/// The thread that will be frozen.
fn spawn(
    scenario: &Arc<Scenario>,
    subject: &Arc<Subject>,
    on_step: impl FnMut(Step) + Send + 'static,
) -> thread::JoinHandle<Option<Ret>> {
    let (scenario, subject) = (Arc::clone(scenario), Arc::clone(subject));
    thread::spawn(move || {
        if !matches!(scenario.act, Act::FirstCall(_)) {
            drop(subject.pin());
            subject.remove(&crate::subject::id(255));
        }
        watch(on_step, || match scenario.act {
            Act::Call(op) | Act::FirstCall(op) => Some(make(&subject, op)),
            Act::Other(act) => {
                act(&subject);
                None
            }
        })
    })
}

fn freeze(scenario: &Arc<Scenario>, name: &str, time: usize) {
    let subject = Arc::new((scenario.set_up)());
    let state = before(&subject, scenario.evicts);

    let (say_frozen, frozen) = mpsc::channel();
    let (thaw, thawed) = mpsc::channel::<()>();
    let wanted = name.to_owned();
    let mut to_go = time;
    let victim = spawn(scenario, &subject, move |step| {
        if SITES.name(&step) == Some(wanted.as_str()) {
            to_go = to_go.wrapping_sub(1);
            if to_go == 0 {
                say_frozen.send(()).expect("the test waits");
                thawed.recv().expect("the test thaws");
            }
        }
    });
    frozen.recv().expect("the thread never came to this step");

    let (say_done, done) = mpsc::channel::<()>();
    let others = {
        let (scenario, subject) = (Arc::clone(scenario), Arc::clone(&subject));
        thread::spawn(move || {
            // Dropped at the end, whether the work is done or a thread has panicked.
            let _say_done = say_done;
            let mut witness = Witness::new(&subject);
            witness.look();
            bystanders::work(&subject, scenario.evicts, scenario.at_the_bound);
            witness.look();
            witness.change();
            witness.calls
        })
    };
    let stopped = done.recv_timeout(FOR_GOOD) == Err(RecvTimeoutError::Timeout);
    thaw.send(()).expect("the thread waits");
    let told = victim.join().expect("the thread goes on");
    let seen = others.join().expect("every answer is right");
    assert!(!stopped, "the others waited for the frozen thread");

    let mut threads = vec![seen];
    if let (Act::Call(op) | Act::FirstCall(op), Some(ret)) = (scenario.act, told) {
        let returned = threads[0].last().map_or(1, |call| call.returned + 1);
        // Refused calls change nothing.
        if ret != Ret::Refused {
            threads.push(vec![Call::new(0, returned, op, ret)]);
        }
    }
    let mut witness = Witness::after(&subject, &threads);
    witness.look();
    threads[0].extend(witness.calls);
    assert!(is_linearizable(&state, &threads), "{state:?}: {threads:#?}");

    check_accounts(&subject);
    let insert = Op::Insert(2, 9);
    let told = make(&subject, insert);
    assert!(matches!(told, Ret::Inserted(_)), "refused still");
}

/// A thread that calls about the same ids as the frozen one.
struct Witness<'s> {
    subject: &'s Subject,
    now: u64,
    calls: Vec<Call>,
}

impl<'s> Witness<'s> {
    fn new(subject: &'s Subject) -> Self {
        Self {
            subject,
            now: 1,
            calls: Vec::new(),
        }
    }

    /// One that comes after all that these have done.
    fn after(subject: &'s Subject, threads: &[Vec<Call>]) -> Self {
        let last = threads.iter().flatten().map(|call| call.returned).max();
        Self {
            now: last.unwrap_or(0) + 1,
            ..Self::new(subject)
        }
    }

    fn call(&mut self, op: Op) {
        let ret = make(self.subject, op);
        let (called, returned) = (self.now, self.now + 1);
        self.now += 2;
        if ret != Ret::Refused {
            self.calls.push(Call::new(called, returned, op, ret));
        }
    }

    fn look(&mut self) {
        self.call(Op::Get(0));
        self.call(Op::GetBuffer(1));
        self.call(Op::Contains(0));
    }

    /// The frozen thread's exchange may come after each of these.
    fn change(&mut self) {
        self.call(Op::Insert(1, 7));
        self.call(Op::Take(0));
        self.call(Op::InsertIfAbsent(0, 8));
    }
}
