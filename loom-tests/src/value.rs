//! Values that loom watches.

use loom::alloc::Track;
use loom::cell::UnsafeCell;

/// A cached value: a number, watched by loom.
///
/// Loom fails a model that reads one while it may be dropped (before or after), that drops one
/// twice, or that never drops one.
#[derive(Debug)]
pub struct Value {
    n: Track<u8>,
    memory: UnsafeCell<()>,
}

impl Value {
    /// A value.
    pub fn new(n: u8) -> Self {
        Self {
            n: Track::new(n),
            memory: UnsafeCell::new(()),
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
    }
}
