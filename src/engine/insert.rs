//! Inserting: a new entry, one in place of another, or one in place of the entry that ranks lowest.
#![allow(unsafe_code)]

use crate::clock::Time;
use crate::counters::Counter;
use crate::engine::change::{Operation, RemovalCause};
use crate::engine::entry::{Entry, MAX_VALUE_BYTES, Parts, State, Unpublished};
use crate::engine::evict::recency::Recency;
use crate::engine::evict::victims::ProtectedId;
use crate::engine::line::{Line, LineAddress, Occupant};
use crate::engine::memory_block::class_size;
use crate::engine::reclaim::pin::{Pin, thread_number};
use crate::engine::state::{Engine, WhenFull};
use crate::error::Refused;
use crate::id::SessionId;

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
    pub(crate) parts: Parts<'a>,
    /// Leave a live entry under the same id alone.
    pub(crate) if_absent: bool,
}

impl<V> Engine<V> {
    /// Inserts, replaces, or leaves alone. A value that is not kept is dropped.
    pub(crate) fn insert(&self, new: New<'_>, value: V, now: Time) -> Result<Outcome, Refused> {
        let result = self.try_insert(new, value, now);
        let counter = match result {
            Ok(_) => return result,
            Err(Refused::TooLarge { .. }) => Counter::RefusedTooLarge,
            Err(Refused::OverBudget) => Counter::RefusedOverBudget,
            Err(Refused::ReclamationHeldBack) => Counter::RefusedReclamation,
            Err(Refused::Full) => Counter::RefusedFull,
        };
        self.counters.add(thread_number(), counter, 1);
        result
    }

    fn try_insert(&self, new: New<'_>, value: V, now: Time) -> Result<Outcome, Refused> {
        let (len, limit) = (new.parts.encoded_len(), self.limits.encoded_len);
        if len > limit {
            return Err(Refused::TooLarge { len, limit });
        }
        let value_bytes = (self.value_bytes)(&value, len).min(MAX_VALUE_BYTES);
        if class_size(Entry::<V>::class(len)) + value_bytes > self.limits.bytes {
            return Err(Refused::OverBudget);
        }
        let address = self.table.address(new.hash);
        self.table.prefetch(address.index);
        let mut pin = Pin::new();
        if new.if_absent && self.contains(new.hash, new.parts.id, now, &pin) {
            // The usual case, decided without writing the entry first.
            return Ok(Outcome::Present);
        }
        if self.is_held_back() {
            drop(pin);
            // Lets a thread that holds a grace period back run, if it only waits for a processor.
            std::thread::yield_now();
            self.reclaim_all();
            if self.is_held_back() {
                return Err(Refused::ReclamationHeldBack);
            }
            pin = Pin::new();
        }
        let mut op = self.begin(pin.thread());
        let entry = op.writer.memory.write_entry(new.parts, value, value_bytes);
        let outcome = self.place(&mut op, &pin, new, address, entry, now);
        // Before values are dropped, which may panic.
        match outcome {
            Ok(Outcome::Inserted) => self.counters.add(op.thread, Counter::Inserts, 1),
            Ok(Outcome::Replaced) => self.counters.add(op.thread, Counter::Replaced, 1),
            Ok(Outcome::Present) | Err(_) => {}
        }
        self.step(&mut op);
        outcome
    }

    /// Brings a finished entry into the table.
    ///
    /// Lock-free: what it does comes to nothing only because another thread has changed a slot or
    /// made an entry of this id live.
    fn place(
        &self,
        op: &mut Operation<'_, V>,
        pin: &Pin,
        new: New<'_>,
        address: LineAddress,
        mut fresh: Unpublished<V>,
        now: Time,
    ) -> Result<Outcome, Refused> {
        let line = self.table.line(address.index);
        // Entries and bytes that room was made for.
        let mut room = (0, 0);
        loop {
            let found = self.find_decided(line, address, new.parts.id, pin);
            let expired = found.is_some_and(|found| found.entry.get().is_expired(now));
            if found.is_some() && !expired && new.if_absent {
                op.writer.memory.discard_entry(fresh);
                return Ok(Outcome::Present);
            }
            // The entry that makes way, and why; none does while the line has a free slot.
            let (slot, old, cause) = match found {
                Some(found) if expired => {
                    (found.slot, Some(found), Some(RemovalCause::EvictedExpired))
                }
                Some(found) => (found.slot, Some(found), None),
                None => match line.free_slot() {
                    Some(slot) => (slot, None, None),
                    None => match self.victim_of_full_line(line, new.parts.id, pin, now) {
                        Some((_, Some(RemovalCause::EvictedLineFull)))
                            if self.refuses_when_full() =>
                        {
                            op.writer.memory.discard_entry(fresh);
                            return Err(Refused::Full);
                        }
                        Some((victim, cause)) => (victim.slot, Some(victim), cause),
                        None => continue,
                    },
                },
            };
            let freed = old.map_or(0, |old| old.entry.get().bytes());
            let need = (
                usize::from(old.is_none()),
                fresh.bytes().saturating_sub(freed),
            );
            if need.0 > room.0 || need.1 > room.1 {
                // Look again after that: it may have taken from this very line.
                let protected = ProtectedId {
                    index: address.index,
                    id: new.parts.id,
                };
                if !self.make_room(op, pin, need, protected, now) {
                    op.writer.memory.discard_entry(fresh);
                    return Err(Refused::Full);
                }
                room = (room.0.max(need.0), room.1.max(need.1));
                continue;
            }
            fresh.set_state(match found {
                Some(_) => State::Live,
                None => State::Undecided,
            });
            self.set_recency(line, slot, found.is_some());
            let own = match self.put(op, line, (slot, old), (fresh, address), pin) {
                Ok(own) => own,
                Err(entry) => {
                    fresh = entry;
                    continue;
                }
            };
            if let Some(cause) = cause {
                self.counters.add(op.thread, cause.counter(), 1);
            }
            if found.is_none() {
                if self.decided(line, own, pin) == State::Dead {
                    fresh = self.take_back(op, line, new.parts, own);
                    continue;
                }
            } else if !expired {
                return Ok(Outcome::Replaced);
            }
            let hand = &mut op.writer.hand;
            self.aging.count_insert(hand, &self.table, pin);
            return Ok(Outcome::Inserted);
        }
    }

    /// The live entry of an id. Entries of it that are undecided are decided first.
    #[inline]
    fn find_decided<'g>(
        &'g self,
        line: &'g Line<V>,
        address: LineAddress,
        id: &SessionId,
        pin: &'g Pin,
    ) -> Option<Occupant<'g, V>> {
        line.with_tag(address.tag(), pin).find(|occupant| {
            occupant.entry.get().id() == id && self.decided(line, *occupant, pin) == State::Live
        })
    }

    /// Unlinks an entry of this thread's that was found dead, and writes it anew.
    #[cold]
    fn take_back(
        &self,
        op: &mut Operation<'_, V>,
        line: &Line<V>,
        parts: Parts<'_>,
        dead: Occupant<'_, V>,
    ) -> Unpublished<V> {
        let value_bytes = dead.entry.get().value_bytes();
        // SAFETY: published by this thread, dead, and not looked at again.
        let value = unsafe { dead.entry.take_value() };
        // Where it is gone already, another thread has needed the slot.
        self.unlink(op, line, dead, RemovalCause::EvictedLineFull);
        op.writer.memory.write_entry(parts, value, value_bytes)
    }

    /// Sets the recency of an entry that is about to be put into a slot: the clock hand must not
    /// take it for as old as what was there. One whose id is in use already inherits that.
    #[inline]
    fn set_recency(&self, line: &Line<V>, slot: usize, in_use: bool) {
        let tick = self.aging.tick();
        let recency = if in_use {
            line.recency.get(slot).at(tick)
        } else {
            Recency::unused(tick)
        };
        line.recency.set(slot, recency);
    }

    /// Evicts until that many entries and bytes more fit, or until there is nothing to evict: then
    /// other threads have evicted it, and not counted that yet. So entries and bytes can overshoot,
    /// by those of one entry for each writer at work.
    ///
    /// Whether the insert may go on: a cache that refuses when it is full only lets go of what has
    /// expired, as far as it meets some within a few lines.
    fn make_room(
        &self,
        op: &mut Operation<'_, V>,
        pin: &Pin,
        (entries, bytes): (usize, usize),
        protected: ProtectedId<'_>,
        now: Time,
    ) -> bool {
        while op.gauges.entries() + entries > self.limits.entries
            || op.gauges.bytes() > self.limits.bytes - bytes
        {
            if self.refuses_when_full() {
                if !self.evict_some_expired(op, pin, now) {
                    return false;
                }
            } else if !self.evict(op, pin, protected, now) {
                return true;
            }
        }
        true
    }

    fn refuses_when_full(&self) -> bool {
        self.limits.when_full == WhenFull::Refuses
    }

    /// Whether what waits for its grace period has reached its bound.
    fn is_held_back(&self) -> bool {
        self.retired.entries() >= self.limits.retired
            || self.retired.bytes() >= self.limits.retired_bytes
    }
}
