//! Who has to go when room is needed: a hand that sweeps the table.
//!
//! The hand passes over the marks of one line after another, without a look at lines or entries, until it
//! finds one whose rank (`aging.rs`) is at the threshold or below. Of that line goes what has expired,
//! else the entry that ranks lowest. So a flood of sessions that nobody resumes feeds on itself: the
//! cache learns that nothing is to be expected of them.
//!
//! Where the hand has met something expired, there is likely more: it then looks into the lines that
//! follow, too.

use std::ops::Range;

use crossbeam_epoch::Guard;

use super::Engine;
use super::aging::LINES_PER_VICTIM;
use super::entry::EntryRef;
use super::mark::AGES;
use super::ops::{Gone, Operation};
use super::table::{Snapshot, slots_in};
use crate::clock::Time;
use crate::id::SessionId;

/// Lines with entries that the hand passes, none of them at the threshold, before it takes the lowest that
/// it has seen.
const PATIENCE: usize = 3 * LINES_PER_VICTIM;

/// Lines with entries that it looks into after it has met something expired.
const CURIOSITY: usize = 16;

/// Lines that a writer claims at a time. Under loom, each look is a step to explore.
const STRIDE: usize = if cfg!(loom) { 1 } else { 16 };

/// Marks of this age are renewed when the hand passes, as of `AGE_KEPT`: they must not grow so old that
/// they look young again.
const AGE_RENEWED: u8 = AGES - 16;
const AGE_KEPT: usize = AGES as usize - 32;

/// A writer's part in the sweep.
#[derive(Default)]
pub(super) struct Hand {
    /// The lines that it has claimed and not visited yet.
    pub(super) claimed: Range<usize>,
    /// The line that gives up an entry next, found when the last one did, so that it can be brought
    /// near in time.
    aimed_at: Option<Aim>,
    /// How many lines more are worth looking into for expired entries.
    curiosity: usize,
    /// Inserts that the cache's clock does not know of yet.
    pub(super) inserts: usize,
}

#[derive(Clone, Copy)]
struct Aim {
    index: usize,
    /// The rank that an entry has at the most that is worth evicting. None: only what has expired goes.
    at_most: Option<u8>,
}

impl<V> Engine<V> {
    /// Evicts at least one entry, but never the one called `keep`.
    ///
    /// False when it found nothing to evict on three rounds.
    pub(super) fn evict(
        &self,
        op: &mut Operation<'_, V>,
        guard: &Guard,
        keep: &SessionId,
        now: Time,
    ) -> bool {
        let mut passed = 0;
        while passed < 3 * self.table.lines() {
            let next = op.writer.hand.aimed_at.take();
            let aim = next.unwrap_or_else(|| self.aim(op, &mut passed));
            let snapshot = self.table.load(aim.index, guard);
            if self.evict_expired(op, &snapshot, now) > 0 {
                op.writer.hand.curiosity = CURIOSITY;
            } else {
                // After a whole round, anything will do.
                let late = passed > self.table.lines();
                let at_most = if late { Some(u8::MAX) } else { aim.at_most };
                if !at_most.is_some_and(|most| self.evict_live(op, &snapshot, most, keep, now)) {
                    continue;
                }
            }
            self.aim_ahead(op);
            return true;
        }
        false
    }

    /// Unlinks all expired entries of a line in one step; the number of those.
    pub(super) fn evict_expired(
        &self,
        op: &mut Operation<'_, V>,
        snapshot: &Snapshot<'_, V>,
        now: Time,
    ) -> usize {
        match snapshot.slots_where(|entry| entry.get().is_expired(now)) {
            0 => 0,
            expired => self.unlink(op, snapshot, expired, Gone::EvictedExpired),
        }
    }

    /// Unlinks the entry of a line that ranks lowest, if that is low enough.
    fn evict_live(
        &self,
        op: &mut Operation<'_, V>,
        snapshot: &Snapshot<'_, V>,
        at_most: u8,
        keep: &SessionId,
        now: Time,
    ) -> bool {
        let candidates = snapshot.slots_where(|entry| entry.get().id() != keep);
        let worth = |slot: &usize| self.worth(snapshot, *slot, now);
        let Some(slot) = slots_in(candidates).min_by_key(worth) else {
            return false;
        };
        let (lap, mark) = (
            self.aging.lap(),
            self.table.marks(snapshot.index()).get(slot),
        );
        if self.aging.rank(mark, lap) > at_most {
            // A mark of a free slot has led here, or another thread's change.
            self.mark_free(snapshot.index(), !snapshot.occupied());
            return false;
        }
        let reason = if mark.was_resumed() {
            Gone::EvictedIdle
        } else {
            Gone::EvictedUnused
        };
        self.unlink(op, snapshot, 1 << slot, reason) > 0
    }

    /// The slot that a full line gives up, and why.
    pub(super) fn give_up(&self, snapshot: &Snapshot<'_, V>, now: Time) -> (usize, Gone) {
        let slot = slots_in(snapshot.occupied())
            .min_by_key(|slot| self.worth(snapshot, *slot, now))
            .expect("a full line has entries");
        if snapshot.entry(slot).get().is_expired(now) {
            (slot, Gone::EvictedExpired)
        } else {
            (slot, Gone::EvictedLineFull)
        }
    }

    /// Expired entries are worth least, then those that rank low, then those nearest to their end.
    fn worth(&self, snapshot: &Snapshot<'_, V>, slot: usize, now: Time) -> (bool, u8, Time) {
        let entry: EntryRef<'_, V> = snapshot.entry(slot);
        let entry = entry.get();
        let mark = self.table.marks(snapshot.index()).get(slot);
        let rank = self.aging.rank(mark, self.aging.lap());
        (!entry.is_expired(now), rank, entry.expires_at())
    }

    /// Moves the hand on to a line that is worth looking into. Counts those that it passes.
    fn aim(&self, op: &mut Operation<'_, V>, passed: &mut usize) -> Aim {
        let (lap, threshold) = (self.aging.lap(), self.aging.threshold());
        // After a whole round, line by line: the lowest may be the one that must stay.
        let late = *passed >= self.table.lines();
        let patience = if late { 1 } else { PATIENCE };
        let (mut lowest, mut aim) = (u8::MAX, None);
        let mut seen = 0;
        for _ in 0..self.table.lines() {
            let index = self.next_under_hand(op);
            *passed += 1;
            // Under loom, every look at marks is a step to explore, and all entries are of one age.
            if cfg!(loom) {
                return Aim::new(index, Some(u8::MAX));
            }
            if self.table.is_vacant(index) {
                continue;
            }
            if op.writer.hand.curiosity > 0 {
                op.writer.hand.curiosity -= 1;
                return Aim::new(index, None);
            }
            let rank = self.pass(index, lap);
            if rank <= threshold {
                return Aim::new(index, Some(threshold));
            }
            if rank < lowest || aim.is_none() {
                (lowest, aim) = (rank, Some(index));
            }
            seen += 1;
            if seen == patience {
                break;
            }
        }
        // Where there is none, the lines are empty, and any will do.
        Aim::new(aim.unwrap_or(0), Some(lowest))
    }

    /// The lowest rank by the marks of a line.
    #[inline]
    fn pass(&self, index: usize, lap: usize) -> u8 {
        let marks = self.table.marks(index);
        let mut lowest = u8::MAX;
        for (slot, mark) in marks.all().enumerate() {
            if mark.age(lap) >= AGE_RENEWED {
                marks.set(slot, mark.at(lap.wrapping_sub(AGE_KEPT)));
            }
            lowest = lowest.min(self.aging.rank(mark, lap));
        }
        lowest
    }

    /// Finds the line that gives up an entry next, and brings it near.
    fn aim_ahead(&self, op: &mut Operation<'_, V>) {
        if !cfg!(loom) {
            let aim = self.aim(op, &mut 0);
            self.table.prefetch_line(aim.index);
            op.writer.hand.aimed_at = Some(aim);
        }
    }

    /// Brings the entries near that the hand will look at next.
    #[inline]
    pub(super) fn prefetch_victim(&self, op: &Operation<'_, V>, guard: &Guard) {
        if let Some(aim) = op.writer.hand.aimed_at {
            self.table.load(aim.index, guard).prefetch_entries();
        }
    }

    /// The hand is one for all, but each writer claims some lines at a time, so that they do not
    /// contend for it.
    fn next_under_hand(&self, op: &mut Operation<'_, V>) -> usize {
        let lines = self.table.lines();
        let claimed = &mut op.writer.hand.claimed;
        let next = claimed.next().unwrap_or_else(|| {
            // Within the table, so that no sum below can overflow.
            let start = self.hand.advance(STRIDE) % lines;
            *claimed = start + 1..start + STRIDE;
            start
        });
        next % lines
    }
}

impl Aim {
    fn new(index: usize, at_most: Option<u8>) -> Self {
        Self { index, at_most }
    }
}
