//! Leases each writing thread a [`Writer`] for the length of one operation.
//!
//! Lock-free: a thread that is frozen while it has a writer has merely taken it out of circulation;
//! others take another, or make one. A writer that finds no free slot when it comes back, and has
//! nothing that waits, is dismantled. So beyond the slots there are only as many as are at work or
//! have something that waits.
#![allow(unsafe_code)]

use std::ops::{Deref, DerefMut};
use std::ptr;

use crate::engine::evict::clock_hand::ClockHand;
use crate::engine::reclaim::lines::LineStore;
use crate::engine::reclaim::memory::WriterMemory;
use crate::lockfree::Stack;
use crate::sync::{AtomicPtr, Ordering};

/// Slots in which idle writers wait. A thread starts at its own number, so that up to this many
/// threads never meet.
const SLOTS: usize = if cfg!(loom) { 1 } else { 64 };

/// What a thread has to itself while it changes the table.
pub(crate) struct Writer<V> {
    pub(crate) memory: WriterMemory<V>,
    pub(crate) hand: ClockHand,
}

pub(crate) struct Pool<V> {
    slots: Box<[Slot<V>]>,
    /// Writers that found every slot taken, and have something that waits for its grace period.
    overflow: Stack<Box<Writer<V>>>,
    /// Where writers get their lines from, and where those of a dismantled one go.
    pub(crate) lines: LineStore<V>,
}

#[repr(align(128))]
struct Slot<V>(AtomicPtr<Writer<V>>);

impl<V> Pool<V> {
    pub(crate) fn new(lines: LineStore<V>) -> Self {
        let empty = || Slot(AtomicPtr::new(ptr::null_mut()));
        Self {
            slots: (0..SLOTS).map(|_| empty()).collect(),
            overflow: Stack::new(),
            lines,
        }
    }

    /// Takes an idle writer, or makes one.
    pub(crate) fn lease(&self, thread: usize) -> WriterLease<'_, V> {
        let thread = thread % SLOTS;
        let writer = self
            .take(thread, SLOTS)
            .or_else(|| self.overflow.pop())
            .unwrap_or_else(|| {
                Box::new(Writer {
                    memory: WriterMemory::new(),
                    hand: ClockHand::default(),
                })
            });
        WriterLease {
            pool: self,
            writer: Some(writer),
            thread,
        }
    }

    /// Calls `f` with every writer that is idle now, one at a time.
    pub(crate) fn for_each_idle(&self, mut f: impl FnMut(&mut Writer<V>)) {
        let mut visit = |writer, thread| {
            let mut lease = WriterLease {
                pool: self,
                writer: Some(writer),
                thread,
            };
            f(&mut lease);
            lease
        };
        for slot in 0..SLOTS {
            if let Some(writer) = self.take(slot, 1) {
                visit(writer, slot);
            }
        }
        // Given back after the last one, or this would meet the same ones again.
        let mut visited = Vec::new();
        while let Some(writer) = self.overflow.pop() {
            visited.push(visit(writer, 0));
        }
    }

    /// Takes a writer from one of `count` slots, the first of them that of `thread`.
    fn take(&self, thread: usize, count: usize) -> Option<Box<Writer<V>>> {
        (0..count).find_map(|i| {
            let slot = &self.slots[(thread + i) % SLOTS].0;
            // Look first: the slot of a busy thread is better left in that thread's cache.
            if slot.load(Ordering::Relaxed).is_null() {
                return None;
            }
            // Acquire pairs with the Release in `give_back`: the thread that had the writer is
            // done.
            let writer = slot.swap(ptr::null_mut(), Ordering::Acquire);
            // SAFETY: what is in a slot came from `Box::into_raw`, and the swap made it ours.
            (!writer.is_null()).then(|| unsafe { Box::from_raw(writer) })
        })
    }

    fn give_back(&self, writer: Box<Writer<V>>, thread: usize) {
        let writer = Box::into_raw(writer);
        for i in 0..SLOTS {
            let slot = &self.slots[(thread + i) % SLOTS].0;
            if slot.load(Ordering::Relaxed).is_null()
                && slot
                    // Release pairs with the Acquire in `take`.
                    .compare_exchange(
                        ptr::null_mut(),
                        writer,
                        Ordering::Release,
                        Ordering::Relaxed,
                    )
                    .is_ok()
            {
                return;
            }
        }
        // SAFETY: from `Box::into_raw` above; no exchange has given it away.
        let mut writer = unsafe { Box::from_raw(writer) };
        if writer.memory.has_garbage() {
            self.overflow.push(writer);
        } else {
            writer.memory.return_lines(&self.lines);
        }
    }
}

impl<V> Drop for Pool<V> {
    fn drop(&mut self) {
        while self.take(0, SLOTS).is_some() {}
    }
}

/// A writer that belongs to the calling thread until this is dropped.
pub(crate) struct WriterLease<'p, V> {
    pool: &'p Pool<V>,
    /// Always there, until it is given back.
    writer: Option<Box<Writer<V>>>,
    thread: usize,
}

impl<V> Deref for WriterLease<'_, V> {
    type Target = Writer<V>;

    fn deref(&self) -> &Writer<V> {
        self.writer.as_ref().expect("not given back yet")
    }
}

impl<V> DerefMut for WriterLease<'_, V> {
    fn deref_mut(&mut self) -> &mut Writer<V> {
        self.writer.as_mut().expect("not given back yet")
    }
}

impl<V> Drop for WriterLease<'_, V> {
    fn drop(&mut self) {
        if let Some(writer) = self.writer.take() {
            self.pool.give_back(writer, self.thread);
        }
    }
}
