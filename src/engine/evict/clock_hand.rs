//! Who has to go when room is needed: a hand that sweeps the table.
//!
//! The hand passes over the marks of one line after another, without a look at lines or entries, until it
//! finds one whose rank (`aging.rs`) is at the threshold or below. Of that line the entry goes that ranks
//! lowest. So a flood of sessions that nobody resumes feeds on itself: the cache learns that nothing is to
//! be expected of them.
//!
//! If that entry turns out to have expired, there are likely more: then whatever has expired goes, of its
//! line and of those that follow, before anything that has not.

use std::ops::Range;

use crossbeam_epoch::Guard;

use crate::clock::Time;
use crate::engine::Engine;
use crate::engine::change::{Operation, RemovalCause};
use crate::engine::evict::rank::LINES_PER_VICTIM;
use crate::engine::evict::recency::{AGES, Mark};
use crate::engine::prefetch::prefetch;
use crate::engine::table::{Keep, Snapshot, slots_in};

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
pub(crate) struct Hand {
    /// The lines that it has claimed and not visited yet.
    pub(crate) claimed: Range<usize>,
    /// The line that gives up an entry next, and the one after that, found in advance: so there is time
    /// to bring the one's entry near, and the other.
    aimed_at: Option<Aim>,
    then_at: Option<Aim>,
    /// How many lines more are worth looking into for expired entries.
    curiosity: usize,
    /// Inserts that the cache's clock does not know of yet.
    pub(crate) inserts: usize,
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
    pub(crate) fn evict(
        &self,
        op: &mut Operation<'_, V>,
        guard: &Guard,
        keep: Keep<'_>,
        now: Time,
    ) -> bool {
        let mut passed = 0;
        while passed < 3 * self.table.lines() {
            let hand = &mut op.writer.hand;
            let next = hand.aimed_at.take().or_else(|| hand.then_at.take());
            let aim = next.unwrap_or_else(|| self.aim(op, &mut passed));
            let snapshot = self.table.load(aim.index, guard);
            // After a whole round, anything will do.
            let late = passed > self.table.lines();
            let at_most = if late { Some(u8::MAX) } else { aim.at_most };
            let evicted = match at_most {
                None => self.evict_expired(op, &snapshot, now),
                Some(at_most) => self.evict_lowest(op, &snapshot, at_most, keep, now),
            };
            if evicted > 0 {
                self.aim_ahead(op, guard);
                return true;
            }
        }
        false
    }

    /// Unlinks all expired entries of a line in one step; the number of those.
    pub(crate) fn evict_expired(
        &self,
        op: &mut Operation<'_, V>,
        snapshot: &Snapshot<'_, V>,
        now: Time,
    ) -> usize {
        let expired = snapshot.slots_where(|entry| entry.get().is_expired(now));
        if expired == 0 {
            return 0;
        }
        op.writer.hand.curiosity = CURIOSITY;
        self.unlink(op, snapshot, expired, RemovalCause::EvictedExpired)
    }

    /// Unlinks the entry of a line that ranks lowest, if that is low enough; if it has expired, all
    /// others that have, too. The number of those unlinked.
    fn evict_lowest(
        &self,
        op: &mut Operation<'_, V>,
        snapshot: &Snapshot<'_, V>,
        at_most: u8,
        keep: Keep<'_>,
        now: Time,
    ) -> usize {
        // Only in its own line, so that the ids of others need not be looked at.
        let kept = if snapshot.index() == keep.place.index {
            snapshot.slots_where(|entry| entry.get().id() == keep.id)
        } else {
            0
        };
        let Some((slot, mark, rank)) = self.lowest(snapshot, kept) else {
            return 0;
        };
        if snapshot.entry(slot).get().is_expired(now) {
            return self.evict_expired(op, snapshot, now);
        }
        if rank > at_most {
            // A mark of a free slot has led here, or another thread's change.
            self.mark_free(snapshot.index(), !snapshot.occupied());
            return 0;
        }
        let reason = if mark.was_resumed() {
            RemovalCause::EvictedIdle
        } else {
            RemovalCause::EvictedUnused
        };
        self.unlink(op, snapshot, 1 << slot, reason)
    }

    /// The entry of a line that ranks lowest, but for those in `kept`.
    #[inline]
    fn lowest(&self, snapshot: &Snapshot<'_, V>, kept: u8) -> Option<(usize, Mark, u8)> {
        let (lap, marks) = (self.aging.lap(), self.table.marks(snapshot.index()));
        let ranked = slots_in(snapshot.occupied() & !kept).map(|slot| {
            let mark = marks.get(slot);
            (slot, mark, self.aging.rank(mark, lap))
        });
        ranked.min_by_key(|(_, _, rank)| *rank)
    }

    /// The slot that a full line gives up, and why.
    pub(crate) fn give_up(&self, snapshot: &Snapshot<'_, V>, now: Time) -> (usize, RemovalCause) {
        let slot = slots_in(snapshot.occupied())
            .min_by_key(|slot| self.worth(snapshot, *slot, now))
            .expect("a full line has entries");
        if snapshot.entry(slot).get().is_expired(now) {
            (slot, RemovalCause::EvictedExpired)
        } else {
            (slot, RemovalCause::EvictedLineFull)
        }
    }

    /// Expired entries are worth least, then those that rank low, then those nearest to their end.
    fn worth(&self, snapshot: &Snapshot<'_, V>, slot: usize, now: Time) -> (bool, u8, Time) {
        let entry = snapshot.entry(slot).get();
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
        let (mut lowest, mut oldest) = (u8::MAX, 0);
        for mark in self.table.marks(index).all() {
            lowest = lowest.min(self.aging.rank(mark, lap));
            oldest = oldest.max(mark.age(lap));
        }
        if oldest >= AGE_RENEWED {
            self.renew_marks(index, lap);
        }
        lowest
    }

    #[cold]
    fn renew_marks(&self, index: usize, lap: usize) {
        let marks = self.table.marks(index);
        for (slot, mark) in marks.all().enumerate() {
            if mark.age(lap) >= AGE_RENEWED {
                marks.set(slot, mark.at(lap.wrapping_sub(AGE_KEPT)));
            }
        }
    }

    /// Finds the lines that give up an entry in the operations to come. Brings the entry near that goes
    /// next, whose line is near by now, and the line after that.
    fn aim_ahead(&self, op: &mut Operation<'_, V>, guard: &Guard) {
        if cfg!(loom) {
            return;
        }
        if let Some(next) = op.writer.hand.then_at.take() {
            let snapshot = self.table.load(next.index, guard);
            if let Some((slot, ..)) = self.lowest(&snapshot, 0) {
                prefetch(snapshot.entry(slot).as_non_null().as_ptr());
            }
            op.writer.hand.aimed_at = Some(next);
        }
        let then = self.aim(op, &mut 0);
        self.table.prefetch_line(then.index);
        op.writer.hand.then_at = Some(then);
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
