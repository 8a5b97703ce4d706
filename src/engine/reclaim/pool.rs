//! Hands each writing thread a [`Writer`] of its own for the length of one operation.
//!
//! Lock-free: a thread that is frozen while it has a writer has merely taken it out of circulation;
//! others take another, or make one. A writer that finds no seat when it comes back, and has nothing
//! that waits, is dismantled. So beyond the seats there are only as many as are at work or have
//! something that waits.
#![allow(unsafe_code)]

use std::ops::{Deref, DerefMut};
use std::ptr;

use crate::engine::reclaim::garbage::Writer;
use crate::engine::reclaim::lines::LineStore;
use crate::lockfree::Stack;
use crate::sync::{AtomicPtr, Ordering};

/// Places where idle writers wait. A thread starts at its own number, so that up to this many
/// threads never meet.
const SEATS: usize = if cfg!(loom) { 1 } else { 64 };

pub(crate) struct Pool<V> {
    seats: Box<[Seat<V>]>,
    /// Writers that found every seat taken, and have something that waits for its grace period.
    standing: Stack<Box<Writer<V>>>,
    /// Where writers get their lines from, and where those of a dismantled one go.
    pub(crate) lines: LineStore<V>,
}

#[repr(align(128))]
struct Seat<V>(AtomicPtr<Writer<V>>);

impl<V> Pool<V> {
    pub(crate) fn new(lines: LineStore<V>) -> Self {
        let empty = || Seat(AtomicPtr::new(ptr::null_mut()));
        Self {
            seats: (0..SEATS).map(|_| empty()).collect(),
            standing: Stack::new(),
            lines,
        }
    }

    /// Takes an idle writer, or makes one.
    pub(crate) fn check_out(&self, thread: usize) -> WriterLease<'_, V> {
        let thread = thread % SEATS;
        let writer = self
            .sit_out(thread, SEATS)
            .or_else(|| self.standing.pop())
            .unwrap_or_else(|| Box::new(Writer::new()));
        WriterLease {
            pool: self,
            writer: Some(writer),
            thread,
        }
    }

    /// Calls `f` with every writer that is idle now, one at a time.
    pub(crate) fn for_each_idle(&self, mut f: impl FnMut(&mut Writer<V>)) {
        let mut visit = |writer, thread| {
            let mut checkout = WriterLease {
                pool: self,
                writer: Some(writer),
                thread,
            };
            f(&mut checkout);
            checkout
        };
        for seat in 0..SEATS {
            if let Some(writer) = self.sit_out(seat, 1) {
                visit(writer, seat);
            }
        }
        // Given back after the last one, or this would meet the same ones again.
        let mut visited = Vec::new();
        while let Some(writer) = self.standing.pop() {
            visited.push(visit(writer, 0));
        }
    }

    /// Takes a writer from one of `count` seats, the first of them that of `thread`.
    fn sit_out(&self, thread: usize, count: usize) -> Option<Box<Writer<V>>> {
        (0..count).find_map(|i| {
            let seat = &self.seats[(thread + i) % SEATS].0;
            // Look first: the seat of a busy thread is better left in that thread's cache.
            if seat.load(Ordering::Relaxed).is_null() {
                return None;
            }
            // Acquire pairs with the Release in `give_back`: whoever had the writer is done.
            let writer = seat.swap(ptr::null_mut(), Ordering::Acquire);
            // SAFETY: what is in a seat came from `Box::into_raw`, and the swap made it ours.
            (!writer.is_null()).then(|| unsafe { Box::from_raw(writer) })
        })
    }

    fn give_back(&self, writer: Box<Writer<V>>, thread: usize) {
        let writer = Box::into_raw(writer);
        for i in 0..SEATS {
            let seat = &self.seats[(thread + i) % SEATS].0;
            if seat.load(Ordering::Relaxed).is_null()
                && seat
                    // Release pairs with the Acquire in `sit_out`.
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
        if writer.has_garbage() {
            self.standing.push(writer);
        } else {
            writer.return_lines(&self.lines);
        }
    }
}

impl<V> Drop for Pool<V> {
    fn drop(&mut self) {
        while self.sit_out(0, SEATS).is_some() {}
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
