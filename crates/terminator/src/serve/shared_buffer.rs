//! One buffer for all connections of a thread: an idle connection has none.

use std::cell::RefCell;

/// Four TLS records.
const SIZE: usize = 64 * 1024;

thread_local! {
    static SHARED: RefCell<Box<[u8]>> = RefCell::new(vec![0; SIZE].into_boxed_slice());
}

/// Runs `work` with the thread's buffer, which holds anything. `work` must not ask for it again.
pub(super) fn with_shared_buffer<R>(work: impl FnOnce(&mut [u8]) -> R) -> R {
    SHARED.with_borrow_mut(|buffer| work(buffer))
}
