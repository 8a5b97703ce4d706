//! Inserting: a new entry, one in place of another, or one in place of the entry that ranks lowest.

use crate::clock::Time;
use crate::counters::Counter;
use crate::engine::change::{Operation, RemovalCause};
use crate::engine::entry::{Entry, Unpublished, counted_value_bytes};
use crate::engine::evict::recency::Recency;
use crate::engine::evict::victims::ProtectedId;
use crate::engine::line::{LineAddress, PrefetchHint, slots_in};
use crate::engine::memory_block::{class_of, class_size};
use crate::engine::reclaim::readers::thread_number;
use crate::engine::reclaim::writers::{self, WriterPin};
use crate::engine::state::Engine;
use crate::error::Refused;
use crate::id::SessionId;
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
        let value_bytes = (self.value_bytes)(&value, len);
        if class_size(class) + counted_value_bytes(value_bytes) > self.limits.bytes {
            return Err(Refused::OverBudget);
        }
        let address = self.table.address(new.hash);
        self.table.prefetch_cell(address);
        let mut pin = writers::pin();
        if new.if_absent && self.contains(new.hash, new.id, now, &pin) {
            // The usual case, decided without writing the entry first.
            return Ok(Outcome::Present);
        }
        if self.is_held_back() {
            self.relieve(&mut pin);
            if self.is_held_back() {
                return Err(Refused::ReclamationHeldBack);
            }
        }
        let mut op = self.begin(thread);
        self.table.prefetch_line(address.index);
        let memory = &mut op.writer.memory;
        let (id, expires_at) = (*new.id, new.expires_at);
        let entry = memory.write_entry(class, id, expires_at, value, value_bytes, new.encoded);
        let outcome = self.place(&mut op, &pin, new, address, entry, now);
        self.step(&mut op, &pin);
        Ok(outcome)
    }

    /// Brings a finished entry into the table.
    fn place(
        &self,
        op: &mut Operation<'_, V>,
        pin: &WriterPin,
        new: New<'_>,
        address: LineAddress,
        mut fresh: Unpublished<V>,
        now: Time,
    ) -> Outcome {
        let id = new.id;
        // Entries and bytes that room was made for.
        let mut room = (0, 0);
        // Lock-free: an exchange fails only because another thread's has succeeded.
        loop {
            let snapshot = self.table.load(address.index, pin);
            let found = snapshot.find(address, id, PrefetchHint::Header);
            let occupied = snapshot.occupied();
            // The slot whose entry makes way, and why; none does while the line has a free slot.
            let (slot, evicted) = match found {
                Some(slot) if snapshot.entry(slot).get().is_expired(now) => {
                    (slot, Some(RemovalCause::EvictedExpired))
                }
                Some(_) if new.if_absent => {
                    op.writer.memory.discard_entry(fresh);
                    return Outcome::Present;
                }
                Some(slot) => (slot, None),
                None if occupied == u8::MAX => {
                    let (slot, cause) = self.victim_of_full_line(&snapshot, now);
                    (slot, Some(cause))
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
                self.make_room(op, pin, need, ProtectedId { address, id }, now);
                room = (room.0.max(need.0), room.1.max(need.1));
                continue;
            }
            if let Err(entry) = self.put(op, &snapshot, slot, fresh, address) {
                fresh = entry;
                continue;
            }
            self.mark(address.index, slot, found.is_some(), !occupied);
            match evicted {
                None if old.is_some() => return Outcome::Replaced,
                None => {}
                Some(cause) => self.counters.add(op.thread, cause.counter(), 1),
            }
            self.aging
                .count_insert(&mut op.writer.hand, &self.table, pin);
            return Outcome::Inserted;
        }
    }

    /// Sets the recency of an entry that was put into a slot. One whose id is in use already
    /// inherits that. `free` are the slots that were.
    fn mark(&self, index: usize, slot: usize, in_use: bool, free: u8) {
        let (tick, line) = (self.aging.tick(), self.table.recency(index));
        let recency = if in_use {
            line.get(slot).at(tick)
        } else {
            Recency::unused(tick)
        };
        line.set(slot, recency);
        self.mark_free(index, free & !(1 << slot));
    }

    /// Makes the free slots of a line look young, so that the clock hand does not take what was
    /// there for an old entry.
    pub(crate) fn mark_free(&self, index: usize, free: u8) {
        // Under loom no entry ages.
        if !cfg!(loom) {
            let (tick, line) = (self.aging.tick(), self.table.recency(index));
            slots_in(free).for_each(|slot| line.set(slot, Recency::unused(tick)));
        }
    }

    /// Evicts until so much more fits, or until there is nothing to evict: then other threads have
    /// evicted it, and not counted that yet. So entries and bytes can overshoot, by those of one
    /// entry for each writer at work.
    fn make_room(
        &self,
        op: &mut Operation<'_, V>,
        pin: &WriterPin,
        (entries, bytes): (usize, usize),
        protected: ProtectedId<'_>,
        now: Time,
    ) {
        while op.gauges.entries() + entries > self.limits.entries
            || op.gauges.bytes() > self.limits.bytes - bytes
        {
            if !self.evict(op, pin, protected, now) {
                return;
            }
        }
    }

    /// Whether what waits for its grace period has reached its bound.
    fn is_held_back(&self) -> bool {
        self.retired.objects() >= self.limits.retired
            || self.retired.bytes() >= self.limits.retired_bytes
    }

    /// At the bound: lets a thread that holds a grace period back run, if it is only waiting for a
    /// processor, and reclaims, one thread for all.
    fn relieve(&self, pin: &mut WriterPin) {
        pin.repin_after(std::thread::yield_now);
        // Acquire and Release: only to keep the work in between. A thread that is frozen in there
        // is pinned, and holds everything back anyway. Not a swap: a thread that loses has nothing
        // to write.
        if self
            .relieving
            .compare_exchange(false, true, Ordering::Acquire, Ordering::Relaxed)
            .is_ok()
        {
            let _done = Relieving(&self.relieving);
            self.reclaim_all(pin);
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
