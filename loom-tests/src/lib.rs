//! What the models in `tests/` are made of.
//!
//! A model sets a cache up, lets two or three threads loose on it, and looks at what is left. Only
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
use rekindle::{Cache, CacheBuilder, Guard, Inserted, ManualClock, Refused, SessionId, Stats, Time};

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
/// Leads to the last line of a table of any size.
pub const Z: u8 = 255;

/// A cache whose values say what its encoded bytes must be.
#[derive(Debug)]
pub struct Subject {
    /// The cache.
    pub cache: Cache<Value, FirstByte>,
    clock: Arc<ManualClock>,
}

impl Subject {
    /// A cache for up to `capacity` entries: one line for every three.
    pub fn new(capacity: usize) -> Self {
        Self::build(capacity, CacheBuilder::new)
    }

    /// As [`new`](Self::new), with other limits.
    pub fn build(capacity: usize, configure: impl FnOnce(usize) -> CacheBuilder) -> Self {
        let clock = Arc::new(ManualClock::new());
        let cache = configure(capacity)
            .clock(clock.clone())
            .hasher(FirstByte)
            .build()
            .expect("in range");
        Self { cache, clock }
    }

    /// Inserts, for good.
    pub fn insert(&self, key: u8, n: u8) -> Result<Inserted, Refused> {
        self.insert_until(key, n, Time::NEVER)
    }

    /// Inserts with an end.
    pub fn insert_until(&self, key: u8, n: u8, end: Time) -> Result<Inserted, Refused> {
        self.cache.insert(&id(key), Value::new(n), &[n; ENCODED], end)
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
    /// - With nobody pinned everything that left is reclaimed, and emptying the cache leaves nothing.
    pub fn check_accounts(&self) {
        let stats = self.cache.stats();
        let ids: Vec<_> = self.cache.pin().iter().map(|e| *e.id()).collect();
        for (i, id) in ids.iter().enumerate() {
            assert!(!ids[..i].contains(id), "{id:?} is there twice");
        }
        assert_eq!(stats.entries, ids.len(), "gauge of entries");
        assert_eq!(stats.inserts, departures(&stats) + ids.len() as u64, "{stats:?}");
        self.cache.maintain();
        let retired = self.cache.stats();
        assert_eq!((retired.retired, retired.retired_bytes), (0, 0), "never reclaimed");

        assert_eq!(self.cache.clear(), ids.len());
        self.check_empty();
        // A gauge that went below zero shows zero as well; now it would still be behind.
        self.insert(A, 0).expect("fits");
        let one = self.cache.stats();
        assert!(one.entries == 1 && one.bytes > 0, "{one:?}");
        self.cache.clear();
        self.check_empty();
    }

    fn check_empty(&self) {
        let stats = self.cache.stats();
        assert_eq!((stats.entries, stats.bytes), (0, 0), "gauges");
        assert_eq!((stats.retired, stats.retired_bytes), (0, 0), "never reclaimed");
    }
}

/// As [`Subject::get_buffer`], on a guard.
pub fn get_buffer(guard: &Guard<'_, Value, FirstByte>, key: u8) -> Option<u8> {
    let mut buffer = [0xEE; ENCODED + 1];
    let copied = guard.get_buffer(&id(key), &mut buffer)?;
    assert_eq!((copied.needed, copied.stored), (ENCODED, ENCODED));
    let n = buffer[0];
    assert!(buffer[..ENCODED].iter().all(|byte| *byte == n), "torn: {buffer:?}");
    Some(n)
}

/// All that left, for whatever reason. What replaces a live entry counts neither here nor there.
fn departures(stats: &Stats) -> u64 {
    let evicted = stats.evicted;
    let evicted = evicted.expired + evicted.unused + evicted.idle + evicted.line_full;
    stats.removed + stats.taken + evicted
}

/// Explores two threads; see [`explore_from_cold`] for what loom does not vary here.
///
/// Both threads have used the cache before. `check` sees what they returned.
pub fn explore<R1: 'static, R2: 'static>(
    preemptions: usize,
    setup: impl Fn() -> Subject + Send + Sync + 'static,
    first: fn(&Subject) -> R1,
    second: fn(&Subject) -> R2,
    check: fn(&Subject, R1, R2),
) {
    run(preemptions, move || {
        let subject = Arc::new(setup());
        let second = Peer::spawn(&subject, true, second);
        loom::explore();
        second.start();
        let r1 = first(&subject);
        let r2 = second.finish();
        loom::stop_exploring();
        check(&subject, r1, r2);
        drop(subject);
        second.end();
    });
}

/// As [`explore`], with three threads.
pub fn explore_three<R1: 'static, R2: 'static, R3: 'static>(
    preemptions: usize,
    setup: impl Fn() -> Subject + Send + Sync + 'static,
    first: fn(&Subject) -> R1,
    second: fn(&Subject) -> R2,
    third: fn(&Subject) -> R3,
    check: fn(&Subject, R1, R2, R3),
) {
    run(preemptions, move || {
        let subject = Arc::new(setup());
        let second = Peer::spawn(&subject, true, second);
        let third = Peer::spawn(&subject, true, third);
        loom::explore();
        second.start();
        third.start();
        let r1 = first(&subject);
        let (r2, r3) = (second.finish(), third.finish());
        loom::stop_exploring();
        check(&subject, r1, r2, r3);
        drop(subject);
        second.end();
        third.end();
    });
}

/// As [`explore`], but the second thread uses the library for the first time while loom explores:
/// it claims its slot among the readers and registers with crossbeam-epoch meanwhile.
pub fn explore_from_cold<R1: 'static, R2: 'static>(
    preemptions: usize,
    setup: impl Fn() -> Subject + Send + Sync + 'static,
    first: fn(&Subject) -> R1,
    second: fn(&Subject) -> R2,
    check: fn(&Subject, R1, R2),
) {
    run(preemptions, move || {
        let subject = Arc::new(setup());
        let second = Peer::spawn(&subject, false, second);
        loom::explore();
        second.start();
        let r1 = first(&subject);
        let r2 = second.finish();
        loom::stop_exploring();
        check(&subject, r1, r2);
        drop(subject);
        second.end();
    });
}

/// Runs a scenario on a thread of its own, for all that loom wants to vary.
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
        thread::spawn(move || scenario()).join().expect("loom stops at a panic");
    });
    let name = std::thread::current().name().unwrap_or_default().to_owned();
    println!("{name}: {} executions", executions.load(Ordering::Relaxed));
}

/// A thread that does what it is told to, and stays until it is told to end.
struct Peer<R> {
    start: Sender<()>,
    done: Receiver<R>,
    end: Sender<()>,
    handle: JoinHandle<()>,
}

impl<R: 'static> Peer<R> {
    /// Spawns a thread for `f` and waits until it is ready.
    fn spawn(subject: &Arc<Subject>, warm: bool, f: fn(&Subject) -> R) -> Self {
        let subject = subject.clone();
        let (start, started) = channel();
        let (ready, is_ready) = channel();
        let (send_done, done) = channel();
        let (end, ended) = channel();
        let handle = thread::spawn(move || {
            if warm {
                // Pins as a reader and as a writer, finds nothing.
                subject.remove(0);
                drop(subject.cache.pin());
            }
            ready.send(()).expect("somebody waits");
            started.recv().expect("somebody tells");
            let result = f(&subject);
            drop(subject);
            send_done.send(result).expect("somebody waits");
            ended.recv().expect("somebody tells");
        });
        is_ready.recv().expect("the thread says so");
        Self { start, done, end, handle }
    }

    fn start(&self) {
        self.start.send(()).expect("the thread waits");
    }

    fn finish(&self) -> R {
        self.done.recv().expect("the thread says so")
    }

    fn end(self) {
        self.end.send(()).expect("the thread waits");
        self.handle.join().expect("loom stops at a panic");
    }
}
