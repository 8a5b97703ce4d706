//! Removing: one entry, all of them, those that have expired; and reclaiming what has left.

use crate::clock::Time;
use crate::engine::change::{Operation, RemovalCause};
use crate::engine::entry::{EntryRef, State};
use crate::engine::evict::recency::Recency;
use crate::engine::line::{Line, Occupant, PrefetchHint};
use crate::engine::reclaim::pin::Pin;
use crate::engine::state::Engine;
use crate::id::SessionId;

/// How often one call reclaims: the first time seals what was open, the second reclaims that.
const ROUNDS: usize = 2;

impl<V> Engine<V> {
    /// Unlinks the live entry under an id and returns it; an expired one is evicted.
    ///
    /// The entry stays valid for as long as the pin does.
    pub(crate) fn remove<'g>(
        &'g self,
        hash: u64,
        id: &SessionId,
        now: Time,
        cause: RemovalCause,
        pin: &'g Pin,
    ) -> Option<(EntryRef<'g, V>, Recency)> {
        let address = self.table.address(hash);
        let line = self.table.line(address.index);
        let find = || line.find(address, id, PrefetchHint::Header, pin);
        let mut found = find()?;
        let mut op = self.begin(pin.thread());
        // Lock-free: an exchange fails only because another thread's has succeeded.
        let removed = loop {
            let live = !found.entry.get().is_expired(now);
            let cause = if live {
                cause
            } else {
                RemovalCause::EvictedExpired
            };
            let recency = line.recency.get(found.slot);
            if self.unlink(&mut op, line, found, cause) {
                if cause == RemovalCause::Taken {
                    self.learn_use(recency, op.thread);
                }
                break live.then_some((found.entry, recency));
            }
            match find() {
                Some(another) => found = another,
                None => break None,
            }
        };
        self.step(&mut op);
        removed
    }

    /// Unlinks every entry, line by line; the number of those.
    pub(crate) fn clear(&self) -> usize {
        let removed = self.for_each_line(0, self.table.lines(), |op, line, pin| {
            self.unlink_where(op, line, pin, RemovalCause::Removed, |_| true)
        });
        self.reclaim_all();
        removed
    }

    /// Sweeps expired entries out of the next `lines` lines, reclaims what can be reclaimed, and
    /// frees what was only needed in a burst.
    pub(crate) fn maintain(&self, lines: usize, now: Time) -> usize {
        let lines = lines.min(self.table.lines());
        let start = self.maintained.advance(lines);
        let evicted = self.for_each_line(start, lines, |op, line, pin| {
            self.evict_expired(op, line, pin, now)
        });
        self.reclaim_all();
        self.pool.for_each_idle(|writer| writer.memory.trim());
        evicted
    }

    /// Calls `f` with some lines that have entries, and sums up what it returns. Pins for each line
    /// anew, so that grace periods pass meanwhile.
    fn for_each_line(
        &self,
        start: usize,
        lines: usize,
        f: impl Fn(&mut Operation<'_, V>, &Line<V>, &Pin) -> usize,
    ) -> usize {
        let indexes = (0..lines).map(|i| start.wrapping_add(i) % self.table.lines());
        let lines = indexes.map(|index| self.table.line(index));
        let occupied = lines.filter(|line| line.occupied() != 0);
        occupied
            .map(|line| {
                let pin = Pin::new();
                let mut op = self.begin(pin.thread());
                let sum = f(&mut op, line, &pin);
                self.step(&mut op);
                sum
            })
            .sum()
    }

    /// Unlinks the live entries of a line that `picks` picks, one by one, and those that are dead;
    /// the number of the first.
    pub(crate) fn unlink_where(
        &self,
        op: &mut Operation<'_, V>,
        line: &Line<V>,
        pin: &Pin,
        cause: RemovalCause,
        picks: impl Fn(&Occupant<'_, V>) -> bool,
    ) -> usize {
        let mut unlinked = 0;
        for occupant in line.occupants(pin) {
            let live = self.decided(line, occupant, pin) == State::Live;
            if !live || picks(&occupant) {
                let done = self.unlink(op, line, occupant, cause);
                unlinked += usize::from(done && live);
            }
        }
        unlinked
    }

    /// Reclaims all that no thread can reach any more, from the memory of every writer. While the
    /// calling thread is pinned, what was unlinked since stays. Of threads that do this at the same
    /// time, each takes the writers that the others are not at.
    pub(crate) fn reclaim_all(&self) {
        for _ in 0..ROUNDS {
            let mut again = false;
            self.pool.for_each_idle(|writer| {
                again |= writer.memory.step_eagerly(&self.retired);
            });
            if !again {
                return;
            }
        }
    }
}
