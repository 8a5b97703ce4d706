//! Values that loom watches.

use std::cell::RefCell;
use std::collections::HashSet;

use loom::alloc::Track;
use loom::cell::UnsafeCell;

/// A cached value: a number, watched by loom.
///
/// A model fails that reads one while it may be dropped (before or after), that drops one twice, or
/// that never drops one.
#[derive(Debug)]
pub struct Value {
    n: Track<u8>,
    memory: UnsafeCell<()>,
    serial: u64,
}

// Loom lets values be dropped twice. It explores a model on one thread of the system.
std::thread_local! {
    /// The last serial number, and those of the values that were not dropped yet.
    static ALIVE: RefCell<(u64, HashSet<u64>)> = RefCell::default();
}

impl Value {
    /// A value.
    pub fn new(n: u8) -> Self {
        let serial = ALIVE.with_borrow_mut(|(last, alive)| {
            *last += 1;
            alive.insert(*last);
            *last
        });
        Self {
            n: Track::new(n),
            memory: UnsafeCell::new(()),
            serial,
        }
    }

    /// Reads it.
    pub fn get(&self) -> u8 {
        self.memory.with(|_| ());
        *self.n.get_ref()
    }
}

// SAFETY: there is nothing in the cell; it is there for loom to compare the accesses to it.
#[allow(unsafe_code)]
unsafe impl Sync for Value {}

impl Clone for Value {
    fn clone(&self) -> Self {
        Self::new(self.get())
    }
}

impl Drop for Value {
    fn drop(&mut self) {
        self.memory.with_mut(|_| ());
        let once = ALIVE.with_borrow_mut(|(_, alive)| alive.remove(&self.serial));
        assert!(once, "dropped twice");
    }
}
