//! The engine: a bounded concurrent map with expiry. It knows nothing of TLS.
//!
//! # The protocol
//!
//! ```text
//!   table               line (64 bytes, immutable)         entry (one allocation)
//!  +------+-------+    +-----+-----+-----+-- --+-----+    +----+---------+-------+---------+
//!  |  *---| marks |--->| *|t | *|t | null| ... | *|t |    | id | expires | value | encoded |
//!  +------+-------+    +--|--+-----+-----+-- --+-----+    +----+---------+-------+---------+
//!  | null |       |       +--------------------------------^      t: bits of the id's hash
//!  +------+-------+
//! ```
//!
//! A line never changes once it is published. Every change (insert, replace, remove, take, evict,
//! expire) writes a new line and publishes it with one compare-and-exchange on the table's pointer.
//! So the state of a line is the value of one pointer, and every operation takes effect at one load
//! or one successful exchange of it:
//!
//! - an id has one line, and a line has at most one entry for it (whoever adds or replaces one has
//!   looked at exactly the line that its exchange replaces), so an id never shows two lives;
//! - of two takes of one entry only one replaces the line that holds it;
//! - the pointer cannot come back to a value that somebody still remembers (ABA), for a line is not
//!   used again while anyone who could have loaded it is pinned.
//!
//! Whoever may look at lines and entries is pinned: readers as `readers.rs` tells, writers by
//! crossbeam-epoch (`writers.rs`). Writers keep what they unlinked until both say that nobody can
//! reach it, and then use it again (`reclaim.rs`); for the length of one operation each has a
//! [`Writer`](reclaim::Writer) to itself (`pool.rs`). Who must go when room is needed, `sweep.rs`
//! decides, by the marks (`mark.rs`): hints, on which nothing depends but whose turn it is.
//!
//! Gauges (`entries`, `bytes`) change after the exchange that they count, and are signed for that
//! reason: in between they are behind by at most one entry for each writer at work, and by as much
//! the cache can overshoot its capacity.

mod change;
mod entry;
mod evict;
mod insert;
mod prefetch;
mod reclaim;
mod remove;
mod table;

use std::collections::TryReserveError;

use crate::stats::{Counters, Stats};
use crate::sync::{AtomicBool, AtomicUsize, Ordering};

pub(crate) use change::RemovalCause;
pub(crate) use entry::{CLASSES, Entry, EntryRef, block_size, class_of, class_size};
pub(crate) use evict::Mark;
pub(crate) use insert::{New, Outcome};
pub(crate) use reclaim::{Pin, pin_writer, thread_number};
pub(crate) use table::{Protection, Want};

use evict::Aging;
use reclaim::{LineStore, Pool, Retired};
use table::Table;

/// Threads that count in a shard of their own; any above share one.
pub(crate) const THREAD_SHARDS: usize = if cfg!(loom) { 4 } else { 128 };

/// Entries that a line is planned for; it has room for eight, so that few overflow early.
const ENTRIES_PER_LINE: usize = 3;

/// What the cache may hold. Checked by the builder.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) entries: usize,
    pub(crate) bytes: usize,
    pub(crate) encoded_len: usize,
    /// Retired objects at which inserts are refused.
    pub(crate) retired: usize,
    /// Bytes of retired objects at which inserts are refused.
    pub(crate) retired_bytes: usize,
}

pub(crate) struct Engine<V> {
    table: Table<V>,
    pool: Pool<V>,
    retired: Retired,
    /// Some thread reclaims for all who have met the bound of `retired`.
    relieving: AtomicBool,
    limits: Limits,
    gauges: Gauges,
    aging: Aging,
    hand: Cursor,
    /// Where the next call of `maintain` goes on.
    maintained: Cursor,
    counters: Counters,
}

/// On a cache line of its own, for all writers write it.
#[repr(align(128))]
struct Cursor(AtomicUsize);

/// What is in the table. Together on a cache line of their own, for all writers write them.
#[repr(align(128))]
struct Gauges {
    entries: Gauge,
    bytes: Gauge,
}

struct Gauge(AtomicUsize);

impl<V> Engine<V> {
    pub(crate) fn new(limits: Limits) -> Result<Self, TryReserveError> {
        reclaim::make_ready();
        let lines = limits.entries.div_ceil(ENTRIES_PER_LINE);
        Ok(Self {
            table: Table::new(lines)?,
            pool: Pool::new(LineStore::new(lines)?),
            retired: Retired::new(),
            relieving: AtomicBool::new(false),
            limits,
            gauges: Gauges {
                entries: Gauge(AtomicUsize::new(0)),
                bytes: Gauge(AtomicUsize::new(0)),
            },
            aging: Aging::new(limits.entries),
            hand: Cursor(AtomicUsize::new(0)),
            maintained: Cursor(AtomicUsize::new(0)),
            counters: Counters::new(),
        })
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    pub(crate) fn len(&self) -> usize {
        self.gauges.entries.plus(0)
    }

    pub(crate) fn stats(&self) -> Stats {
        Stats {
            entries: self.gauges.entries.plus(0),
            bytes: self.gauges.bytes.plus(0),
            retired: self.retired.objects(),
            retired_bytes: self.retired.bytes(),
            ..self.counters.sum()
        }
    }
}

impl Gauge {
    /// The gauge with a change that it does not show yet. Behind by what writers at work have not
    /// added, so it may be below zero.
    fn plus(&self, change: usize) -> usize {
        let now = self.0.load(Ordering::Relaxed).wrapping_add(change);
        usize::try_from(now as isize).unwrap_or(0)
    }

    fn add(&self, change: usize) {
        if change != 0 {
            self.0.fetch_add(change, Ordering::Relaxed);
        }
    }
}

impl Cursor {
    /// Moves on by `by` and returns where it was. Relaxed: any place will do.
    fn advance(&self, by: usize) -> usize {
        self.0.fetch_add(by, Ordering::Relaxed)
    }
}

impl<V> Drop for Engine<V> {
    #[allow(unsafe_code)]
    fn drop(&mut self) {
        let table = &mut self.table;
        let lines = (0..table.lines()).filter_map(|index| table.take_line(index));
        // SAFETY: `&mut self`: no guard on the cache is left, and the lines and their entries are in
        // the table, so they are not retired.
        unsafe { entry::reclaim_all(lines.flat_map(|line| line.as_ref().entries())) };
    }
}

// SAFETY: the engine owns the values behind its pointers; it drops them on whatever thread writes
// (`V: Send`) and lends them to several threads at a time (`V: Sync`).
#[allow(unsafe_code)]
unsafe impl<V: Send + Sync> Send for Engine<V> {}
// SAFETY: as above.
#[allow(unsafe_code)]
unsafe impl<V: Send + Sync> Sync for Engine<V> {}
