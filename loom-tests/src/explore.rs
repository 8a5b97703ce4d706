//! Threads, and how loom lets them loose on a cache.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use loom::sync::mpsc::{Receiver, Sender, channel};
use loom::thread::{self, JoinHandle};

use crate::Subject;

/// Loom gives up on an execution with more steps than this, taking it for a livelock.
const STEPS: usize = 20_000;

/// Explores two threads that have both used the cache before. `check` sees what they returned; then
/// the accounts are checked.
///
/// Twice, once with each thread running first until loom preempts it: of several loads of one
/// atomic in a row loom remembers the last only, and so misses that an exchange by the thread that
/// loaded last could have come before another's load, unless it has seen them the other way round.
/// The quick tier takes the first order only.
pub fn explore<R1: 'static, R2: 'static>(
    preemptions: usize,
    setup: fn() -> Subject,
    first: fn(&Subject) -> R1,
    second: fn(&Subject) -> R2,
    check: fn(&Subject, R1, R2),
) {
    let pinned = Before::Pinned;
    explore_in_order(preemptions, setup, pinned, first, second, check);
    if !is_quick() {
        let turned = move |s: &Subject, r2, r1| check(s, r1, r2);
        explore_in_order(preemptions, setup, pinned, second, first, turned);
    }
}

/// As [`explore`], for threads that do alike: which of them runs first makes no difference.
pub fn explore_alike<R: 'static>(
    preemptions: usize,
    setup: fn() -> Subject,
    first: fn(&Subject) -> R,
    second: fn(&Subject) -> R,
    check: fn(&Subject, R, R),
) {
    explore_in_order(preemptions, setup, Before::Pinned, first, second, check);
}

/// Explores two threads, of which the first has used the cache before and always runs first.
pub fn explore_in_order<R1: 'static, R2: 'static>(
    preemptions: usize,
    setup: fn() -> Subject,
    before: Before,
    first: fn(&Subject) -> R1,
    second: fn(&Subject) -> R2,
    check: impl Fn(&Subject, R1, R2) + Send + Sync + 'static,
) {
    run(preemptions, move || {
        let first = Peer::spawn(Start::SetUp(setup), first);
        let subject = first.subject.clone();
        let second = Peer::spawn(Start::Join(subject.clone(), before), second);
        first.start();
        second.start();
        loom::explore();
        let (r1, r2) = (first.finish(), second.finish());
        loom::stop_exploring();
        check(&subject, r1, r2);
        subject.check_accounts();
        drop(subject);
        first.end();
        second.end();
    });
}

/// Explores three threads that have all used the cache before, three times, each running first once
/// (in the quick tier the first one only).
pub fn explore_three<R1: 'static, R2: 'static, R3: 'static>(
    preemptions: usize,
    setup: fn() -> Subject,
    first: fn(&Subject) -> R1,
    second: fn(&Subject) -> R2,
    third: fn(&Subject) -> R3,
    check: fn(&Subject, R1, R2, R3),
) {
    let pinned = [Before::Pinned; 2];
    explore_three_in_order(preemptions, setup, pinned, first, second, third, check);
    if !is_quick() {
        let turned = move |s: &Subject, r2, r3, r1| check(s, r1, r2, r3);
        explore_three_in_order(preemptions, setup, pinned, second, third, first, turned);
        let turned = move |s: &Subject, r3, r1, r2| check(s, r1, r2, r3);
        explore_three_in_order(preemptions, setup, pinned, third, first, second, turned);
    }
}

/// As [`explore_three`], for threads that do alike.
pub fn explore_three_alike<R: 'static>(
    preemptions: usize,
    setup: fn() -> Subject,
    first: fn(&Subject) -> R,
    second: fn(&Subject) -> R,
    third: fn(&Subject) -> R,
    check: fn(&Subject, [R; 3]),
) {
    let pinned = [Before::Pinned; 2];
    let check = move |s: &Subject, r1, r2, r3| check(s, [r1, r2, r3]);
    explore_three_in_order(preemptions, setup, pinned, first, second, third, check);
}

/// Explores three threads, of which the first has used the cache before and always runs first. One
/// of the others may end while loom explores, and another begin, and claim the slot that the first
/// gives back.
pub fn explore_three_in_order<R1: 'static, R2: 'static, R3: 'static>(
    preemptions: usize,
    setup: fn() -> Subject,
    before: [Before; 2],
    first: fn(&Subject) -> R1,
    second: fn(&Subject) -> R2,
    third: fn(&Subject) -> R3,
    check: impl Fn(&Subject, R1, R2, R3) + Send + Sync + 'static,
) {
    run(preemptions, move || {
        let first = Peer::spawn(Start::SetUp(setup), first);
        let subject = first.subject.clone();
        let second = Peer::spawn(Start::Join(subject.clone(), before[0]), second);
        let third = Peer::spawn(Start::Join(subject.clone(), before[1]), third);
        first.start();
        second.start();
        third.start();
        loom::explore();
        let (r1, r2, r3) = (first.finish(), second.finish(), third.finish());
        loom::stop_exploring();
        check(&subject, r1, r2, r3);
        subject.check_accounts();
        drop(subject);
        first.end();
        second.end();
        third.end();
        // A thread's end comes after what it sends, and needs the statics.
        thread::yield_now();
    });
}

fn tier() -> String {
    std::env::var("REKINDLE_TIER").unwrap_or_default()
}

/// `./check --quick`: one preemption at most, one order of threads.
fn is_quick() -> bool {
    tier() == "quick"
}

/// How many executions of a model the tier takes at most: seconds for each in the quick tier, some
/// ten seconds in the gate, all in the full one.
fn most_executions() -> Option<usize> {
    match tier().as_str() {
        "quick" => Some(2_000),
        "full" => None,
        _ => Some(25_000),
    }
}

/// Runs a model that needs no cache: all interleavings, or all up to a bound of preemptions.
pub fn model(preemptions: Option<usize>, scenario: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = if is_quick() { Some(2) } else { preemptions };
    builder.max_branches = STEPS;
    check(builder, scenario);
}

fn check(mut builder: loom::model::Builder, scenario: impl Fn() + Send + Sync + 'static) {
    builder.max_permutations = most_executions();
    // Loom compares the two at its checkpoints only.
    builder.checkpoint_interval = 500;
    let executions = Arc::new(AtomicUsize::new(0));
    let count = executions.clone();
    builder.check(move || {
        count.fetch_add(1, Ordering::Relaxed);
        scenario();
    });
    let name = std::thread::current().name().unwrap_or_default().to_owned();
    println!("{name}: {} executions", executions.load(Ordering::Relaxed));
}

/// Runs a scenario for all that loom wants to vary.
///
/// Not on loom's main thread: the thread-local value of that one is dropped after all statics,
/// which the library's still needs. (A thread has one such value. Of several, loom would drop those
/// of an ending thread in the order of a hash map with random keys, and lose its way.)
fn run(preemptions: usize, scenario: impl Fn() + Send + Sync + 'static) {
    let scenario = Arc::new(scenario);
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(if is_quick() { 1 } else { preemptions });
    builder.max_branches = STEPS;
    builder.expect_explicit_explore = true;
    check(builder, move || {
        let scenario = scenario.clone();
        let coordinator = thread::spawn(move || scenario());
        coordinator.join().expect("loom stops at a panic");
    });
}

/// A thread that does what it is told to, and stays until it is told to end. Of several that can
/// run, loom begins with the one that was spawned first.
struct Peer<R> {
    subject: Arc<Subject>,
    start: Sender<()>,
    done: Receiver<R>,
    end: Sender<()>,
    /// Until it is told to end; else it ends when it is done.
    stays: bool,
    handle: JoinHandle<()>,
}

/// How a thread begins.
enum Start {
    /// It makes what the model is about.
    SetUp(fn() -> Subject),
    /// It joins in.
    Join(Arc<Subject>, Before),
}

/// What a thread has done before loom explores, and whether it stays.
#[derive(Clone, Copy, Debug)]
pub enum Before {
    /// It has pinned.
    Pinned,
    /// It has pinned, and will end as soon as it is done.
    PinnedAndEnds,
    /// It has not used the library.
    Nothing,
}

impl<R: 'static> Peer<R> {
    /// Spawns a thread for `f` and waits until it is ready.
    fn spawn(how: Start, f: fn(&Subject) -> R) -> Self {
        let (start, started) = channel();
        let (ready, is_ready) = channel();
        let (send_done, done) = channel();
        let (end, ended) = channel();
        let stays = !matches!(how, Start::Join(_, Before::PinnedAndEnds));
        let handle = thread::spawn(move || {
            let subject = match how {
                Start::SetUp(setup) => Arc::new(setup()),
                Start::Join(subject, before) => {
                    if !matches!(before, Before::Nothing) {
                        drop(subject.cache.pin());
                    }
                    subject
                }
            };
            ready.send(subject.clone()).expect("the coordinator waits");
            started.recv().expect("the coordinator tells");
            let result = f(&subject);
            drop(subject);
            send_done.send(result).expect("the coordinator waits");
            if stays {
                ended.recv().expect("the coordinator tells");
            }
        });
        Self {
            subject: is_ready.recv().expect("the thread says so"),
            start,
            done,
            end,
            stays,
            handle,
        }
    }

    fn start(&self) {
        self.start.send(()).expect("the thread waits");
    }

    fn finish(&self) -> R {
        self.done.recv().expect("the thread says so")
    }

    fn end(self) {
        drop(self.subject);
        if self.stays {
            self.end.send(()).expect("the thread waits");
        }
        self.handle.join().expect("loom stops at a panic");
    }
}
