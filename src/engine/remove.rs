//! Removing: one entry, all of them, those that have expired; and reclaiming what has left.

use crate::clock::Time;
use crate::engine::change::RemovalCause;
use crate::engine::entry::EntryRef;
use crate::engine::evict::recency::Recency;
use crate::engine::line::PrefetchHint;
use crate::engine::reclaim::protection::Protection;
use crate::engine::reclaim::readers::thread_number;
use crate::engine::reclaim::writers::{self, WriterPin};
use crate::engine::state::Engine;
use crate::id::SessionId;

/// How often one call helps grace periods on; see [`Engine::reclaim_all`]. Few under loom: each
/// time is a thousand steps to explore.
const ROUNDS: usize = if cfg!(loom) { 3 } else { 6 };

impl<V> Engine<V> {
    /// Unlinks the live entry under an id and returns it; an expired one is evicted.
    ///
    /// The entry stays valid for as long as the protection does.
    pub(crate) fn remove<'g>(
        &'g self,
        hash: u64,
        id: &SessionId,
        now: Time,
        cause: RemovalCause,
        protection: &'g impl Protection,
    ) -> Option<(EntryRef<'g, V>, Recency)> {
        let address = self.table.address(hash);
        let hint = PrefetchHint::Header;
        self.table.find(address, id, hint, protection)?;
        let mut op = self.begin(thread_number());
        // Lock-free, as in `place`.
        let removed = loop {
            let snapshot = self.table.load(address.index, protection);
            let Some(slot) = snapshot.find(address, id, hint) else {
                break None;
            };
            let entry = snapshot.entry(slot);
            let live = !entry.get().is_expired(now);
            let cause = if live {
                cause
            } else {
                RemovalCause::EvictedExpired
            };
            let recency = self.table.recency(address.index).get(slot);
            if self.unlink(&mut op, &snapshot, 1 << slot, cause) > 0 {
                if cause == RemovalCause::Taken {
                    self.learn_use(recency, op.thread);
                }
                break live.then_some((entry, recency));
            }
        };
        self.step(&mut op, &writers::pin());
        removed
    }

    /// Unlinks every entry, line by line; the number of those.
    pub(crate) fn clear(&self) -> usize {
        let mut removed = 0;
        for index in 0..self.table.lines() {
            // A short pin for each line, so that grace periods pass meanwhile.
            let pin = writers::pin();
            let mut op = self.begin(thread_number());
            loop {
                let snapshot = self.table.load(index, &pin);
                let unlinked = self.unlink(&mut op, &snapshot, u8::MAX, RemovalCause::Removed);
                if unlinked > 0 || snapshot.is_empty() {
                    removed += unlinked;
                    break;
                }
            }
            self.step(&mut op, &pin);
        }
        self.reclaim_all(&mut writers::pin());
        removed
    }

    /// Sweeps expired entries out of the next `lines` lines, and reclaims what can be reclaimed.
    pub(crate) fn maintain(&self, lines: usize, now: Time) -> usize {
        let lines = lines.min(self.table.lines());
        let start = self.maintained.advance(lines);
        let mut evicted = 0;
        for i in 0..lines {
            let pin = writers::pin();
            let index = start.wrapping_add(i) % self.table.lines();
            let snapshot = self.table.load(index, &pin);
            if !snapshot.is_empty() {
                let mut op = self.begin(thread_number());
                evicted += self.evict_expired(&mut op, &snapshot, now);
                self.step(&mut op, &pin);
            }
        }
        self.reclaim_all(&mut writers::pin());
        evicted
    }

    /// Reclaims all that no thread can reach any more, from the memory of every writer.
    ///
    /// A grace period takes two advances of crossbeam's epoch, and one advances at most once for
    /// each time that we repin; one round more seals what was open, another collects it.
    pub(crate) fn reclaim_all(&self, pin: &mut WriterPin) {
        for _ in 0..ROUNDS {
            let mut again = false;
            self.pool.for_each_idle(|writer| {
                let memory = &mut writer.memory;
                again |= memory.step_eagerly(pin, &self.retired, &self.pool.lines);
            });
            if !again {
                return;
            }
            pin.repin();
        }
    }
}
