//! The operations: each takes effect at one load or one successful exchange of a line's pointer.
#![allow(unsafe_code)]

use std::ptr::NonNull;

use crossbeam_epoch::Guard;

use super::entry::{Entry, EntryRef, class_of, class_size};
use super::pool::Checkout;
use super::prefetch::prefetch_all;
use super::readers::{Pin, thread_number};
use super::sweep::give_up;
use super::table::{Change, Protection, Snapshot, Tagged, WIDTH};
use super::{Engine, Gauges, writers};
use crate::clock::Time;
use crate::error::Refused;
use crate::id::SessionId;
use crate::stats::Counter;

/// What an insert did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Inserted,
    Replaced,
    /// Insert-if-absent found a live entry, and changed nothing.
    Present,
}

/// Why entries left the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gone {
    Removed,
    Taken,
    EvictedExpired,
    EvictedUnused,
    EvictedIdle,
    EvictedLineFull,
}

/// What is to be inserted.
#[derive(Clone, Copy)]
pub(crate) struct New<'a> {
    pub(crate) hash: u64,
    pub(crate) id: &'a SessionId,
    pub(crate) encoded: &'a [u8],
    pub(crate) expires_at: Time,
    /// Leave a live entry under the same id alone.
    pub(crate) if_absent: bool,
}

/// One writing operation: the writer that it has to itself, and who counts.
pub(super) struct Operation<'e, V> {
    pub(super) writer: Checkout<'e, V>,
    thread: usize,
    gauges: &'e Gauges,
    /// Entries and bytes that came (or, wrapping, left) in this operation, not yet in the gauges:
    /// an insert that evicts changes nothing in the end, so it need not write what all share.
    entries: usize,
    bytes: usize,
}

impl<V> Operation<'_, V> {
    fn came(&mut self, bytes: usize) {
        self.entries = self.entries.wrapping_add(1);
        self.bytes = self.bytes.wrapping_add(bytes);
    }

    fn left(&mut self, bytes: usize) {
        self.entries = self.entries.wrapping_sub(1);
        self.bytes = self.bytes.wrapping_sub(bytes);
    }

    /// Entries in the table, this operation's own included.
    fn entries(&self) -> usize {
        self.gauges.entries.plus(self.entries)
    }

    /// Bytes of those.
    fn bytes(&self) -> usize {
        self.gauges.bytes.plus(self.bytes)
    }
}

impl<V> Drop for Operation<'_, V> {
    fn drop(&mut self) {
        self.gauges.entries.add(self.entries);
        self.gauges.bytes.add(self.bytes);
    }
}

impl<V> Engine<V> {
    /// Looks up a live entry, and counts.
    #[inline]
    pub(crate) fn get<'g>(
        &self,
        hash: u64,
        id: &SessionId,
        now: Time,
        pin: &'g Pin,
    ) -> Option<EntryRef<'g, V>> {
        let found = self.table.find(self.table.place(hash), id, pin);
        let (counter, live) = match found {
            None => (Counter::Misses, None),
            Some(entry) if entry.get().is_expired(now) => (Counter::Expired, None),
            Some(entry) => {
                entry.get().touch();
                (Counter::Hits, Some(entry))
            }
        };
        self.counters.add(pin.thread(), counter, 1);
        live
    }

    /// Inserts, replaces, or leaves alone. A value that is not kept is dropped.
    pub(crate) fn insert(&self, new: New<'_>, value: V, now: Time) -> Result<Outcome, Refused> {
        let thread = thread_number();
        let result = self.try_insert(thread, new, value, now);
        let counter = match result {
            Ok(Outcome::Inserted) => Counter::Inserts,
            Ok(Outcome::Replaced) => Counter::Replaced,
            Ok(Outcome::Present) => return result,
            Err(Refused::TooLarge { .. }) => Counter::RefusedTooLarge,
            Err(Refused::OverBudget) => Counter::RefusedOverBudget,
            Err(Refused::ReclamationHeldBack) => Counter::RefusedReclamation,
        };
        self.counters.add(thread, counter, 1);
        result
    }

    fn try_insert(
        &self,
        thread: usize,
        new: New<'_>,
        value: V,
        now: Time,
    ) -> Result<Outcome, Refused> {
        let (len, limit) = (new.encoded.len(), self.limits.encoded_len);
        if len > limit {
            return Err(Refused::TooLarge { len, limit });
        }
        let class = class_of(Entry::<V>::HEADER + len);
        if class_size(class) > self.limits.bytes {
            return Err(Refused::OverBudget);
        }
        let mut guard = writers::pin();
        if new.if_absent && self.has_live(new, now, &guard) {
            // The usual case, decided without writing the entry first.
            return Ok(Outcome::Present);
        }
        if self.retired.objects() >= self.limits.retired {
            self.reclaim_all(&mut guard);
            if self.retired.objects() >= self.limits.retired {
                return Err(Refused::ReclamationHeldBack);
            }
        }
        let mut op = self.begin(thread);
        self.table.prefetch_line(self.table.place(new.hash).index);
        let entry = op
            .writer
            .write_entry(*new.id, new.expires_at, value, new.encoded);
        let result = self.place(&mut op, &guard, new, entry, now);
        if !matches!(result, Ok(Outcome::Inserted | Outcome::Replaced)) {
            // SAFETY: `place` publishes the entry in the two cases above only.
            unsafe { op.writer.discard_entry(entry) };
        }
        op.writer.step(&guard, &self.retired, &self.lines);
        result
    }

    fn has_live(&self, new: New<'_>, now: Time, guard: &Guard) -> bool {
        let found = self.table.find(self.table.place(new.hash), new.id, guard);
        found.is_some_and(|entry| !entry.get().is_expired(now))
    }

    /// Brings a finished entry into the table.
    fn place(
        &self,
        op: &mut Operation<'_, V>,
        guard: &Guard,
        new: New<'_>,
        entry: NonNull<Entry<V>>,
        now: Time,
    ) -> Result<Outcome, Refused> {
        // SAFETY: `entry` is ours alone until it is published, and `guard` protects it after that.
        let fresh = unsafe { EntryRef::new(entry) }.get();
        let place = self.table.place(new.hash);
        let tagged = Tagged::new(entry, place);
        // Entries and bytes that room was made for.
        let mut room = (0, 0);
        // Lock-free: an exchange fails only because another thread's has succeeded.
        loop {
            let snapshot = self.table.load(place.index, guard);
            let found = snapshot.find(place, new.id);
            // Who makes way, where, and why; nobody while the line has a free slot.
            let (slot, leaving) = match found {
                Some(slot) if snapshot.entry(slot).get().is_expired(now) => {
                    (slot, Some(Gone::EvictedExpired))
                }
                Some(_) if new.if_absent => return Ok(Outcome::Present),
                Some(slot) => (slot, None),
                None if snapshot.len() == WIDTH => {
                    let (slot, reason) = give_up(&snapshot, now);
                    (slot, Some(reason))
                }
                None => (snapshot.len(), None),
            };
            let old = (slot < snapshot.len()).then(|| snapshot.entry(slot));
            let freed = old.map_or(0, |old| old.get().bytes());
            let need = (
                usize::from(old.is_none()),
                fresh.bytes().saturating_sub(freed),
            );
            if need.0 > room.0 || need.1 > room.1 {
                // Look again after that: it may have taken from this very line.
                self.make_room(op, guard, need, new.id, now)?;
                room = (room.0.max(need.0), room.1.max(need.1));
                continue;
            }
            if found.is_some() {
                // The id is in use: the new entry inherits its standing with the hand.
                fresh.set_mark(snapshot.entry(slot).get().mark());
            }
            if !self.exchange(op, &snapshot, Change::Put(slot, tagged)) {
                continue;
            }
            op.came(fresh.bytes());
            if let Some(old) = old {
                self.retire(op, old);
            }
            let Some(reason) = leaving else {
                return Ok(if old.is_some() {
                    Outcome::Replaced
                } else {
                    Outcome::Inserted
                });
            };
            self.counters.add(op.thread, reason.counter(), 1);
            return Ok(Outcome::Inserted);
        }
    }

    /// Evicts until so much more fits.
    ///
    /// Where others have evicted everything and their gauges are still behind, entries may overshoot
    /// (by one for each writer at work); bytes are refused.
    fn make_room(
        &self,
        op: &mut Operation<'_, V>,
        guard: &Guard,
        (entries, bytes): (usize, usize),
        keep: &SessionId,
        now: Time,
    ) -> Result<(), Refused> {
        loop {
            let too_many = op.entries() + entries > self.limits.entries;
            let too_much = op.bytes() > self.limits.bytes - bytes;
            if !too_many && !too_much {
                return Ok(());
            }
            if !self.evict(op, guard, keep, now) {
                return if too_much {
                    Err(Refused::OverBudget)
                } else {
                    Ok(())
                };
            }
        }
    }

    /// Unlinks the live entry under an id and returns it; an expired one is evicted.
    ///
    /// The entry stays valid for as long as the protection does.
    pub(crate) fn remove<'g>(
        &self,
        hash: u64,
        id: &SessionId,
        now: Time,
        reason: Removal,
        protection: &'g impl Protection,
    ) -> Option<EntryRef<'g, V>> {
        let place = self.table.place(hash);
        self.table.find(place, id, protection)?;
        let mut op = self.begin(thread_number());
        // Lock-free, as in `place`.
        let removed = loop {
            let snapshot = self.table.load(place.index, protection);
            let Some(slot) = snapshot.find(place, id) else {
                break None;
            };
            let entry = snapshot.entry(slot);
            let live = !entry.get().is_expired(now);
            let reason = if live {
                reason.gone()
            } else {
                Gone::EvictedExpired
            };
            if self.unlink(&mut op, &snapshot, 1 << slot, reason) > 0 {
                break live.then_some(entry);
            }
        };
        op.writer.step(&writers::pin(), &self.retired, &self.lines);
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
                if snapshot.is_empty() {
                    break;
                }
                removed += self.unlink(&mut op, &snapshot, u8::MAX, Gone::Removed);
            }
            op.writer.step(&guard, &self.retired, &self.lines);
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
                op.writer.step(&guard, &self.retired, &self.lines);
            }
        }
        self.reclaim_all(&mut writers::pin());
        evicted
    }

    pub(crate) fn lines(&self) -> usize {
        self.table.lines()
    }

    /// The entries of one line, expired ones included, at one moment.
    pub(crate) fn line<'g>(
        &self,
        index: usize,
        pin: &'g Pin,
    ) -> impl Iterator<Item = EntryRef<'g, V>> + use<'g, V>
    where
        V: 'g,
    {
        let snapshot = self.table.load(index, pin);
        (0..snapshot.len()).map(move |slot| snapshot.entry(slot))
    }

    fn begin(&self, thread: usize) -> Operation<'_, V> {
        Operation {
            writer: self.pool.check_out(thread),
            thread,
            gauges: &self.gauges,
            entries: 0,
            bytes: 0,
        }
    }

    /// Reclaims all that nobody can reach any more, whichever writer keeps it.
    ///
    /// A grace period takes two advances of crossbeam's epoch, and one advances at most once for
    /// each time that we repin; one round more seals what was open, another collects it.
    fn reclaim_all(&self, guard: &mut Guard) {
        for _ in 0..6 {
            let mut again = false;
            self.pool.for_each_idle(|writer| {
                again |= writer.step_eagerly(guard, &self.retired, &self.lines);
            });
            if !again {
                return;
            }
            guard.repin();
        }
    }

    /// Unlinks the entries of a line whose slots' bits are set in `leaving`, in one step. Returns
    /// their number: zero when another thread has changed the line meanwhile.
    pub(super) fn unlink(
        &self,
        op: &mut Operation<'_, V>,
        snapshot: &Snapshot<'_, V>,
        leaving: u8,
        reason: Gone,
    ) -> usize {
        if !self.exchange(op, snapshot, Change::Drop(leaving)) {
            return 0;
        }
        let mut unlinked = 0;
        for slot in (0..snapshot.len()).filter(|slot| leaving & (1 << slot) != 0) {
            self.retire(op, snapshot.entry(slot));
            unlinked += 1;
        }
        self.counters.add(op.thread, reason.counter(), unlinked);
        unlinked as usize
    }

    /// Publishes a line in place of the one that `snapshot` saw, and retires that. All or nothing.
    #[inline]
    fn exchange(
        &self,
        op: &mut Operation<'_, V>,
        snapshot: &Snapshot<'_, V>,
        change: Change<V>,
    ) -> bool {
        // Of a line that loses all its entries, nothing is left.
        let line = match change {
            Change::Drop(leaving) if leaving.trailing_ones() as usize >= snapshot.len() => None,
            _ => Some(op.writer.write_line(snapshot, &change, &self.lines)),
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
    fn retire(&self, op: &mut Operation<'_, V>, entry: EntryRef<'_, V>) {
        let bytes = entry.get().bytes();
        op.left(bytes);
        // It will be wiped when its grace period is over, a few dozen operations from now.
        prefetch_all(entry.as_non_null().as_ptr(), bytes);
        op.writer
            .retire_entry(entry.as_non_null(), bytes, &self.retired);
    }
}

/// Who asked for an entry to leave.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Removal {
    Remove,
    Take,
}

impl Removal {
    fn gone(self) -> Gone {
        match self {
            Self::Remove => Gone::Removed,
            Self::Take => Gone::Taken,
        }
    }
}

impl Gone {
    fn counter(self) -> Counter {
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
