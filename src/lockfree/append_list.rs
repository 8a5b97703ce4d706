//! A list that only grows until it is dropped: what has been appended once can be read without
//! protection of any kind.
//!
//! ```text
//!   first --> node --> node --> null        append: compare-and-exchange of the last null
//! ```
#![allow(unsafe_code)]

use std::marker::PhantomData;
use std::ptr;

use crate::lockfree::drop_all;
use crate::sync::{AtomicPtr, Ordering, RaceProbe};

pub(crate) struct AppendList<T> {
    first: AtomicPtr<Node<T>>,
    /// Says nothing about `Send` and `Sync`: see below.
    _nodes: PhantomData<*mut Node<T>>,
}

struct Node<T> {
    item: T,
    next: AtomicPtr<Node<T>>,
    probe: RaceProbe,
}

impl<T> AppendList<T> {
    pub(crate) fn new() -> Self {
        Self {
            first: AtomicPtr::new(ptr::null_mut()),
            _nodes: PhantomData,
        }
    }

    /// Appends at the end, and lends out what it has appended. Lock-free: an exchange fails only
    /// because another thread appended.
    pub(crate) fn push(&self, item: T) -> &T {
        let node = Box::new(Node {
            item,
            next: AtomicPtr::new(ptr::null_mut()),
            probe: RaceProbe::default(),
        });
        node.probe.write();
        let node = Box::into_raw(node);
        let mut end = &self.first;
        // Release pairs with the Acquire in `Iter::next` and below: a thread that sees the node
        // sees what is in it.
        while let Err(taken) =
            end.compare_exchange(ptr::null_mut(), node, Ordering::Release, Ordering::Acquire)
        {
            // SAFETY: not null, so a node that was published; it lives as long as the list.
            end = unsafe { &(*taken).next };
        }
        // SAFETY: published just now; it lives as long as the list.
        unsafe { &(*node).item }
    }

    /// From the first on. Wait-free but for the length of the list.
    pub(crate) fn iter(&self) -> Iter<'_, T> {
        Iter { next: &self.first }
    }
}

pub(crate) struct Iter<'l, T> {
    next: &'l AtomicPtr<Node<T>>,
}

impl<'l, T> Iterator for Iter<'l, T> {
    type Item = &'l T;

    #[inline]
    fn next(&mut self) -> Option<&'l T> {
        // SAFETY: null, or a node that was published (Acquire pairs with the Release in `push`) and
        // lives as long as the list, which is borrowed for `'l`.
        let node = unsafe { self.next.load(Ordering::Acquire).as_ref() }?;
        node.probe.read();
        self.next = &node.next;
        Some(&node.item)
    }
}

impl<T> Drop for AppendList<T> {
    fn drop(&mut self) {
        // Relaxed: `&mut self`, so every thread that appended is done.
        let mut next = self.first.load(Ordering::Relaxed);
        drop_all(std::iter::from_fn(|| {
            if next.is_null() {
                return None;
            }
            // SAFETY: made by `Box::into_raw` in `push`, and in the list once.
            let node = unsafe { Box::from_raw(next) };
            node.probe.write();
            next = node.next.load(Ordering::Relaxed);
            Some(node)
        }));
    }
}

// SAFETY: the list owns its items.
unsafe impl<T: Send> Send for AppendList<T> {}
// SAFETY: through a shared list items are read (`T: Sync`), and moved in by one thread to be
// dropped by another (`T: Send`).
unsafe impl<T: Send + Sync> Sync for AppendList<T> {}
