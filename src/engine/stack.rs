//! A lock-free stack whose nodes are pushed one by one and taken all at once, so that no pop can
//! suffer from ABA.
#![allow(unsafe_code)]

use std::ptr;

use crate::sync::{AtomicPtr, Ordering};

pub(crate) struct Stack<T> {
    head: AtomicPtr<Node<T>>,
}

pub(crate) struct Node<T> {
    pub(crate) item: T,
    /// Belongs to whoever owns the node; while it is on a stack, to the stack.
    next: *mut Node<T>,
}

impl<T> Node<T> {
    pub(crate) fn new(item: T) -> Box<Self> {
        Box::new(Self {
            item,
            next: ptr::null_mut(),
        })
    }
}

impl<T> Stack<T> {
    pub(crate) fn new() -> Self {
        Self {
            head: AtomicPtr::new(ptr::null_mut()),
        }
    }

    pub(crate) fn push(&self, node: Box<Node<T>>) {
        let node = Box::into_raw(node);
        let mut head = self.head.load(Ordering::Relaxed);
        loop {
            // SAFETY: the node is ours until the exchange below succeeds.
            unsafe { (*node).next = head };
            // Release pairs with the Acquire in `pop`.
            match self
                .head
                .compare_exchange_weak(head, node, Ordering::Release, Ordering::Relaxed)
            {
                Ok(_) => return,
                Err(now) => head = now,
            }
        }
    }

    /// Takes all nodes, keeps the first and pushes the others back. Others find the stack shorter,
    /// or empty, meanwhile.
    pub(crate) fn pop(&self) -> Option<Box<Node<T>>> {
        if self.head.load(Ordering::Relaxed).is_null() {
            return None;
        }
        // Acquire pairs with the Release in `push`.
        let head = self.head.swap(ptr::null_mut(), Ordering::Acquire);
        if head.is_null() {
            return None;
        }
        // SAFETY: every node came from `Box::into_raw`, and taking the list made all in it ours.
        let mut node = unsafe { Box::from_raw(head) };
        let mut rest = std::mem::replace(&mut node.next, ptr::null_mut());
        while !rest.is_null() {
            // SAFETY: as above.
            let next = unsafe { Box::from_raw(rest) };
            rest = next.next;
            self.push(next);
        }
        Some(node)
    }
}

impl<T> Drop for Stack<T> {
    fn drop(&mut self) {
        while self.pop().is_some() {}
    }
}

// SAFETY: the stack owns its items and hands each to one thread; it lends none of them.
unsafe impl<T: Send> Send for Stack<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Sync for Stack<T> {}
