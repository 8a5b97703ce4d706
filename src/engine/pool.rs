//! Hands each writing thread a [`Writer`] of its own for the length of one operation.
//!
//! Lock-free: a thread that is frozen while it has a writer has merely taken it out of circulation;
//! others take another, or make one. So there are never more writers than threads that were inside
//! an operation at the same time.
#![allow(unsafe_code)]

use std::ops::{Deref, DerefMut};
use std::ptr;

use super::reclaim::Writer;
use crate::sync::{AtomicPtr, Ordering};

/// Places where idle writers wait. A thread starts at its own number, so that up to this many
/// threads never meet.
const SEATS: usize = if cfg!(loom) { 2 } else { 64 };

pub(crate) struct Pool<V> {
    seats: Box<[Seat<V>]>,
    /// Writers that found every seat taken, linked by [`Node::next`]. Pushed one by one and taken
    /// all at once, so that no pop can suffer from ABA.
    standing: AtomicPtr<Node<V>>,
}

#[repr(align(128))]
struct Seat<V>(AtomicPtr<Node<V>>);

struct Node<V> {
    writer: Writer<V>,
    next: *mut Node<V>,
}

impl<V> Pool<V> {
    pub(crate) fn new() -> Self {
        let empty = || Seat(AtomicPtr::new(ptr::null_mut()));
        Self {
            seats: (0..SEATS).map(|_| empty()).collect(),
            standing: AtomicPtr::new(ptr::null_mut()),
        }
    }

    /// Takes an idle writer, or makes one.
    pub(crate) fn check_out(&self, thread: usize) -> Checkout<'_, V> {
        let thread = thread % SEATS;
        let node = self
            .sit_out(thread, SEATS)
            .or_else(|| self.take_standing())
            .unwrap_or_else(|| {
                Box::into_raw(Box::new(Node {
                    writer: Writer::new(),
                    next: ptr::null_mut(),
                }))
            });
        Checkout {
            pool: self,
            node,
            thread,
        }
    }

    /// Calls `f` with every writer that is idle now, one at a time.
    pub(crate) fn for_each_idle(&self, mut f: impl FnMut(&mut Writer<V>)) {
        let mut visit = |node| {
            let mut checkout = Checkout {
                pool: self,
                node,
                thread: 0,
            };
            f(&mut checkout);
            checkout
        };
        for seat in 0..SEATS {
            if let Some(node) = self.sit_out(seat, 1) {
                visit(node).thread = seat;
            }
        }
        // Give back after the last one, or this would meet the same ones again.
        let mut visited = Vec::new();
        while let Some(node) = self.take_standing() {
            visited.push(visit(node));
        }
    }

    /// Takes a writer from one of `count` seats, the first of them that of `thread`.
    fn sit_out(&self, thread: usize, count: usize) -> Option<*mut Node<V>> {
        (0..count).find_map(|i| {
            let seat = &self.seats[(thread + i) % SEATS].0;
            // Look first: the seat of a busy thread is better left in that thread's cache.
            if seat.load(Ordering::Relaxed).is_null() {
                return None;
            }
            // Acquire pairs with the Release in `give_back`: whoever had the writer is done.
            let node = seat.swap(ptr::null_mut(), Ordering::Acquire);
            (!node.is_null()).then_some(node)
        })
    }

    fn take_standing(&self) -> Option<*mut Node<V>> {
        if self.standing.load(Ordering::Relaxed).is_null() {
            return None;
        }
        // Acquire pairs with the Release in `stand`.
        let node = self.standing.swap(ptr::null_mut(), Ordering::Acquire);
        if node.is_null() {
            return None;
        }
        // SAFETY: taking the list made every node in it ours alone.
        let mut rest = unsafe { std::mem::replace(&mut (*node).next, ptr::null_mut()) };
        while !rest.is_null() {
            // SAFETY: as above; `stand` gives the node away, so its successor is read first.
            let next = unsafe { (*rest).next };
            self.stand(rest);
            rest = next;
        }
        Some(node)
    }

    fn give_back(&self, node: *mut Node<V>, thread: usize) {
        for i in 0..SEATS {
            let seat = &self.seats[(thread + i) % SEATS].0;
            if seat.load(Ordering::Relaxed).is_null()
                && seat
                    // Release pairs with the Acquire in `sit_out`.
                    .compare_exchange(ptr::null_mut(), node, Ordering::Release, Ordering::Relaxed)
                    .is_ok()
            {
                return;
            }
        }
        self.stand(node);
    }

    fn stand(&self, node: *mut Node<V>) {
        let mut head = self.standing.load(Ordering::Relaxed);
        loop {
            // SAFETY: the node is ours until the exchange below succeeds.
            unsafe { (*node).next = head };
            // Release pairs with the Acquire in `take_standing`.
            match self.standing.compare_exchange_weak(
                head,
                node,
                Ordering::Release,
                Ordering::Relaxed,
            ) {
                Ok(_) => return,
                Err(now) => head = now,
            }
        }
    }
}

impl<V> Drop for Pool<V> {
    fn drop(&mut self) {
        while let Some(node) = self.sit_out(0, SEATS).or_else(|| self.take_standing()) {
            // SAFETY: made by `Box::into_raw` in `check_out`, and nobody else can reach the pool.
            drop(unsafe { Box::from_raw(node) });
        }
    }
}

// SAFETY: a writer is used by one thread at a time (`Checkout`), and moves values of type `V`
// between threads: the thread that drops them need not be the one that made them.
unsafe impl<V: Send> Send for Pool<V> {}
// SAFETY: as above; the pool itself hands out exclusive access only.
unsafe impl<V: Send> Sync for Pool<V> {}

/// A writer that belongs to the calling thread until this is dropped.
pub(crate) struct Checkout<'p, V> {
    pool: &'p Pool<V>,
    node: *mut Node<V>,
    thread: usize,
}

impl<V> Deref for Checkout<'_, V> {
    type Target = Writer<V>;

    fn deref(&self) -> &Writer<V> {
        // SAFETY: the node was taken out of the pool by an atomic exchange: nobody else has it.
        unsafe { &(*self.node).writer }
    }
}

impl<V> DerefMut for Checkout<'_, V> {
    fn deref_mut(&mut self) -> &mut Writer<V> {
        // SAFETY: as in `deref`.
        unsafe { &mut (*self.node).writer }
    }
}

impl<V> Drop for Checkout<'_, V> {
    fn drop(&mut self) {
        self.pool.give_back(self.node, self.thread);
    }
}
