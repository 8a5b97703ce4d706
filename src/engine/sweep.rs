//! Who has to go when room is needed: a hand that sweeps the table, with a second chance.
//!
//! The hand looks at one line at a time. What has expired goes first; else the entry that nobody
//! ever resumed and that is nearest to its end. Only where some lines in a row have neither, those
//! that *were* resumed are asked: one that was not resumed again since the hand's last visit goes,
//! the others lose their second chance. So a flood of sessions that nobody resumes feeds on itself:
//! the hand keeps finding its entries first, and never gets to the ones that are in use.

use crossbeam_epoch::Guard;

use super::Engine;
use super::entry::{EntryRef, Mark};
use super::ops::{Gone, Operation};
use super::table::{Snapshot, WIDTH};
use crate::clock::Time;
use crate::id::SessionId;

/// Lines with entries, none of them expired or unused, that the hand passes before it turns to
/// entries that were resumed. Small under loom, like the next two: each look is a step to explore.
const PATIENCE: usize = if cfg!(loom) { 1 } else { 16 };

/// Lines that it visits then before it throws out even one with a second chance left.
const LAST_RESORT: usize = PATIENCE + if cfg!(loom) { 1 } else { 16 };

/// Lines that a writer claims at a time.
const STRIDE: usize = if cfg!(loom) { 1 } else { 16 };

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
        let mut seen = 0;
        let lines = self.table.lines();
        for step in 0..3 * lines {
            // A whole round counts as patience, too: in a sparse table there is little to be seen.
            let patient = seen < PATIENCE && step < lines;
            let last_resort = seen >= LAST_RESORT || step >= 2 * lines;
            let index = self.next_under_hand(op, guard);
            let snapshot = self.table.load(index, guard);
            if snapshot.is_empty() {
                continue;
            }
            if self.evict_expired(op, &snapshot, now) > 0 {
                return true;
            }
            let Some((slot, mark)) = least_worth(&snapshot, keep, now) else {
                continue;
            };
            let reason = match mark {
                Mark::Unused => Gone::EvictedUnused,
                Mark::Idle if !patient => Gone::EvictedIdle,
                Mark::Recent if last_resort => Gone::EvictedIdle,
                _ => {
                    if !patient {
                        spend_second_chances(&snapshot);
                    }
                    seen += 1;
                    continue;
                }
            };
            if self.unlink(op, &snapshot, 1 << slot, reason) > 0 {
                return true;
            }
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

    /// The hand is one for all, but each writer claims some lines at a time, so that they do not
    /// contend for it. And since it is known where the hand goes next, what it will look at is
    /// brought near meanwhile: the entries of the next line, and the line after that.
    fn next_under_hand(&self, op: &mut Operation<'_, V>, guard: &Guard) -> usize {
        let lines = self.table.lines();
        let next = op.writer.hand.next().unwrap_or_else(|| {
            // Within the table, so that no sum below can overflow.
            let start = self.hand.advance(STRIDE) % lines;
            op.writer.hand = start + 1..start + STRIDE;
            start
        });
        self.table.prefetch_line((next + 2) % lines);
        self.table
            .load((next + 1) % lines, guard)
            .prefetch_entries();
        next % lines
    }
}

/// The slot that a full line gives up, and why.
pub(super) fn give_up<V>(snapshot: &Snapshot<'_, V>, now: Time) -> (usize, Gone) {
    debug_assert_eq!(snapshot.len(), WIDTH);
    let slot = (0..WIDTH)
        .min_by_key(|slot| worth(snapshot.entry(*slot), now))
        .expect("a line has slots");
    if snapshot.entry(slot).get().is_expired(now) {
        (slot, Gone::EvictedExpired)
    } else {
        (slot, Gone::EvictedLineFull)
    }
}

/// Expired entries are worth least, then the never resumed, then those nearest to their end.
fn worth<V>(entry: EntryRef<'_, V>, now: Time) -> (bool, Mark, Time) {
    let entry = entry.get();
    (!entry.is_expired(now), entry.mark(), entry.expires_at())
}

fn least_worth<V>(
    snapshot: &Snapshot<'_, V>,
    keep: &SessionId,
    now: Time,
) -> Option<(usize, Mark)> {
    let candidates = (0..snapshot.len()).filter(|slot| snapshot.entry(*slot).get().id() != keep);
    let slot = candidates.min_by_key(|slot| worth(snapshot.entry(*slot), now))?;
    Some((slot, snapshot.entry(slot).get().mark()))
}

fn spend_second_chances<V>(snapshot: &Snapshot<'_, V>) {
    for entry in snapshot.entries() {
        if entry.get().mark() == Mark::Recent {
            entry.get().set_mark(Mark::Idle);
        }
    }
}
