//! Inserting: a new entry, one in place of another, or one in place of whoever is worth least.
#![allow(unsafe_code)]

use std::ptr::NonNull;

use crossbeam_epoch::Guard;

use crate::clock::Time;
use crate::engine::Engine;
use crate::engine::change::{Operation, RemovalCause};
use crate::engine::entry::{Entry, EntryRef, class_of, class_size};
use crate::engine::evict::recency::Mark;
use crate::engine::reclaim::readers::thread_number;
use crate::engine::reclaim::writers;
use crate::engine::table::{Change, Keep, Tagged, Want, slots_in};
use crate::error::Refused;
use crate::id::SessionId;
use crate::stats::Counter;
use crate::sync::{AtomicBool, Ordering};

/// What an insert did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Inserted,
    Replaced,
    /// Insert-if-absent found a live entry, and changed nothing.
    Present,
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

impl<V> Engine<V> {
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
        let place = self.table.place(new.hash);
        self.table.prefetch_place(place);
        let mut guard = writers::pin();
        if new.if_absent && self.contains(new.hash, new.id, now, &guard) {
            // The usual case, decided without writing the entry first.
            return Ok(Outcome::Present);
        }
        if self.is_held_back() {
            self.relieve(&mut guard);
            if self.is_held_back() {
                return Err(Refused::ReclamationHeldBack);
            }
        }
        let mut op = self.begin(thread);
        self.table.prefetch_line(place.index);
        let entry = op
            .writer
            .write_entry(class, *new.id, new.expires_at, value, new.encoded);
        let outcome = self.place(&mut op, &guard, new, entry, now);
        if outcome == Outcome::Present {
            // SAFETY: that is the one case in which `place` does not publish the entry.
            unsafe { op.writer.discard_entry(entry) };
        }
        op.writer.step(&guard, &self.retired, &self.pool.lines);
        Ok(outcome)
    }

    /// Brings a finished entry into the table.
    fn place(
        &self,
        op: &mut Operation<'_, V>,
        guard: &Guard,
        new: New<'_>,
        entry: NonNull<Entry<V>>,
        now: Time,
    ) -> Outcome {
        // SAFETY: `entry` is ours alone until it is published, and `guard` protects it after that.
        let fresh = unsafe { EntryRef::new(entry) }.get();
        let place = self.table.place(new.hash);
        let tagged = Tagged::new(entry, place);
        // Entries and bytes that room was made for.
        let mut room = (0, 0);
        // Lock-free: an exchange fails only because another thread's has succeeded.
        loop {
            let snapshot = self.table.load(place.index, guard);
            let found = snapshot.find(place, new.id, Want::Header);
            let occupied = snapshot.occupied();
            // Who makes way, where, and why; nobody while the line has a free slot.
            let (slot, leaving) = match found {
                Some(slot) if snapshot.entry(slot).get().is_expired(now) => {
                    (slot, Some(RemovalCause::EvictedExpired))
                }
                Some(_) if new.if_absent => return Outcome::Present,
                Some(slot) => (slot, None),
                None if occupied == u8::MAX => {
                    let (slot, reason) = self.give_up(&snapshot, now);
                    (slot, Some(reason))
                }
                None => (occupied.trailing_ones() as usize, None),
            };
            let old = snapshot.get(slot);
            let freed = old.map_or(0, |old| old.get().bytes());
            let need = (
                usize::from(old.is_none()),
                fresh.bytes().saturating_sub(freed),
            );
            if need.0 > room.0 || need.1 > room.1 {
                // Look again after that: it may have taken from this very line. (The exchange would
                // fail then, and bring us back here with a line written for nothing.)
                self.make_room(op, guard, need, Keep { place, id: new.id }, now);
                room = (room.0.max(need.0), room.1.max(need.1));
                continue;
            }
            if !self.exchange(op, &snapshot, Change::Put(slot, tagged)) {
                continue;
            }
            self.mark(place.index, slot, found.is_some(), !occupied);
            op.came(fresh.bytes());
            if let Some(old) = old {
                self.retire(op, old);
            }
            match leaving {
                None if old.is_some() => return Outcome::Replaced,
                None => {}
                Some(reason) => self.counters.add(op.thread, reason.counter(), 1),
            }
            let hand = &mut op.writer.hand;
            let claimed = hand.claimed.start;
            self.aging
                .count_insert(&mut hand.inserts, &self.table, claimed, guard);
            return Outcome::Inserted;
        }
    }

    /// Marks an entry that was put into a slot. One whose id is in use already inherits that. `free` are
    /// the slots that were.
    fn mark(&self, index: usize, slot: usize, in_use: bool, free: u8) {
        let (lap, marks) = (self.aging.lap(), self.table.marks(index));
        let mark = if in_use {
            marks.get(slot).at(lap)
        } else {
            Mark::unused(lap)
        };
        marks.set(slot, mark);
        self.mark_free(index, free & !(1 << slot));
    }

    /// Marks the free slots of a line as young, so that the hand does not take what was there for an old
    /// entry.
    pub(crate) fn mark_free(&self, index: usize, free: u8) {
        // Under loom no entry ages.
        if !cfg!(loom) {
            let (lap, marks) = (self.aging.lap(), self.table.marks(index));
            slots_in(free).for_each(|slot| marks.set(slot, Mark::unused(lap)));
        }
    }

    /// Evicts until so much more fits, or until there is nothing to evict: then others have evicted
    /// it, and not counted that yet. So entries and bytes can overshoot, by those of one entry for
    /// each writer at work.
    fn make_room(
        &self,
        op: &mut Operation<'_, V>,
        guard: &Guard,
        (entries, bytes): (usize, usize),
        keep: Keep<'_>,
        now: Time,
    ) {
        while op.entries() + entries > self.limits.entries || op.bytes() > self.limits.bytes - bytes
        {
            if !self.evict(op, guard, keep, now) {
                return;
            }
        }
    }

    /// Whether what waits for its grace period has reached its bound.
    fn is_held_back(&self) -> bool {
        self.retired.objects() >= self.limits.retired
            || self.retired.bytes() >= self.limits.retired_bytes
    }

    /// At the bound: lets whoever holds a grace period back run, if it is only waiting for a
    /// processor, and reclaims, one thread for all.
    fn relieve(&self, guard: &mut Guard) {
        guard.repin_after(std::thread::yield_now);
        // Acquire and Release: only to keep the work in between. A thread that is frozen in there
        // is pinned, and holds everything back anyway. Not a swap: whoever loses has nothing to write.
        if self
            .relieving
            .compare_exchange(false, true, Ordering::Acquire, Ordering::Relaxed)
            .is_ok()
        {
            let _done = Relieving(&self.relieving);
            self.reclaim_all(guard);
        }
    }
}

/// Lets the next thread reclaim for all, also after a panic in a value's destructor.
struct Relieving<'a>(&'a AtomicBool);

impl Drop for Relieving<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}
