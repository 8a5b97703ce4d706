//! A place in the table from which threads share the lines out.

use crate::sync::{AtomicUsize, Ordering};

/// On a cache line of its own, for all writers write it.
#[derive(Default)]
#[repr(align(128))]
pub(crate) struct Cursor(AtomicUsize);

impl Cursor {
    /// Moves on by `by` and returns where it was. Relaxed: any place will do.
    #[inline]
    pub(crate) fn advance(&self, by: usize) -> usize {
        self.0.fetch_add(by, Ordering::Relaxed)
    }
}
