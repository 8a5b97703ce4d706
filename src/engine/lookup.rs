//! Lookups: each takes effect at one load of a slot.

use crate::clock::Time;
use crate::counters::Counter;
use crate::engine::entry::{EntryRef, State};
use crate::engine::evict::recency::Recency;
use crate::engine::line::{Line, PrefetchHint};
use crate::engine::reclaim::pin::Pin;
use crate::engine::state::Engine;
use crate::id::SessionId;

impl<V> Engine<V> {
    /// Looks up a live entry that `accept` does not refuse, and counts.
    #[inline]
    pub(crate) fn get<'g>(
        &'g self,
        hash: u64,
        id: &SessionId,
        now: Time,
        hint: PrefetchHint,
        accept: impl FnOnce(EntryRef<'g, V>) -> bool,
        pin: &'g Pin,
    ) -> Option<EntryRef<'g, V>> {
        let address = self.table.address(hash);
        let line = self.table.line(address.index);
        let found = line.find(address, id, hint, pin);
        let (counter, live) = match found {
            None => (Counter::Misses, None),
            Some(found) if found.entry.get().is_expired(now) || !accept(found.entry) => {
                (Counter::Expired, None)
            }
            Some(found) => {
                self.touch(line, found.slot, pin.thread());
                (Counter::Hits, Some(found.entry))
            }
        };
        self.counters.add(pin.thread(), counter, 1);
        live
    }

    /// Marks an entry as used. Writes only when that changes something, so that a popular session's
    /// cache line stays shared.
    #[inline]
    fn touch(&self, line: &Line<V>, slot: usize, thread: usize) {
        if let Some(now) = self.learn_use(line.recency.get(slot), thread) {
            line.recency.set(slot, now);
        }
    }

    /// Learns that an entry was found or taken. Its recency now, if that is another.
    #[inline]
    pub(crate) fn learn_use(&self, recency: Recency, thread: usize) -> Option<Recency> {
        let tick = self.aging.tick();
        let now = Recency::resumed(tick);
        (recency != now).then(|| {
            self.aging.learn_hit(thread, recency, tick);
            now
        })
    }

    /// Whether there is a live entry. Leaves no trace.
    pub(crate) fn contains(&self, hash: u64, id: &SessionId, now: Time, pin: &Pin) -> bool {
        self.peek(hash, id, now, pin).is_some()
    }

    /// The live entry, if there is one. Leaves no trace.
    pub(crate) fn peek<'g>(
        &'g self,
        hash: u64,
        id: &SessionId,
        now: Time,
        pin: &'g Pin,
    ) -> Option<EntryRef<'g, V>> {
        let address = self.table.address(hash);
        let line = self.table.line(address.index);
        let found = line.find(address, id, PrefetchHint::Header, pin);
        let entry = found?.entry;
        (!entry.get().is_expired(now)).then_some(entry)
    }

    /// The entries of one line with their recency, expired ones included, slot by slot.
    pub(crate) fn entries_of_line<'g>(
        &'g self,
        index: usize,
        pin: &'g Pin,
    ) -> impl Iterator<Item = (EntryRef<'g, V>, Recency)> + use<'g, V>
    where
        V: 'g,
    {
        let line = self.table.line(index);
        line.occupants(pin)
            .filter(|occupant| occupant.entry.get().state() == State::Live)
            .map(|occupant| (occupant.entry, line.recency.get(occupant.slot)))
    }
}
