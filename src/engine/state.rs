//! What the threads of a cache share.

use std::collections::TryReserveError;

use crate::counters::Counters;
use crate::engine::cursor::Cursor;
use crate::engine::entry;
use crate::engine::evict::rank::Aging;
use crate::engine::gauges::Gauges;
use crate::engine::line::Line;
use crate::engine::reclaim::memory::Retired;
use crate::engine::reclaim::pin;
use crate::engine::reclaim::pool::Pool;
use crate::engine::table::Table;
use crate::stats::Stats;

/// Lines for this many entries of capacity. A line has room for seven, so that few overflow early.
const LINES_FOR: (usize, usize) = (3, 8);

/// Bytes of the table for each entry of capacity.
pub(crate) const TABLE_BYTES: usize = size_of::<Line<()>>() * LINES_FOR.0 / LINES_FOR.1;

/// What an insert does that finds its line or the cache full of live entries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum WhenFull {
    /// It evicts one.
    #[default]
    Evicts,
    /// It is refused: no live entry leaves but by a removal.
    Refuses,
}

/// What the cache may hold. Checked by the builder.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) entries: usize,
    pub(crate) bytes: usize,
    pub(crate) encoded_len: usize,
    pub(crate) when_full: WhenFull,
    /// Retired entries at which inserts are refused.
    pub(crate) retired: usize,
    /// Bytes of retired entries at which inserts are refused.
    pub(crate) retired_bytes: usize,
}

pub(crate) struct Engine<V> {
    pub(crate) table: Table<V>,
    pub(crate) pool: Pool<V>,
    pub(crate) retired: Retired,
    pub(crate) limits: Limits,
    /// The bytes that a value owns outside its entry, from the value and its encoded length.
    pub(crate) value_bytes: fn(&V, usize) -> usize,
    pub(crate) gauges: Gauges,
    pub(crate) aging: Aging,
    /// From where writers claim lines for their clock hands.
    pub(crate) hand: Cursor,
    /// Where the next call of `maintain` goes on.
    pub(crate) maintained: Cursor,
    pub(crate) counters: Counters,
}

impl<V> Engine<V> {
    pub(crate) fn new(
        limits: Limits,
        value_bytes: fn(&V, usize) -> usize,
    ) -> Result<Self, TryReserveError> {
        // Now, so that no lookup and no insert waits for another thread's first one.
        pin::make_ready();
        let lines = limits.entries.div_ceil(LINES_FOR.1) * LINES_FOR.0;
        Ok(Self {
            table: Table::new(lines)?,
            pool: Pool::new(),
            retired: Retired::default(),
            limits,
            value_bytes,
            gauges: Gauges::default(),
            aging: Aging::new(limits.entries),
            hand: Cursor::default(),
            maintained: Cursor::default(),
            counters: Counters::new(),
        })
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    pub(crate) fn lines(&self) -> usize {
        self.table.lines()
    }

    pub(crate) fn len(&self) -> usize {
        self.gauges.entries.plus(0)
    }

    pub(crate) fn stats(&self) -> Stats {
        Stats {
            entries: self.len(),
            bytes: self.gauges.bytes.plus(0),
            retired: self.retired.entries(),
            retired_bytes: self.retired.bytes(),
            ..Stats::sum(&self.counters)
        }
    }
}

impl<V> Drop for Engine<V> {
    #[allow(unsafe_code)]
    fn drop(&mut self) {
        let entries = self.table.lines_mut().flat_map(Line::drain);
        // SAFETY: `&mut self`: no guard on the cache is left, and the entries are in the table, so
        // they are not retired.
        unsafe { entry::reclaim_all(entries) };
    }
}

// SAFETY: the engine owns the values behind its pointers; it drops them on any thread that writes
// (`V: Send`) and lends them to several threads at a time (`V: Sync`).
#[allow(unsafe_code)]
unsafe impl<V: Send + Sync> Send for Engine<V> {}
// SAFETY: as above.
#[allow(unsafe_code)]
unsafe impl<V: Send + Sync> Sync for Engine<V> {}
