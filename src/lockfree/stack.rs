//! A lock-free stack whose nodes are never freed while it lives.
//!
//! So a thread may look at a node that another has just taken, and a version beside the head's
//! index tells it that it came too late (no ABA, unless a thread sleeps through exactly 2^32
//! pushes). No thread ever holds more than the one node that it pushes or has popped: one that is
//! frozen in between takes nothing away from the others.
#![allow(unsafe_code)]

use std::cell::UnsafeCell;
use std::mem::MaybeUninit;
use std::ptr;

use crate::sync::{AtomicPtr, AtomicU32, AtomicU64, Ordering, RaceProbe};

pub(crate) struct Stack<T> {
    /// Nodes with an item.
    full: Head,
    /// Nodes without one.
    empty: Head,
    nodes: Nodes<T>,
}

/// Index of the topmost node plus one, zero for none, below a version.
struct Head(AtomicU64);

struct Node<T> {
    /// As in a head, without a version. Read by threads that may come too late, so atomic.
    next: AtomicU32,
    /// Belongs to the thread that has the node, or to the stack.
    item: UnsafeCell<MaybeUninit<T>>,
    probe: RaceProbe,
}

impl<T> Stack<T> {
    pub(crate) fn new() -> Self {
        Self {
            full: Head::new(),
            empty: Head::new(),
            nodes: Nodes::new(),
        }
    }

    /// Allocates when there are more items than ever before.
    pub(crate) fn push(&self, item: T) {
        let index = self
            .empty
            .pop(&self.nodes)
            .unwrap_or_else(|| self.nodes.add());
        let node = self.nodes.get(index);
        node.probe.write();
        // SAFETY: the node is ours alone, and has no item.
        unsafe { (*node.item.get()).write(item) };
        self.full.push(index, &self.nodes);
    }

    pub(crate) fn pop(&self) -> Option<T> {
        let index = self.full.pop(&self.nodes)?;
        let node = self.nodes.get(index);
        node.probe.write();
        // SAFETY: the node is ours alone, and was full.
        let item = unsafe { (*node.item.get()).assume_init_read() };
        self.empty.push(index, &self.nodes);
        Some(item)
    }
}

impl<T> Drop for Stack<T> {
    fn drop(&mut self) {
        while self.pop().is_some() {}
    }
}

impl Head {
    fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    fn push<T>(&self, index: u32, nodes: &Nodes<T>) {
        let mut head = self.0.load(Ordering::Relaxed);
        loop {
            nodes.get(index).next.store(head as u32, Ordering::Relaxed);
            // Release pairs with the Acquire in `pop`: the thread that pops the node sees its item
            // and `next`.
            match self.exchange(head, index + 1, Ordering::Release) {
                Ok(_) => return,
                Err(now) => head = now,
            }
        }
    }

    fn pop<T>(&self, nodes: &Nodes<T>) -> Option<u32> {
        let mut head = self.0.load(Ordering::Acquire);
        loop {
            let index = (head as u32).checked_sub(1)?;
            // Of a node that another has taken meanwhile, any value will do: the exchange fails.
            let next = nodes.get(index).next.load(Ordering::Relaxed);
            match self.exchange(head, next, Ordering::Acquire) {
                Ok(_) => return Some(index),
                Err(now) => head = now,
            }
        }
    }

    fn exchange(&self, old: u64, new: u32, success: Ordering) -> Result<u64, u64> {
        let version = (old >> 32).wrapping_add(1);
        let new = version << 32 | u64::from(new);
        self.0
            .compare_exchange_weak(old, new, success, Ordering::Acquire)
    }
}

/// Nodes by index, in segments that double in size.
struct Nodes<T> {
    segments: [AtomicPtr<Node<T>>; SEGMENTS],
    added: AtomicU32,
}

/// Nodes in the first segment; the others hold as many as all before them.
const FIRST: u32 = if cfg!(loom) { 2 } else { 64 };
const SEGMENTS: usize = if cfg!(loom) { 3 } else { 26 };

impl<T> Nodes<T> {
    fn new() -> Self {
        Self {
            segments: std::array::from_fn(|_| AtomicPtr::new(ptr::null_mut())),
            added: AtomicU32::new(0),
        }
    }

    /// The segment of an index, the index in it, and the segment's length.
    fn locate(index: u32) -> (usize, usize, usize) {
        let segment = (index / FIRST + 1).ilog2();
        let (before, len) = match segment {
            0 => (0, FIRST),
            _ => (FIRST * ((1 << segment) - 1), FIRST << segment),
        };
        (segment as usize, (index - before) as usize, len as usize)
    }

    fn get(&self, index: u32) -> &Node<T> {
        let (segment, at, _) = Self::locate(index);
        let start = self.segments[segment].load(Ordering::Acquire);
        // SAFETY: indexes come from `add`, which made the segment before it returned, and segments
        // live as long as `self`.
        unsafe { &*start.add(at) }
    }

    fn add(&self) -> u32 {
        let index = self.added.fetch_add(1, Ordering::Relaxed);
        let (segment, _, len) = Self::locate(index);
        let place = &self.segments[segment];
        // Relaxed would do: `get` looks again before the segment is used.
        if place.load(Ordering::Acquire).is_null() {
            let new: Box<[Node<T>]> = (0..len).map(|_| Node::new()).collect();
            let new = Box::into_raw(new).cast::<Node<T>>();
            // Release pairs with the Acquire in `get`.
            let raced =
                place.compare_exchange(ptr::null_mut(), new, Ordering::Release, Ordering::Relaxed);
            if raced.is_err() {
                // SAFETY: made above, not published.
                unsafe { free_segment(new, len) };
            }
        }
        index
    }
}

impl<T> Drop for Nodes<T> {
    fn drop(&mut self) {
        let mut len = FIRST as usize;
        for segment in &self.segments {
            let start = segment.load(Ordering::Acquire);
            if !start.is_null() {
                // SAFETY: made in `add` with that length; `&mut self`, so no thread looks at it.
                unsafe { free_segment(start, len) };
            }
            len *= 2;
        }
    }
}

/// # Safety
///
/// `start` came from a box of `len` nodes, and no thread looks at it any more.
unsafe fn free_segment<T>(start: *mut Node<T>, len: usize) {
    // SAFETY: by contract.
    drop(unsafe { Box::from_raw(ptr::slice_from_raw_parts_mut(start, len)) });
}

impl<T> Node<T> {
    fn new() -> Self {
        Self {
            next: AtomicU32::new(0),
            item: UnsafeCell::new(MaybeUninit::uninit()),
            probe: RaceProbe::default(),
        }
    }
}

// SAFETY: the stack owns its items and hands each to one thread; it lends none of them.
unsafe impl<T: Send> Send for Stack<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Sync for Stack<T> {}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;

    use super::*;

    #[test]
    fn indexes_fill_the_segments_without_gaps() {
        let mut expected = (0, 0);
        for index in 0..100_000 {
            let (segment, at, len) = Nodes::<u8>::locate(index);
            assert_eq!((segment, at), expected);
            expected = if at + 1 == len {
                (segment + 1, 0)
            } else {
                (segment, at + 1)
            };
        }
    }

    #[test]
    fn every_item_is_popped_once_and_nodes_are_used_again() {
        const THREADS: usize = 4;
        const ITEMS: usize = 10;
        let stack = Stack::new();
        for i in 0..THREADS * ITEMS {
            stack.push(Box::new(i));
        }
        let sum = AtomicUsize::new(0);
        thread::scope(|scope| {
            let threads: Vec<_> = (0..THREADS)
                .map(|_| {
                    scope.spawn(|| {
                        for _ in 0..50_000 {
                            // Each pops, then pushes: the stack is never short by more than the
                            // threads.
                            let item = stack.pop().expect("a frozen thread holds one item only");
                            stack.push(item);
                        }
                        for _ in 0..ITEMS {
                            sum.fetch_add(*stack.pop().unwrap(), Ordering::Relaxed);
                        }
                    })
                })
                .collect();
            for thread in threads {
                thread.join().unwrap();
            }
        });
        assert!(stack.pop().is_none());
        assert_eq!(sum.into_inner(), (0..THREADS * ITEMS).sum::<usize>());
        assert_eq!(
            stack.nodes.added.load(Ordering::Relaxed),
            (THREADS * ITEMS) as u32
        );
    }
}
