//! Which entry has to go when room is needed: a clock hand sweeps the table.
//!
//! The hand passes over one line after another, with a look at slots and recency bytes but not at
//! entries, until it finds an entry that is old enough for its kind (`rank.rs`). So a flood of
//! sessions that no client resumes feeds on itself: the cache learns that such sessions are not
//! found again.
//!
//! If that entry turns out to have expired, there are likely more: then all that has expired goes,
//! of its line and of those that follow, before anything that has not.

use crate::clock::Time;
use crate::engine::change::{Operation, RemovalCause};
use crate::engine::entry::State;
use crate::engine::evict::clock_hand::VictimCandidate;
use crate::engine::evict::rank::LINES_PER_VICTIM;
use crate::engine::line::{Line, Occupant};
use crate::engine::prefetch::prefetch;
use crate::engine::reclaim::pin::Pin;
use crate::engine::state::Engine;
use crate::id::SessionId;

/// Lines with entries that the hand passes, none of them old enough, before it takes the entry that
/// ranks lowest in the next few. As many again while none of those is nearly old enough: where most
/// sessions are in use, all those of a few lines may be.
const PATIENCE: usize = 3 * LINES_PER_VICTIM;

/// Lines that the hand looks into after it has met something expired.
const SCAN_BUDGET: usize = 16;

/// Searches of the whole table, after a round of the hand that has found nothing to evict: other
/// threads may have evicted what one search finds.
const SEARCHES: usize = 3;

/// The id that an eviction must leave alone, and the line where it is if it is in the table.
#[derive(Clone, Copy)]
pub(crate) struct ProtectedId<'a> {
    pub(crate) index: usize,
    pub(crate) id: &'a SessionId,
}

impl ProtectedId<'_> {
    /// Whether this is the protected entry. In other lines, ids need not be looked at.
    #[inline]
    fn is<V>(&self, index: usize, occupant: &Occupant<'_, V>) -> bool {
        index == self.index && occupant.entry.get().id() == self.id
    }
}

impl<V> Engine<V> {
    /// Evicts at least one entry, but never the protected one.
    ///
    /// False when it found nothing to evict in the whole table.
    pub(crate) fn evict(
        &self,
        op: &mut Operation<'_, V>,
        pin: &Pin,
        protected: ProtectedId<'_>,
        now: Time,
    ) -> bool {
        let lines = self.table.lines();
        let mut passed = 0;
        let mut searches = 0..SEARCHES;
        loop {
            let next = op.writer.hand.next.take();
            let found = if passed < lines {
                next.or_else(|| self.find_candidate(op, &mut passed, pin))
            } else if searches.next().is_some() {
                // After a whole round, any will do that need not stay.
                self.find_lowest(0..lines, Some(protected), pin)
            } else {
                return false;
            };
            if found.is_some_and(|found| self.evict_candidate(op, found, pin, protected, now)) {
                self.look_ahead(op, pin);
                return true;
            }
        }
    }

    /// Unlinks all expired entries of a line; the number of those.
    pub(crate) fn evict_expired(
        &self,
        op: &mut Operation<'_, V>,
        line: &Line<V>,
        pin: &Pin,
        now: Time,
    ) -> usize {
        let expired = |occupant: &Occupant<'_, V>| occupant.entry.get().is_expired(now);
        let evicted = self.unlink_where(op, line, pin, RemovalCause::EvictedExpired, expired);
        if evicted > 0 {
            op.writer.hand.scan_budget = SCAN_BUDGET;
        }
        evicted
    }

    /// Moves the hand on until it has unlinked something expired, by a few lines at the most.
    /// Whether it has.
    pub(crate) fn evict_some_expired(
        &self,
        op: &mut Operation<'_, V>,
        pin: &Pin,
        now: Time,
    ) -> bool {
        let lines = self.table.lines();
        (0..SCAN_BUDGET.min(lines)).any(|_| {
            let index = op.writer.hand.next_line(lines, &self.hand);
            self.evict_expired(op, self.table.line(index), pin, now) > 0
        })
    }

    /// Unlinks an entry, if it is still there; if it has expired, all others of its line that have,
    /// too. Whether it unlinked any.
    fn evict_candidate(
        &self,
        op: &mut Operation<'_, V>,
        candidate: VictimCandidate,
        pin: &Pin,
        protected: ProtectedId<'_>,
        now: Time,
    ) -> bool {
        let line = self.table.line(candidate.index);
        let Some((slot, recency)) = candidate.slot else {
            return self.evict_expired(op, line, pin, now) > 0;
        };
        let Some(victim) = line.load(slot, pin) else {
            return false;
        };
        // Found by a lookup since, or another entry by now.
        let is_another = line.recency.get(slot) != recency;
        if is_another || protected.is(candidate.index, &victim) {
            return false;
        }
        let entry = victim.entry.get();
        if self.decided(line, victim, pin) == State::Live && entry.is_expired(now) {
            return self.evict_expired(op, line, pin, now) > 0;
        }
        let cause = if recency.was_resumed() {
            RemovalCause::EvictedIdle
        } else {
            RemovalCause::EvictedUnused
        };
        self.unlink(op, line, victim, cause)
    }

    /// The entry that a full line gives up, and why, unless a slot is free by now or `id` live:
    /// dead ones first, for no reason that counts, then expired ones, those that rank low, those
    /// nearest to their end.
    pub(crate) fn victim_of_full_line<'g>(
        &'g self,
        line: &'g Line<V>,
        id: &SessionId,
        pin: &'g Pin,
        now: Time,
    ) -> Option<(Occupant<'g, V>, Option<RemovalCause>)> {
        if line.free_slot().is_some() {
            return None;
        }
        let tick = self.aging.tick();
        let mut lowest = None;
        for victim in line.occupants(pin) {
            let entry = victim.entry.get();
            let live = self.decided(line, victim, pin) == State::Live;
            // Another thread has inserted it since. A dead one may go, or its owner would stop this
            // thread.
            if live && entry.id() == id {
                return None;
            }
            let rank = self.aging.rank(line.recency.get(victim.slot), tick);
            let worth = (live, !entry.is_expired(now), rank, entry.expires_at());
            if lowest.is_none_or(|(lowest, _)| worth < lowest) {
                lowest = Some((worth, victim));
            }
        }
        let ((live, in_time, ..), victim) = lowest?;
        let cause = match (live, in_time) {
            (true, false) => Some(RemovalCause::EvictedExpired),
            (true, true) => Some(RemovalCause::EvictedLineFull),
            (false, _) => None,
        };
        Some((victim, cause))
    }

    /// Moves the hand on to an entry that is worth evicting, by one round at the most. Counts the
    /// lines that it passes.
    #[inline]
    fn find_candidate(
        &self,
        op: &mut Operation<'_, V>,
        passed: &mut usize,
        pin: &Pin,
    ) -> Option<VictimCandidate> {
        let lines = self.table.lines();
        let (hand, old) = (&mut op.writer.hand, self.aging.old());
        let mut seen = 0;
        for _ in 0..lines {
            let index = hand.next_line(lines, &self.hand);
            *passed += 1;
            if hand.scan_budget > 0 {
                hand.scan_budget -= 1;
                return Some(VictimCandidate { index, slot: None });
            }
            let line = self.table.line(index);
            let occupied = line.occupied();
            if occupied == 0 {
                continue;
            }
            let victims = old.slots(&line.recency) & occupied;
            if victims != 0 {
                let slot = victims.trailing_zeros() as usize / 8;
                let slot = Some((slot, line.recency.get(slot)));
                return Some(VictimCandidate { index, slot });
            }
            seen += 1;
            if seen >= PATIENCE {
                let next = std::iter::from_fn(|| Some(hand.next_line(lines, &self.hand)));
                let few = LINES_PER_VICTIM.min(lines);
                *passed += few;
                let lowest = self.find_lowest(next.take(few), None, pin);
                let slot = lowest.and_then(|lowest| lowest.slot);
                let will_do = slot.is_some_and(|(_, recency)| self.aging.is_nearly_old(recency));
                if will_do || seen == 2 * PATIENCE {
                    return lowest;
                }
            }
        }
        None
    }

    /// The entry that ranks lowest in some lines.
    #[cold]
    fn find_lowest(
        &self,
        lines: impl Iterator<Item = usize>,
        protected: Option<ProtectedId<'_>>,
        pin: &Pin,
    ) -> Option<VictimCandidate> {
        let tick = self.aging.tick();
        let mut lowest: Option<(u8, VictimCandidate)> = None;
        for index in lines {
            let line = self.table.line(index);
            for occupant in line.occupants(pin) {
                let recency = line.recency.get(occupant.slot);
                let rank = self.aging.rank(recency, tick);
                let may_go = !protected.is_some_and(|id| id.is(index, &occupant));
                if may_go && lowest.is_none_or(|(lowest, _)| rank < lowest) {
                    let slot = Some((occupant.slot, recency));
                    lowest = Some((rank, VictimCandidate { index, slot }));
                }
            }
        }
        lowest.map(|(_, candidate)| candidate)
    }

    /// Finds the entry that is evicted next, and brings it near.
    fn look_ahead(&self, op: &mut Operation<'_, V>, pin: &Pin) {
        if cfg!(loom) {
            return;
        }
        let next = self.find_candidate(op, &mut 0, pin);
        let victim = next.and_then(|next| self.table.line(next.index).load(next.slot?.0, pin));
        if let Some(victim) = victim {
            prefetch(victim.entry.as_non_null().as_ptr());
        }
        op.writer.hand.next = next;
    }
}
