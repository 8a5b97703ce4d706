//! Hands each writing thread a [`Writer`] of its own for the length of one operation.
//!
//! Lock-free: a thread that is frozen while it has a writer has merely taken it out of circulation;
//! others take another, or make one. So there are never more writers than threads that were inside
//! an operation at the same time.
#![allow(unsafe_code)]

use std::ops::{Deref, DerefMut};
use std::ptr;

use super::reclaim::Writer;
use super::stack::{Node, Stack};
use crate::sync::{AtomicPtr, Ordering};

/// Places where idle writers wait. A thread starts at its own number, so that up to this many
/// threads never meet.
const SEATS: usize = if cfg!(loom) { 2 } else { 64 };

pub(crate) struct Pool<V> {
    seats: Box<[Seat<V>]>,
    /// Writers that found every seat taken.
    standing: Stack<Writer<V>>,
}

#[repr(align(128))]
struct Seat<V>(AtomicPtr<Node<Writer<V>>>);

impl<V> Pool<V> {
    pub(crate) fn new() -> Self {
        let empty = || Seat(AtomicPtr::new(ptr::null_mut()));
        Self {
            seats: (0..SEATS).map(|_| empty()).collect(),
            standing: Stack::new(),
        }
    }

    /// Takes an idle writer, or makes one.
    pub(crate) fn check_out(&self, thread: usize) -> Checkout<'_, V> {
        let thread = thread % SEATS;
        let node = self
            .sit_out(thread, SEATS)
            .or_else(|| self.standing.pop())
            .unwrap_or_else(|| Node::new(Writer::new()));
        Checkout {
            pool: self,
            node: Some(node),
            thread,
        }
    }

    /// Calls `f` with every writer that is idle now, one at a time.
    pub(crate) fn for_each_idle(&self, mut f: impl FnMut(&mut Writer<V>)) {
        let mut visit = |node, thread| {
            let mut checkout = Checkout {
                pool: self,
                node: Some(node),
                thread,
            };
            f(&mut checkout);
            checkout
        };
        for seat in 0..SEATS {
            if let Some(node) = self.sit_out(seat, 1) {
                visit(node, seat);
            }
        }
        // Given back after the last one, or this would meet the same ones again.
        let mut visited = Vec::new();
        while let Some(node) = self.standing.pop() {
            visited.push(visit(node, 0));
        }
    }

    /// Takes a writer from one of `count` seats, the first of them that of `thread`.
    fn sit_out(&self, thread: usize, count: usize) -> Option<Box<Node<Writer<V>>>> {
        (0..count).find_map(|i| {
            let seat = &self.seats[(thread + i) % SEATS].0;
            // Look first: the seat of a busy thread is better left in that thread's cache.
            if seat.load(Ordering::Relaxed).is_null() {
                return None;
            }
            // Acquire pairs with the Release in `give_back`: whoever had the writer is done.
            let node = seat.swap(ptr::null_mut(), Ordering::Acquire);
            // SAFETY: what is in a seat came from `Box::into_raw`, and the swap made it ours.
            (!node.is_null()).then(|| unsafe { Box::from_raw(node) })
        })
    }

    fn give_back(&self, node: Box<Node<Writer<V>>>, thread: usize) {
        let node = Box::into_raw(node);
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
        // SAFETY: from `Box::into_raw` above; no exchange has given it away.
        self.standing.push(unsafe { Box::from_raw(node) });
    }
}

impl<V> Drop for Pool<V> {
    fn drop(&mut self) {
        while self.sit_out(0, SEATS).is_some() {}
    }
}

/// A writer that belongs to the calling thread until this is dropped.
pub(crate) struct Checkout<'p, V> {
    pool: &'p Pool<V>,
    /// Always there, until it is given back.
    node: Option<Box<Node<Writer<V>>>>,
    thread: usize,
}

impl<V> Deref for Checkout<'_, V> {
    type Target = Writer<V>;

    fn deref(&self) -> &Writer<V> {
        &self.node.as_ref().expect("not given back yet").item
    }
}

impl<V> DerefMut for Checkout<'_, V> {
    fn deref_mut(&mut self) -> &mut Writer<V> {
        &mut self.node.as_mut().expect("not given back yet").item
    }
}

impl<V> Drop for Checkout<'_, V> {
    fn drop(&mut self) {
        if let Some(node) = self.node.take() {
            self.pool.give_back(node, self.thread);
        }
    }
}
