//! What a thread is frozen in the middle of: a cache, and how it was made.

use std::hash::{BuildHasher, Hasher};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use rekindle::{Cache, CacheBuilder, SessionId, Stats};

use crate::calls::{Numbered, call};
use crate::history::{Call, Op, Ret};

/// Retired entries at which inserts are refused.
pub(crate) const RETIRED_LIMIT: usize = 12_000;

/// A value that is counted while it lives. One test runs at a time.
#[derive(Debug)]
pub(crate) struct Value(u32);

static ALIVE: AtomicUsize = AtomicUsize::new(0);

impl Numbered for Value {
    fn new(n: u32) -> Self {
        ALIVE.fetch_add(1, Ordering::Relaxed);
        Self(n)
    }

    fn number(&self) -> u32 {
        self.0
    }
}

impl Clone for Value {
    fn clone(&self) -> Self {
        Self::new(self.0)
    }
}

impl Drop for Value {
    fn drop(&mut self) {
        ALIVE.fetch_sub(1, Ordering::Relaxed);
    }
}

pub(crate) fn alive() -> usize {
    ALIVE.load(Ordering::Relaxed)
}

/// The first byte of an id chooses the line, the others the tag.
#[derive(Clone, Debug, Default)]
pub(crate) struct FirstByte;

#[derive(Debug, Default)]
pub(crate) struct FirstByteHasher {
    first: Option<u8>,
    rest: u64,
}

impl BuildHasher for FirstByte {
    type Hasher = FirstByteHasher;

    fn build_hasher(&self) -> FirstByteHasher {
        FirstByteHasher::default()
    }
}

impl Hasher for FirstByteHasher {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.first.get_or_insert(*byte);
            self.rest = self.rest.wrapping_mul(31).wrapping_add(u64::from(*byte));
        }
    }

    fn finish(&self) -> u64 {
        u64::from(self.first.unwrap_or(0)) << 56 | self.rest & 0xFFFF
    }
}

pub(crate) type Subject = Cache<Value, FirstByte>;

pub(crate) fn subject(builder: CacheBuilder<Value>) -> Subject {
    let builder = builder.hasher(FirstByte).retired_limit(RETIRED_LIMIT);
    builder.build().expect("in range")
}

/// The ids that the frozen thread and its witness use: all in the first line.
pub(crate) fn id(n: usize) -> SessionId {
    SessionId::new(&[0, n as u8]).expect("short enough")
}

/// The ids of a bystander: spread over the table.
pub(crate) fn bystander_id(owner: usize, n: usize) -> SessionId {
    SessionId::new(&[(n * 41) as u8 | 8, owner as u8, n as u8, 0]).expect("short enough")
}

/// Makes a call about [`id`]'s ids.
pub(crate) fn make(subject: &Subject, op: Op) -> Ret {
    call(subject, &id, op)
}

static NOW: AtomicU64 = AtomicU64::new(0);

/// A number for the history: higher than all before.
pub(crate) fn now() -> u64 {
    NOW.fetch_add(1, Ordering::SeqCst)
}

/// A call and when it was made.
pub(crate) fn timed(op: Op, make: impl FnOnce(Op) -> Ret) -> Call {
    let called = now();
    let ret = make(op);
    Call::new(called, now(), op, ret)
}

/// What holds when no thread is at work on the cache and none is pinned.
pub(crate) fn check_accounts(subject: &Subject) {
    let reclaimed = |_: &usize| {
        subject.maintain();
        std::thread::yield_now();
        subject.stats().retired == 0
    };
    (0..1_000).find(reclaimed);
    let stats = subject.stats();
    let retired = (stats.retired, stats.retired_bytes);
    assert_eq!(retired, (0, 0), "never reclaimed");
    let guard = subject.pin();
    let mut ids: Vec<_> = guard.iter().map(|entry| *entry.id()).collect();
    assert_eq!(stats.entries, ids.len(), "{stats:?}");
    assert_eq!(alive(), ids.len(), "a value was lost, or dropped twice");
    let came = departures(&stats) + ids.len() as u64;
    assert_eq!(stats.inserts, came, "{stats:?}");
    ids.sort_unstable_by_key(|id| id.as_bytes().to_vec());
    ids.dedup();
    assert_eq!(stats.entries, ids.len(), "an id is there twice");
    assert!(stats.entries <= subject.capacity() + 4, "{stats:?}");
}

fn departures(stats: &Stats) -> u64 {
    let evicted = stats.evicted;
    let evicted = evicted.expired + evicted.unused + evicted.idle + evicted.line_full;
    stats.removed + stats.taken + evicted
}
