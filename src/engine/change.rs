//! The steps that changes are made of: each takes effect at one successful exchange of a line's
//! pointer.
#![allow(unsafe_code)]

use crate::counters::Counter;
use crate::engine::entry::{EntryRef, Unpublished};
use crate::engine::gauges::GaugeDelta;
use crate::engine::line::{Change, LineAddress, LineSnapshot, Tagged, slots_in};
use crate::engine::prefetch::prefetch_all;
use crate::engine::reclaim::pool::WriterLease;
use crate::engine::reclaim::writers::WriterPin;
use crate::engine::state::Engine;

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
    pub(crate) fn step(&self, op: &mut Operation<'_, V>, pin: &WriterPin) {
        let memory = &mut op.writer.memory;
        memory.step(pin, &self.retired, &self.pool.lines);
    }

    /// Puts an entry into a slot, in place of the one there, in one step. Gives the entry back when
    /// another thread has changed the line meanwhile.
    #[inline]
    pub(crate) fn put(
        &self,
        op: &mut Operation<'_, V>,
        snapshot: &LineSnapshot<'_, V>,
        slot: usize,
        entry: Unpublished<V>,
        address: LineAddress,
    ) -> Result<(), Unpublished<V>> {
        let bytes = entry.bytes();
        let put = Change::Put(slot, Tagged::new(&entry, address));
        // SAFETY: the snapshot is of this table (all callers'), and the entry is given up below.
        if !unsafe { self.exchange(op, snapshot, put) } {
            return Err(entry);
        }
        entry.into_published();
        op.gauges.add(bytes);
        if let Some(old) = snapshot.get(slot) {
            // SAFETY: the exchange has just put another in its place.
            unsafe { self.retire(op, old) };
        }
        Ok(())
    }

    /// Unlinks the entries of a line whose slots' bits are set in `leaving`, in one step. Returns
    /// their number: zero when another thread has changed the line meanwhile.
    pub(crate) fn unlink(
        &self,
        op: &mut Operation<'_, V>,
        snapshot: &LineSnapshot<'_, V>,
        leaving: u8,
        cause: RemovalCause,
    ) -> usize {
        // SAFETY: the snapshot is of this table (all callers'), and no entry is new.
        if !unsafe { self.exchange(op, snapshot, Change::Drop(leaving)) } {
            return 0;
        }
        let mut unlinked = 0;
        for slot in slots_in(leaving & snapshot.occupied()) {
            // SAFETY: the exchange has just unlinked it.
            unsafe { self.retire(op, snapshot.entry(slot)) };
            unlinked += 1;
        }
        self.counters.add(op.thread, cause.counter(), unlinked);
        unlinked as usize
    }

    /// Publishes a line in place of the one that `snapshot` saw, and retires that. All or nothing.
    ///
    /// # Safety
    ///
    /// - The snapshot is of this engine's table.
    /// - An entry that is put is not published. When this returns true, it belongs to the table.
    #[inline]
    unsafe fn exchange(
        &self,
        op: &mut Operation<'_, V>,
        snapshot: &LineSnapshot<'_, V>,
        change: Change<V>,
    ) -> bool {
        let memory = &mut op.writer.memory;
        // Of a line that loses all its entries, nothing is left.
        let line = match change {
            Change::Drop(leaving) if snapshot.occupied() & !leaving == 0 => None,
            _ => Some(memory.write_line(snapshot, &change, &self.pool.lines)),
        };
        // SAFETY: the line was written above, from this snapshot; the rest is the contract.
        if unsafe { self.table.publish(snapshot, line) } {
            // SAFETY: replaced just now.
            unsafe { memory.retire_line(snapshot, &self.retired) };
            return true;
        }
        if let Some(line) = line {
            // SAFETY: written above, and the exchange has failed.
            unsafe { memory.discard_line(line) };
        }
        false
    }

    /// # Safety
    ///
    /// - The calling thread has just unlinked the entry.
    /// - It is retired once.
    unsafe fn retire(&self, op: &mut Operation<'_, V>, entry: EntryRef<'_, V>) {
        op.gauges.subtract(entry.get().bytes());
        // It will be wiped when its grace period is over, a few dozen operations from now.
        prefetch_all(entry.as_non_null().as_ptr(), entry.get().allocated_bytes());
        // SAFETY: the contract.
        unsafe { op.writer.memory.retire_entry(entry, &self.retired) };
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
