//! Removing: one entry, all of them, those that have expired; and reclaiming what has left.

use crossbeam_epoch::Guard;

use crate::clock::Time;
use crate::engine::Engine;
use crate::engine::change::RemovalCause;
use crate::engine::entry::EntryRef;
use crate::engine::evict::recency::Mark;
use crate::engine::reclaim::readers::thread_number;
use crate::engine::reclaim::writers;
use crate::engine::table::{Protection, Want};
use crate::id::SessionId;

/// How often one call helps grace periods on; see [`Engine::reclaim_all`]. Few under loom: each
/// time is a thousand steps to explore.
const ROUNDS: usize = if cfg!(loom) { 3 } else { 6 };

impl<V> Engine<V> {
    /// Unlinks the live entry under an id and returns it; an expired one is evicted.
    ///
    /// The entry stays valid for as long as the protection does.
    pub(crate) fn remove<'g>(
        &self,
        hash: u64,
        id: &SessionId,
        now: Time,
        reason: RemovalCause,
        protection: &'g impl Protection,
    ) -> Option<(EntryRef<'g, V>, Mark)> {
        let place = self.table.place(hash);
        self.table.find(place, id, Want::Header, protection)?;
        let mut op = self.begin(thread_number());
        // Lock-free, as in `place`.
        let removed = loop {
            let snapshot = self.table.load(place.index, protection);
            let Some(slot) = snapshot.find(place, id, Want::Header) else {
                break None;
            };
            let entry = snapshot.entry(slot);
            let live = !entry.get().is_expired(now);
            let reason = if live {
                reason
            } else {
                RemovalCause::EvictedExpired
            };
            let mark = self.table.marks(place.index).get(slot);
            if self.unlink(&mut op, &snapshot, 1 << slot, reason) > 0 {
                if reason == RemovalCause::Taken {
                    self.learn_use(mark, op.thread);
                }
                break live.then_some((entry, mark));
            }
        };
        op.writer
            .step(&writers::pin(), &self.retired, &self.pool.lines);
        removed
    }

    /// Unlinks every entry, line by line; the number of those.
    pub(crate) fn clear(&self) -> usize {
        let mut removed = 0;
        for index in 0..self.table.lines() {
            // A short pin for each line, so that grace periods pass meanwhile.
            let guard = writers::pin();
            let mut op = self.begin(thread_number());
            loop {
                let snapshot = self.table.load(index, &guard);
                let unlinked = self.unlink(&mut op, &snapshot, u8::MAX, RemovalCause::Removed);
                if unlinked > 0 || snapshot.is_empty() {
                    removed += unlinked;
                    break;
                }
            }
            op.writer.step(&guard, &self.retired, &self.pool.lines);
        }
        self.reclaim_all(&mut writers::pin());
        removed
    }

    /// Sweeps expired entries out of the next `lines` lines, and reclaims whatever can be.
    pub(crate) fn maintain(&self, lines: usize, now: Time) -> usize {
        let lines = lines.min(self.table.lines());
        let start = self.maintained.advance(lines);
        let mut evicted = 0;
        for i in 0..lines {
            let guard = writers::pin();
            let index = start.wrapping_add(i) % self.table.lines();
            let snapshot = self.table.load(index, &guard);
            if !snapshot.is_empty() {
                let mut op = self.begin(thread_number());
                evicted += self.evict_expired(&mut op, &snapshot, now);
                op.writer.step(&guard, &self.retired, &self.pool.lines);
            }
        }
        self.reclaim_all(&mut writers::pin());
        evicted
    }

    /// Reclaims all that nobody can reach any more, whichever writer keeps it.
    ///
    /// A grace period takes two advances of crossbeam's epoch, and one advances at most once for
    /// each time that we repin; one round more seals what was open, another collects it.
    pub(crate) fn reclaim_all(&self, guard: &mut Guard) {
        for _ in 0..ROUNDS {
            let mut again = false;
            self.pool.for_each_idle(|writer| {
                again |= writer.step_eagerly(guard, &self.retired, &self.pool.lines);
            });
            if !again {
                return;
            }
            guard.repin();
        }
    }
}
