//! A writer's clock hand: where it looks for the next entry to evict.

use std::ops::Range;

use crate::engine::cursor::Cursor;

/// Lines that a writer claims at a time. Under loom, each look is a step to explore.
const STRIDE: usize = if cfg!(loom) { 1 } else { 16 };

/// A writer's part in the sweep.
#[derive(Default)]
pub(crate) struct ClockHand {
    /// The lines that it has claimed and not visited yet.
    claimed: Range<usize>,
    /// The line that gives up an entry next, and the one after that, found in advance: so there is
    /// time to bring the next victim near, and the line after it.
    pub(crate) next: Option<VictimCandidate>,
    pub(crate) after_next: Option<VictimCandidate>,
    /// How many lines more are worth looking into for expired entries.
    pub(crate) scan_budget: usize,
    /// Inserts that the cache's clock does not know of yet.
    pub(crate) inserts: usize,
}

/// A line from which an entry may be evicted.
#[derive(Clone, Copy)]
pub(crate) struct VictimCandidate {
    pub(crate) index: usize,
    /// The highest rank of an entry that is worth evicting. None: only what has expired goes.
    pub(crate) at_most: Option<u8>,
}

impl ClockHand {
    /// Moves on by a line. The sweep is one for all writers, but each claims some lines at a time
    /// from the shared cursor, so that they do not contend for it.
    #[inline]
    pub(crate) fn next_line(&mut self, lines: usize, shared: &Cursor) -> usize {
        let next = self.claimed.next().unwrap_or_else(|| {
            // Within the table, so that no sum below can overflow.
            let start = shared.advance(STRIDE) % lines;
            self.claimed = start + 1..start + STRIDE;
            start
        });
        next % lines
    }

    /// The line after the one that it visited last.
    #[inline]
    pub(crate) fn position(&self) -> usize {
        self.claimed.start
    }
}
