//! Lookups, and the steps that changes are made of: each takes effect at one load or one successful
//! exchange of a line's pointer.
#![allow(unsafe_code)]

use crate::clock::Time;
use crate::engine::entry::EntryRef;
use crate::engine::evict::recency::Mark;
use crate::engine::prefetch::prefetch_all;
use crate::engine::reclaim::pool::WriterLease;
use crate::engine::reclaim::readers::Pin;
use crate::engine::table::{Change, Protection, Snapshot, Want, slots_in};
use crate::engine::{Engine, Gauges};
use crate::id::SessionId;
use crate::stats::Counter;

/// Why entries left the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RemovalCause {
    Removed,
    Taken,
    EvictedExpired,
    EvictedUnused,
    EvictedIdle,
    EvictedLineFull,
}

/// One writing operation: the writer that it has to itself, and who counts.
pub(crate) struct Operation<'e, V> {
    pub(crate) writer: WriterLease<'e, V>,
    pub(crate) thread: usize,
    gauges: &'e Gauges,
    /// Entries and bytes that came (or, wrapping, left) in this operation, not yet in the gauges:
    /// an insert that evicts changes nothing in the end, so it need not write what all share.
    entries: usize,
    bytes: usize,
}

impl<V> Operation<'_, V> {
    pub(crate) fn came(&mut self, bytes: usize) {
        self.entries = self.entries.wrapping_add(1);
        self.bytes = self.bytes.wrapping_add(bytes);
    }

    fn left(&mut self, bytes: usize) {
        self.entries = self.entries.wrapping_sub(1);
        self.bytes = self.bytes.wrapping_sub(bytes);
        if (self.entries as isize) < -1 {
            // Others must not take for occupied what this thread has emptied, should it be
            // preempted now.
            self.report();
        }
    }

    fn report(&mut self) {
        self.gauges.entries.add(std::mem::take(&mut self.entries));
        self.gauges.bytes.add(std::mem::take(&mut self.bytes));
    }

    /// Entries in the table, this operation's own included.
    pub(crate) fn entries(&self) -> usize {
        self.gauges.entries.plus(self.entries)
    }

    /// Bytes of those.
    pub(crate) fn bytes(&self) -> usize {
        self.gauges.bytes.plus(self.bytes)
    }
}

impl<V> Drop for Operation<'_, V> {
    fn drop(&mut self) {
        self.report();
    }
}

impl<V> Engine<V> {
    /// Looks up a live entry that `accept` does not refuse, and counts.
    #[inline]
    pub(crate) fn get<'g>(
        &self,
        hash: u64,
        id: &SessionId,
        now: Time,
        want: Want,
        accept: impl FnOnce(&V) -> bool,
        pin: &'g Pin,
    ) -> Option<EntryRef<'g, V>> {
        let place = self.table.place(hash);
        let found = self.table.find(place, id, want, pin);
        let (counter, live) = match found {
            None => (Counter::Misses, None),
            Some(found) if found.entry.get().is_expired(now) || !accept(found.entry.value()) => {
                (Counter::Expired, None)
            }
            Some(found) => {
                self.touch(place.index, found.slot, pin.thread());
                (Counter::Hits, Some(found.entry))
            }
        };
        self.counters.add(pin.thread(), counter, 1);
        live
    }

    /// Marks an entry as used. Writes only when that changes something, so that a popular session's
    /// cache line stays shared.
    #[inline]
    fn touch(&self, index: usize, slot: usize, thread: usize) {
        let marks = self.table.marks(index);
        if let Some(now) = self.learn_use(marks.get(slot), thread) {
            marks.set(slot, now);
        }
    }

    /// Learns that an entry with this mark was found or taken. Its mark now, if that is another.
    #[inline]
    pub(crate) fn learn_use(&self, mark: Mark, thread: usize) -> Option<Mark> {
        let lap = self.aging.lap();
        let now = Mark::resumed(lap);
        (mark != now).then(|| {
            self.aging.learn_hit(thread, mark, lap);
            now
        })
    }

    /// Whether there is a live entry. Leaves no trace.
    pub(crate) fn contains(
        &self,
        hash: u64,
        id: &SessionId,
        now: Time,
        guard: &impl Protection,
    ) -> bool {
        let place = self.table.place(hash);
        let found = self.table.find(place, id, Want::Header, guard);
        found.is_some_and(|found| !found.entry.get().is_expired(now))
    }

    pub(crate) fn lines(&self) -> usize {
        self.table.lines()
    }

    /// The entries of one line with their marks, expired ones included, at one moment.
    pub(crate) fn line<'g>(
        &'g self,
        index: usize,
        pin: &'g Pin,
    ) -> impl Iterator<Item = (EntryRef<'g, V>, Mark)> + use<'g, V>
    where
        V: 'g,
    {
        let snapshot = self.table.load(index, pin);
        let mark = move |slot| self.table.marks(index).get(slot);
        slots_in(snapshot.occupied()).map(move |slot| (snapshot.entry(slot), mark(slot)))
    }

    pub(crate) fn begin(&self, thread: usize) -> Operation<'_, V> {
        Operation {
            writer: self.pool.check_out(thread),
            thread,
            gauges: &self.gauges,
            entries: 0,
            bytes: 0,
        }
    }

    /// Unlinks the entries of a line whose slots' bits are set in `leaving`, in one step. Returns
    /// their number: zero when another thread has changed the line meanwhile.
    pub(crate) fn unlink(
        &self,
        op: &mut Operation<'_, V>,
        snapshot: &Snapshot<'_, V>,
        leaving: u8,
        reason: RemovalCause,
    ) -> usize {
        if !self.exchange(op, snapshot, Change::Drop(leaving)) {
            return 0;
        }
        let mut unlinked = 0;
        for slot in slots_in(leaving & snapshot.occupied()) {
            self.retire(op, snapshot.entry(slot));
            unlinked += 1;
        }
        self.counters.add(op.thread, reason.counter(), unlinked);
        unlinked as usize
    }

    /// Publishes a line in place of the one that `snapshot` saw, and retires that. All or nothing.
    #[inline]
    pub(crate) fn exchange(
        &self,
        op: &mut Operation<'_, V>,
        snapshot: &Snapshot<'_, V>,
        change: Change<V>,
    ) -> bool {
        // Of a line that loses all its entries, nothing is left.
        let line = match change {
            Change::Drop(leaving) if snapshot.occupied() & !leaving == 0 => None,
            _ => Some(op.writer.write_line(snapshot, &change, &self.pool.lines)),
        };
        if self.table.publish(snapshot, line) {
            op.writer.retire_line(snapshot, &self.retired);
            return true;
        }
        if let Some(line) = line {
            // SAFETY: written above, and the exchange has failed.
            unsafe { op.writer.discard_line(line) };
        }
        false
    }

    /// Takes an entry that this thread has just unlinked.
    pub(crate) fn retire(&self, op: &mut Operation<'_, V>, entry: EntryRef<'_, V>) {
        let bytes = entry.get().bytes();
        op.left(bytes);
        // It will be wiped when its grace period is over, a few dozen operations from now.
        prefetch_all(entry.as_non_null().as_ptr(), bytes);
        op.writer
            .retire_entry(entry.as_non_null(), bytes, &self.retired);
    }
}

impl RemovalCause {
    pub(crate) fn counter(self) -> Counter {
        match self {
            Self::Removed => Counter::Removed,
            Self::Taken => Counter::Taken,
            Self::EvictedExpired => Counter::EvictedExpired,
            Self::EvictedUnused => Counter::EvictedUnused,
            Self::EvictedIdle => Counter::EvictedIdle,
            Self::EvictedLineFull => Counter::EvictedLineFull,
        }
    }
}
