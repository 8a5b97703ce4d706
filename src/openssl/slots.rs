//! Slots for what is installed, found by number: for callbacks that are told nothing else.

use std::ffi::c_void;
use std::ptr;

use crate::sync::{AtomicPtr, Ordering};

/// Resumptions that can be installed at one time.
pub(super) const SLOTS: usize = 1_024;

static INSTALLED: [AtomicPtr<c_void>; SLOTS] = [const { AtomicPtr::new(ptr::null_mut()) }; SLOTS];

/// A slot that belongs to its owner until it is dropped.
pub(super) struct Slot(usize);

impl Slot {
    /// Takes a free slot and puts `owner` there, which is not null.
    pub(super) fn take(owner: *const c_void) -> Option<Self> {
        let is_taken = |slot: &AtomicPtr<c_void>| {
            // Release pairs with the Acquire of `owner`.
            slot.compare_exchange(
                ptr::null_mut(),
                owner.cast_mut(),
                Ordering::Release,
                Ordering::Relaxed,
            )
            .is_ok()
        };
        INSTALLED.iter().position(is_taken).map(Self)
    }

    pub(super) fn number(&self) -> usize {
        self.0
    }

    /// What is in a slot.
    pub(super) fn owner(number: usize) -> *const c_void {
        INSTALLED[number].load(Ordering::Acquire)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        // Relaxed: who takes it next writes it.
        INSTALLED[self.0].store(ptr::null_mut(), Ordering::Relaxed);
    }
}
