//! What the models in `tests/` are made of.
//!
//! A model sets a cache up, lets two threads loose on it, and looks at what is left. Only
//! the middle part is explored: loom runs it once for every order in which the threads' accesses to
//! memory can come, and for every value that a load may see, up to a bound of preemptions.
#![cfg(loom)]

use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use loom::alloc::Track;
use loom::cell::UnsafeCell;
use loom::sync::mpsc::{Receiver, Sender, channel};
use loom::thread::{self, JoinHandle};
use rekindle::{
    Cache, CacheBuilder, Guard, Inserted, ManualClock, Refused, SessionId, Stats, Time,
};

/// Bytes of every encoded session here.
pub const ENCODED: usize = 24;

/// Loom gives up on an execution with more steps than this, taking it for a livelock.
const STEPS: usize = 20_000;

/// A cached value: a number, watched by loom.
///
/// Loom fails a model that reads one while it may be dropped (before or after), that drops one
/// twice, or that never drops one.
#[derive(Debug)]
pub struct Value {
    n: Track<u8>,
    memory: UnsafeCell<()>,
}

impl Value {
    /// A value.
    pub fn new(n: u8) -> Self {
        Self {
            n: Track::new(n),
            memory: UnsafeCell::new(()),
        }
    }

    /// Reads it.
    pub fn get(&self) -> u8 {
        self.memory.with(|_| ());
        *self.n.get_ref()
    }
}

// SAFETY: there is nothing in the cell; it is there for loom to compare the accesses to it.
#[allow(unsafe_code)]
unsafe impl Sync for Value {}

impl Clone for Value {
    fn clone(&self) -> Self {
        Self::new(self.get())
    }
}

impl Drop for Value {
    fn drop(&mut self) {
        self.memory.with_mut(|_| ());
    }
}

/// Hashes the first byte of an id to the top byte of the hash: the same in each execution, and a
/// test can choose the line.
#[derive(Clone, Debug, Default)]
pub struct FirstByte;

/// See [`FirstByte`].
#[derive(Debug, Default)]
pub struct FirstByteHasher(Option<u8>);

impl BuildHasher for FirstByte {
    type Hasher = FirstByteHasher;

    fn build_hasher(&self) -> FirstByteHasher {
        FirstByteHasher::default()
    }
}

impl Hasher for FirstByteHasher {
    fn write(&mut self, bytes: &[u8]) {
        if self.0.is_none() {
            self.0 = bytes.first().copied();
        }
    }

    fn finish(&self) -> u64 {
        u64::from(self.0.unwrap_or(0)) << 56
    }
}

/// The id of one byte.
pub fn id(byte: u8) -> SessionId {
    SessionId::new(&[byte]).expect("one byte is an id")
}

/// Two ids that share a line, and a tag, in a table of any size.
pub const A: u8 = 1;
/// See [`A`].
pub const B: u8 = 2;
/// Leads to the middle line of a table with an odd number of them.
pub const M: u8 = 128;
/// Leads to the last line of a table of any size.
pub const Z: u8 = 255;
/// Has no entry in any model.
const NOBODY: u8 = 0;

/// A cache whose values say what its encoded bytes must be.
#[derive(Debug)]
pub struct Subject {
    /// The cache.
    pub cache: Cache<Value, FirstByte>,
    clock: Arc<ManualClock>,
    /// Bytes of one entry, where it is known.
    entry: Option<usize>,
}

impl Subject {
    /// A cache for up to `capacity` entries, one line for every three, that holds value 0 under
    /// each of some ids.
    pub fn new(capacity: usize, keys: &[u8]) -> Self {
        Self::build(CacheBuilder::new(capacity), keys)
    }

    /// As [`new`](Self::new), with other limits.
    pub fn build(builder: CacheBuilder, keys: &[u8]) -> Self {
        let clock = Arc::new(ManualClock::new());
        let cache = builder.clock(clock.clone()).hasher(FirstByte).build();
        let mut subject = Self {
            cache: cache.expect("in range"),
            clock,
            entry: None,
        };
        for key in keys {
            subject.insert(*key, 0).expect("fits");
        }
        subject.entry = subject.cache.stats().bytes.checked_div(keys.len());
        subject
    }

    /// Inserts, for good.
    pub fn insert(&self, key: u8, n: u8) -> Result<Inserted, Refused> {
        self.insert_until(key, n, Time::NEVER)
    }

    /// Inserts with an end.
    pub fn insert_until(&self, key: u8, n: u8, end: Time) -> Result<Inserted, Refused> {
        self.cache
            .insert(&id(key), Value::new(n), &[n; ENCODED], end)
    }

    /// Inserts, for good, unless there is a live entry.
    pub fn insert_if_absent(&self, key: u8, n: u8) -> bool {
        self.cache
            .insert_if_absent(&id(key), Value::new(n), &[n; ENCODED], Time::NEVER)
            .expect("fits")
    }

    /// Inserts what will have expired when the model begins.
    pub fn insert_expired(&self, key: u8, n: u8) {
        self.insert_until(key, n, self.cache.now()).expect("fits");
        self.clock.advance(Duration::from_millis(1));
    }

    /// Takes.
    pub fn take(&self, key: u8) -> Option<u8> {
        self.cache.take(&id(key)).map(|value| value.get())
    }

    /// Removes.
    pub fn remove(&self, key: u8) -> bool {
        self.cache.remove(&id(key))
    }

    /// Looks up the value.
    pub fn get(&self, key: u8) -> Option<u8> {
        self.cache.pin().get(&id(key)).map(Value::get)
    }

    /// Copies the encoded bytes, which must be those of one value.
    pub fn get_buffer(&self, key: u8) -> Option<u8> {
        get_buffer(&self.cache.pin(), key)
    }

    /// What every model ends with, when its threads are quiet.
    ///
    /// - The gauges say what is in the table, and each id is there once.
    /// - What came is what left and what is left.
    /// - With nobody pinned everything that left is reclaimed.
    pub fn check_accounts(&self) {
        let stats = self.cache.stats();
        let ids: Vec<_> = self.cache.pin().iter().map(|entry| *entry.id()).collect();
        for (i, id) in ids.iter().enumerate() {
            assert!(!ids[..i].contains(id), "{id:?} is there twice");
        }
        assert_eq!(stats.entries, ids.len(), "{stats:?}");
        if let Some(entry) = self.entry {
            assert_eq!(stats.bytes, ids.len() * entry, "{stats:?}");
        }
        assert_eq!(
            stats.inserts,
            departures(&stats) + ids.len() as u64,
            "{stats:?}"
        );

        // Each call helps on for a few rounds.
        for _ in 0..4 {
            self.cache.maintain();
        }
        let stats = self.cache.stats();
        assert_eq!(
            (stats.retired, stats.retired_bytes),
            (0, 0),
            "never reclaimed"
        );
    }
}

/// As [`Subject::get_buffer`], on a guard.
pub fn get_buffer(guard: &Guard<'_, Value, FirstByte>, key: u8) -> Option<u8> {
    let mut buffer = [0xEE; ENCODED + 1];
    let copied = guard.get_buffer(&id(key), &mut buffer)?;
    assert_eq!((copied.needed, copied.stored), (ENCODED, ENCODED));
    let n = buffer[0];
    assert!(
        buffer[..ENCODED].iter().all(|byte| *byte == n),
        "torn: {buffer:?}"
    );
    Some(n)
}

/// All that left, for whatever reason. What replaces a live entry counts neither here nor there.
fn departures(stats: &Stats) -> u64 {
    let evicted = stats.evicted;
    let evicted = evicted.expired + evicted.unused + evicted.idle + evicted.line_full;
    stats.removed + stats.taken + evicted
}

/// Explores two threads that have both used the cache before. `check` sees what they returned.
///
/// Twice, once with each thread running first until loom preempts it: of several loads of one
/// atomic in a row loom remembers the last only, and so misses that an exchange by the thread that
/// loaded last could have come before another's load, unless it has seen them the other way round.
pub fn explore<R1: 'static, R2: 'static>(
    preemptions: usize,
    setup: fn() -> Subject,
    first: fn(&Subject) -> R1,
    second: fn(&Subject) -> R2,
    check: fn(&Subject, R1, R2),
) {
    explore_once(preemptions, setup, true, first, second, check);
    explore_once(preemptions, setup, true, second, first, move |s, r2, r1| {
        check(s, r1, r2)
    });
}

/// As [`explore`], for threads that do alike: which of them runs first makes no difference.
pub fn explore_alike<R: 'static>(
    preemptions: usize,
    setup: fn() -> Subject,
    first: fn(&Subject) -> R,
    second: fn(&Subject) -> R,
    check: fn(&Subject, R, R),
) {
    explore_once(preemptions, setup, true, first, second, check);
}

/// As [`explore`], but the second thread uses the library for the first time while loom explores:
/// it claims its slot among the readers meanwhile. The first thread always runs first.
pub fn explore_from_cold<R1: 'static, R2: 'static>(
    preemptions: usize,
    setup: fn() -> Subject,
    first: fn(&Subject) -> R1,
    second: fn(&Subject) -> R2,
    check: fn(&Subject, R1, R2),
) {
    explore_once(preemptions, setup, false, first, second, check);
}

fn explore_once<R1: 'static, R2: 'static>(
    preemptions: usize,
    setup: fn() -> Subject,
    warm: bool,
    first: fn(&Subject) -> R1,
    second: fn(&Subject) -> R2,
    check: impl Fn(&Subject, R1, R2) + Send + Sync + 'static,
) {
    run(preemptions, move || {
        let first = Peer::spawn(Start::SetUp(setup), first);
        let subject = first.subject.clone();
        let second = Peer::spawn(Start::Join(subject.clone(), warm), second);
        first.start();
        second.start();
        loom::explore();
        let (r1, r2) = (first.finish(), second.finish());
        loom::stop_exploring();
        check(&subject, r1, r2);
        drop(subject);
        first.end();
        second.end();
    });
}

/// Runs a scenario for all that loom wants to vary.
///
/// Not on loom's main thread: the thread-local values of that one are dropped after all statics,
/// which the library's still need. And nothing is explored while threads end, for loom drops their
/// thread-local values in an order that it does not control.
fn run(preemptions: usize, scenario: impl Fn() + Send + Sync + 'static) {
    let scenario = Arc::new(scenario);
    let executions = Arc::new(AtomicUsize::new(0));
    let count = executions.clone();
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.max_branches = STEPS;
    builder.expect_explicit_explore = true;
    builder.check(move || {
        count.fetch_add(1, Ordering::Relaxed);
        let scenario = scenario.clone();
        let coordinator = thread::spawn(move || scenario());
        coordinator.join().expect("loom stops at a panic");
    });
    let name = std::thread::current().name().unwrap_or_default().to_owned();
    println!("{name}: {} executions", executions.load(Ordering::Relaxed));
}

/// A thread that does what it is told to, and stays until it is told to end. Of several that can
/// run, loom begins with the one that was spawned first.
struct Peer<R> {
    subject: Arc<Subject>,
    start: Sender<()>,
    done: Receiver<R>,
    end: Sender<()>,
    handle: JoinHandle<()>,
}

/// How a thread begins.
enum Start {
    /// It makes what the model is about.
    SetUp(fn() -> Subject),
    /// It joins in, and has pinned as a reader and as a writer before or has not.
    Join(Arc<Subject>, bool),
}

impl<R: 'static> Peer<R> {
    /// Spawns a thread for `f` and waits until it is ready.
    fn spawn(how: Start, f: fn(&Subject) -> R) -> Self {
        let (start, started) = channel();
        let (ready, is_ready) = channel();
        let (send_done, done) = channel();
        let (end, ended) = channel();
        let handle = thread::spawn(move || {
            let subject = match how {
                Start::SetUp(setup) => Arc::new(setup()),
                Start::Join(subject, false) => subject,
                Start::Join(subject, true) => {
                    drop(subject.cache.pin());
                    subject.remove(NOBODY);
                    subject
                }
            };
            ready.send(subject.clone()).expect("somebody waits");
            started.recv().expect("somebody tells");
            let result = f(&subject);
            drop(subject);
            send_done.send(result).expect("somebody waits");
            ended.recv().expect("somebody tells");
        });
        Self {
            subject: is_ready.recv().expect("the thread says so"),
            start,
            done,
            end,
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
        self.end.send(()).expect("the thread waits");
        self.handle.join().expect("loom stops at a panic");
    }
}
