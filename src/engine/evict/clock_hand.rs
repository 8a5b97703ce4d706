//! A writer's clock hand: where it looks for the next entry to evict.

use std::ops::Range;

use crate::engine::cursor::Cursor;
use crate::engine::evict::recency::Recency;

/// Lines that a writer claims at a time. Under loom, each look is a step to explore.
const STRIDE: usize = if cfg!(loom) { 1 } else { 16 };

/// A writer's part in the sweep.
#[derive(Default)]
pub(crate) struct ClockHand {
    /// The lines that it has claimed and not visited yet.
    claimed: Range<usize>,
    /// The entry that is evicted next, found in advance: so there is time to bring it near.
    pub(crate) next: Option<VictimCandidate>,
    /// How many lines more are worth looking into for expired entries.
    pub(crate) scan_budget: usize,
    /// Inserts that the cache's clock does not know of yet.
    pub(crate) inserts: usize,
}

/// A line from which entries may be evicted.
#[derive(Clone, Copy)]
pub(crate) struct VictimCandidate {
    pub(crate) index: usize,
    /// The slot of the entry to evict, and its recency. None: only what has expired goes.
    pub(crate) slot: Option<(usize, Recency)>,
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
        // Seldom beyond the end: a division for each line would cost more than the look at it.
        if next < lines { next } else { next % lines }
    }

    /// The line after the one that it visited last.
    #[inline]
    pub(crate) fn position(&self) -> usize {
        self.claimed.start
    }
}
