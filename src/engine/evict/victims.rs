//! Which entry has to go when room is needed: a clock hand sweeps the table.
//!
//! The hand passes over the recency bytes of one line after another, without a look at lines or
//! entries, until it finds one whose rank (`rank.rs`) is at the threshold or below. Of that line
//! the entry goes that ranks lowest. So a flood of sessions that no client resumes feeds on itself:
//! the cache learns that such sessions are not found again.
//!
//! If that entry turns out to have expired, there are likely more: then all that has expired goes,
//! of its line and of those that follow, before anything that has not.

use crate::clock::Time;
use crate::engine::change::{Operation, RemovalCause};
use crate::engine::evict::clock_hand::VictimCandidate;
use crate::engine::evict::rank::LINES_PER_VICTIM;
use crate::engine::evict::recency::{AGES, Recency};
use crate::engine::line::{LineAddress, LineSnapshot, slots_in};
use crate::engine::prefetch::prefetch;
use crate::engine::reclaim::writers::WriterPin;
use crate::engine::state::Engine;
use crate::id::SessionId;

/// Lines with entries that the hand passes, none of them at the threshold, before it takes the
/// lowest that it has seen.
const PATIENCE: usize = 3 * LINES_PER_VICTIM;

/// Lines with entries that the hand looks into after it has met something expired.
const SCAN_BUDGET: usize = 16;

/// Recency of this age is renewed when the hand passes, as of `AGE_KEPT`: it must not grow so old
/// that it looks young again.
const AGE_RENEWED: u8 = AGES - 16;
const AGE_KEPT: usize = AGES as usize - 32;

/// The id that an eviction must leave alone, and where it is if it is in the table.
#[derive(Clone, Copy)]
pub(crate) struct ProtectedId<'a> {
    pub(crate) address: LineAddress,
    pub(crate) id: &'a SessionId,
}

impl<V> Engine<V> {
    /// Evicts at least one entry, but never the protected one.
    ///
    /// False when it found nothing to evict on three rounds.
    pub(crate) fn evict(
        &self,
        op: &mut Operation<'_, V>,
        pin: &WriterPin,
        protected: ProtectedId<'_>,
        now: Time,
    ) -> bool {
        let mut passed = 0;
        while passed < 3 * self.table.lines() {
            let hand = &mut op.writer.hand;
            let next = hand.next.take().or_else(|| hand.after_next.take());
            let candidate = next.unwrap_or_else(|| self.find_candidate(op, &mut passed));
            let snapshot = self.table.load(candidate.index, pin);
            // After a whole round, anything will do.
            let late = passed > self.table.lines();
            let at_most = if late {
                Some(u8::MAX)
            } else {
                candidate.at_most
            };
            let evicted = match at_most {
                None => self.evict_expired(op, &snapshot, now),
                Some(at_most) => self.evict_lowest(op, &snapshot, at_most, protected, now),
            };
            if evicted > 0 {
                self.look_ahead(op, pin);
                return true;
            }
        }
        false
    }

    /// Unlinks all expired entries of a line in one step; the number of those.
    pub(crate) fn evict_expired(
        &self,
        op: &mut Operation<'_, V>,
        snapshot: &LineSnapshot<'_, V>,
        now: Time,
    ) -> usize {
        let expired = snapshot.slots_where(|entry| entry.get().is_expired(now));
        if expired == 0 {
            return 0;
        }
        op.writer.hand.scan_budget = SCAN_BUDGET;
        self.unlink(op, snapshot, expired, RemovalCause::EvictedExpired)
    }

    /// Unlinks the entry of a line that ranks lowest, if that is low enough; if it has expired, all
    /// others that have, too. The number of those unlinked.
    fn evict_lowest(
        &self,
        op: &mut Operation<'_, V>,
        snapshot: &LineSnapshot<'_, V>,
        at_most: u8,
        protected: ProtectedId<'_>,
        now: Time,
    ) -> usize {
        // Only in its own line, so that the ids of others need not be looked at.
        let kept = if snapshot.index() == protected.address.index {
            snapshot.slots_where(|entry| entry.get().id() == protected.id)
        } else {
            0
        };
        let Some((slot, recency, rank)) = self.lowest(snapshot, kept) else {
            return 0;
        };
        if snapshot.entry(slot).get().is_expired(now) {
            return self.evict_expired(op, snapshot, now);
        }
        if rank > at_most {
            // The recency of a free slot has led here, or another thread's change.
            self.mark_free(snapshot.index(), !snapshot.occupied());
            return 0;
        }
        let cause = if recency.was_resumed() {
            RemovalCause::EvictedIdle
        } else {
            RemovalCause::EvictedUnused
        };
        self.unlink(op, snapshot, 1 << slot, cause)
    }

    /// The entries of a line, but for those in `kept`: slot, recency and rank.
    #[inline]
    fn ranked(
        &self,
        snapshot: &LineSnapshot<'_, V>,
        kept: u8,
    ) -> impl Iterator<Item = (usize, Recency, u8)> {
        let (tick, line) = (self.aging.tick(), self.table.recency(snapshot.index()));
        slots_in(snapshot.occupied() & !kept).map(move |slot| {
            let recency = line.get(slot);
            (slot, recency, self.aging.rank(recency, tick))
        })
    }

    /// The entry of a line that ranks lowest, but for those in `kept`.
    #[inline]
    fn lowest(&self, snapshot: &LineSnapshot<'_, V>, kept: u8) -> Option<(usize, Recency, u8)> {
        self.ranked(snapshot, kept).min_by_key(|(_, _, rank)| *rank)
    }

    /// The slot that a full line gives up, and why: expired entries first, then those that rank
    /// low, then those nearest to their end.
    pub(crate) fn victim_of_full_line(
        &self,
        snapshot: &LineSnapshot<'_, V>,
        now: Time,
    ) -> (usize, RemovalCause) {
        let worth = |(slot, _, rank): &(usize, Recency, u8)| {
            let entry = snapshot.entry(*slot).get();
            (!entry.is_expired(now), *rank, entry.expires_at())
        };
        let lowest = self.ranked(snapshot, 0).min_by_key(worth);
        let (slot, ..) = lowest.expect("a full line has entries");
        if snapshot.entry(slot).get().is_expired(now) {
            (slot, RemovalCause::EvictedExpired)
        } else {
            (slot, RemovalCause::EvictedLineFull)
        }
    }

    /// Moves the hand on to a line that is worth looking into. Counts those that it passes.
    fn find_candidate(&self, op: &mut Operation<'_, V>, passed: &mut usize) -> VictimCandidate {
        let (tick, threshold) = (self.aging.tick(), self.aging.threshold());
        // After a whole round, line by line: the lowest may be the one that must stay.
        let late = *passed >= self.table.lines();
        let patience = if late { 1 } else { PATIENCE };
        let candidate = |index, at_most| VictimCandidate { index, at_most };
        let (mut lowest, mut found) = (u8::MAX, None);
        let mut seen = 0;
        for _ in 0..self.table.lines() {
            let hand = &mut op.writer.hand;
            let index = hand.next_line(self.table.lines(), &self.hand);
            *passed += 1;
            // Under loom, every look at recency is a step to explore, and all entries are of one
            // age.
            if cfg!(loom) {
                return candidate(index, Some(u8::MAX));
            }
            if self.table.is_vacant(index) {
                continue;
            }
            if hand.scan_budget > 0 {
                hand.scan_budget -= 1;
                return candidate(index, None);
            }
            let rank = self.pass(index, tick);
            if rank <= threshold {
                return candidate(index, Some(threshold));
            }
            if rank < lowest || found.is_none() {
                (lowest, found) = (rank, Some(index));
            }
            seen += 1;
            if seen == patience {
                break;
            }
        }
        // Where there is none, the lines are empty, and any will do.
        candidate(found.unwrap_or(0), Some(lowest))
    }

    /// The lowest rank by the recency bytes of a line.
    #[inline]
    fn pass(&self, index: usize, tick: usize) -> u8 {
        let (mut lowest, mut oldest) = (u8::MAX, 0);
        for recency in self.table.recency(index).all() {
            lowest = lowest.min(self.aging.rank(recency, tick));
            oldest = oldest.max(recency.age(tick));
        }
        if oldest >= AGE_RENEWED {
            self.renew_recency(index, tick);
        }
        lowest
    }

    #[cold]
    fn renew_recency(&self, index: usize, tick: usize) {
        let line = self.table.recency(index);
        for (slot, recency) in line.all().enumerate() {
            if recency.age(tick) >= AGE_RENEWED {
                line.set(slot, recency.at(tick.wrapping_sub(AGE_KEPT)));
            }
        }
    }

    /// Finds the lines that give up an entry in the operations to come. Brings the entry near that
    /// goes next, whose line is near by now, and the line after that.
    fn look_ahead(&self, op: &mut Operation<'_, V>, pin: &WriterPin) {
        if cfg!(loom) {
            return;
        }
        if let Some(next) = op.writer.hand.after_next.take() {
            let snapshot = self.table.load(next.index, pin);
            if let Some((slot, ..)) = self.lowest(&snapshot, 0) {
                prefetch(snapshot.entry(slot).as_non_null().as_ptr());
            }
            op.writer.hand.next = Some(next);
        }
        let after_next = self.find_candidate(op, &mut 0);
        self.table.prefetch_line(after_next.index);
        op.writer.hand.after_next = Some(after_next);
    }
}
