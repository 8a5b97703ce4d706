//! The steps that changes are made of: each takes effect at one successful exchange, of a slot or
//! of an entry's state.
#![allow(unsafe_code)]

use crate::counters::Counter;
use crate::engine::entry::{State, Unpublished};
use crate::engine::gauges::GaugeDelta;
use crate::engine::line::{Line, LineAddress, Occupant, Tagged};
use crate::engine::reclaim::pin::Pin;
use crate::engine::reclaim::pool::WriterLease;
use crate::engine::state::Engine;
#[cfg(loom)]
use crate::sync::{Ordering, fence};

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

/// One writing operation.
pub(crate) struct Operation<'e, V> {
    pub(crate) writer: WriterLease<'e, V>,
    /// The number of the thread, in whose shard the operation counts.
    pub(crate) thread: usize,
    pub(crate) gauges: GaugeDelta<'e>,
}

impl<V> Engine<V> {
    pub(crate) fn begin(&self, thread: usize) -> Operation<'_, V> {
        Operation {
            writer: self.pool.lease(thread),
            thread,
            gauges: GaugeDelta::new(&self.gauges),
        }
    }

    /// Ends an operation's use of its writer: reclaims what has waited long enough.
    #[inline]
    pub(crate) fn step(&self, op: &mut Operation<'_, V>) {
        // Before values are dropped: what they insert must find room for what this one has.
        op.gauges.report();
        op.writer.memory.step(&self.retired);
    }

    /// Publishes an entry in a slot, in place of what is there, in one step. Gives the entry back
    /// when another thread has changed the slot meanwhile.
    #[inline]
    pub(crate) fn put<'g>(
        &self,
        op: &mut Operation<'_, V>,
        line: &Line<V>,
        (slot, old): (usize, Option<Occupant<'_, V>>),
        (entry, address): (Unpublished<V>, LineAddress),
        _pin: &'g Pin,
    ) -> Result<Occupant<'g, V>, Unpublished<V>> {
        let bytes = entry.bytes();
        let new = Tagged::new(&entry, address);
        // SAFETY: `old` came from this slot (all callers'), and the entry is given up below.
        if !unsafe { line.exchange(slot, old, new) } {
            return Err(entry);
        }
        entry.into_published();
        op.gauges.add(bytes);
        if let Some(old) = old {
            // SAFETY: the exchange has just put another in its place.
            unsafe { self.retire(op, old) };
        }
        // SAFETY: published by this thread, which is pinned.
        Ok(unsafe { Occupant::new(slot, new) }.expect("not free"))
    }

    /// Unlinks an entry in one step, dead or live. Whether this thread did.
    #[inline]
    pub(crate) fn unlink(
        &self,
        op: &mut Operation<'_, V>,
        line: &Line<V>,
        occupant: Occupant<'_, V>,
        cause: RemovalCause,
    ) -> bool {
        // Before the entry may be reclaimed; it is decided by now.
        let dead = occupant.entry.get().state() != State::Live;
        // SAFETY: the occupant came from this line (all callers').
        if !unsafe { line.exchange(occupant.slot, Some(occupant), Tagged::FREE) } {
            return false;
        }
        // SAFETY: the exchange has just unlinked it.
        unsafe { self.retire(op, occupant) };
        if !dead {
            self.counters.add(op.thread, cause.counter(), 1);
        }
        true
    }

    /// # Safety
    ///
    /// - The calling thread has just unlinked the entry.
    /// - It is retired once.
    unsafe fn retire(&self, op: &mut Operation<'_, V>, occupant: Occupant<'_, V>) {
        op.gauges.subtract(occupant.entry.get().bytes());
        // SAFETY: the contract.
        unsafe { op.writer.memory.retire(occupant.entry, &self.retired) };
    }

    /// The state of an entry, which is decided if it was not.
    #[inline]
    pub(crate) fn decided(&self, line: &Line<V>, occupant: Occupant<'_, V>, pin: &Pin) -> State {
        let entry = occupant.entry.get();
        match entry.state() {
            State::Undecided => {
                self.decide(line, occupant, pin);
                entry.state()
            }
            decided => decided,
        }
    }

    /// Decides an undecided entry, its own or on behalf of a thread that may be frozen: it becomes
    /// live, unless another entry of its id is or comes before it. See the head of the engine.
    pub(crate) fn decide(&self, line: &Line<V>, occupant: Occupant<'_, V>, pin: &Pin) {
        // Loom takes SeqCst accesses for AcqRel. There, a fence says what the exchanges that
        // publish and the loads of a second look say by their order.
        #[cfg(loom)]
        fence(Ordering::SeqCst);
        let entry = occupant.entry.get();
        for other in line.with_tag(occupant.tag(), pin) {
            let rival = other.entry.get();
            if other.slot == occupant.slot || rival.id() != entry.id() {
                continue;
            }
            if rival.state() == State::Undecided {
                if other.slot > occupant.slot {
                    rival.decide(State::Dead);
                } else {
                    self.decide(line, other, pin);
                }
            }
            if rival.state() == State::Live {
                entry.decide(State::Dead);
                return;
            }
        }
        entry.decide(State::Live);
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
