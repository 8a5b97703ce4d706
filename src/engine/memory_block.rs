//! Blocks of memory for entries, in size classes, so that one entry's block serves another.
#![allow(unsafe_code)]

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::ptr::NonNull;

use crate::sync::pause_point;

/// What allocators align everything to. More would cost some of them as much memory again.
pub(crate) const ENTRY_ALIGN: usize = 16;

/// Memory for one entry, its contents all zero or never used.
#[derive(Debug)]
pub(crate) struct Block {
    ptr: NonNull<u8>,
    class: u8,
}

// SAFETY: a block is plain memory that belongs to its owner.
unsafe impl Send for Block {}

impl Block {
    /// Allocates a block of a size class.
    #[inline]
    pub(crate) fn new(class: u8) -> Self {
        let layout = Self::layout(class);
        pause_point("allocate");
        // SAFETY: the layout's size is above zero.
        let ptr = unsafe { alloc(layout) };
        let Some(ptr) = NonNull::new(ptr) else {
            handle_alloc_error(layout)
        };
        Self { ptr, class }
    }

    #[inline]
    pub(crate) fn as_ptr(&self) -> NonNull<u8> {
        self.ptr
    }

    #[inline]
    pub(crate) fn class(&self) -> u8 {
        self.class
    }

    /// Bytes that can be used of it.
    pub(crate) fn size(&self) -> usize {
        block_size(self.class)
    }

    pub(crate) fn free(self) {
        // SAFETY: allocated in `new` with the same layout; `self` is consumed.
        unsafe { dealloc(self.ptr.as_ptr(), Self::layout(self.class)) };
    }

    fn layout(class: u8) -> Layout {
        Layout::from_size_align(block_size(class), ENTRY_ALIGN).expect("at most a few MiB")
    }
}

/// A block that held an entry. When this is dropped, also after a panic in the value's destructor,
/// the memory is wiped and freed.
pub(crate) struct UsedBlock {
    block: Option<Block>,
    len: usize,
}

impl UsedBlock {
    /// # Safety
    ///
    /// - `ptr` and `class` are those of a [`Block`] that was not freed.
    /// - No other thread can reach its memory.
    /// - Nothing outside its first `len` bytes was written.
    #[inline]
    pub(crate) unsafe fn new(ptr: NonNull<u8>, class: u8, len: usize) -> Self {
        debug_assert!(len <= block_size(class));
        Self {
            block: Some(Block { ptr, class }),
            len,
        }
    }

    /// Overwrites the entry with zeros, in a way that the compiler cannot leave out.
    #[inline]
    pub(crate) fn wipe(&mut self) -> Option<Block> {
        let block = self.block.take()?;
        pause_point("wipe");
        let words = block.ptr.cast::<u64>();
        for i in 0..self.len.div_ceil(8) {
            // SAFETY: by the contract of `new` the memory is ours alone and this long. Blocks are
            // aligned to 16 and a multiple of 8 bytes long, so the last word is whole.
            unsafe { words.add(i).write_volatile(0) };
        }
        Some(block)
    }
}

impl Drop for UsedBlock {
    fn drop(&mut self) {
        if let Some(block) = self.wipe() {
            block.free();
        }
    }
}

/// What glibc's allocator keeps beside each block: blocks of so much less than a multiple of 16 lie
/// in memory without gaps. Other allocators round up anyway.
const ALLOCATORS_OWN: usize = 8;

/// Up to here every multiple of 16 bytes is a size class; above, four classes for each doubling.
const FINE: usize = 1024;
const FINE_CLASSES: usize = FINE / ENTRY_ALIGN;

/// Number of size classes: 64 fine ones, and four for each doubling up to 2 MiB.
pub(crate) const CLASSES: usize = FINE_CLASSES + 4 * 11;

/// The smallest size class whose blocks hold `size` bytes.
#[inline]
pub(crate) fn class_of(size: usize) -> u8 {
    let size = size + ALLOCATORS_OWN;
    let class = if size <= FINE {
        size.div_ceil(ENTRY_ALIGN) - 1
    } else {
        let doubling = (size - 1).ilog2(); // 10 for 1025..=2048
        let quarter = 1usize << (doubling - 2);
        let quarters = (size - (1 << doubling)).div_ceil(quarter); // 1..=4
        FINE_CLASSES + (doubling as usize - 10) * 4 + quarters - 1
    };
    assert!(class < CLASSES, "the builder limits the encoded length");
    class as u8
}

/// Bytes that a block of this class takes, with what the allocator keeps beside it.
#[inline]
pub(crate) const fn class_size(class: u8) -> usize {
    let class = class as usize;
    if class < FINE_CLASSES {
        (class + 1) * ENTRY_ALIGN
    } else {
        let coarse = class - FINE_CLASSES;
        let base = FINE << (coarse / 4);
        base + base / 4 * (coarse % 4 + 1)
    }
}

/// Bytes of a block of this class that can be used.
pub(crate) const fn block_size(class: u8) -> usize {
    class_size(class) - ALLOCATORS_OWN
}

const _: () = assert!(class_size((CLASSES - 1) as u8) == 2 << 20);

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_size_class_is_the_smallest_that_holds_the_size() {
        for size in 1..(2 << 20) - ALLOCATORS_OWN {
            let (class, taken) = (class_of(size), size + ALLOCATORS_OWN);
            assert!(class_size(class) >= taken, "{size}");
            assert!(class == 0 || class_size(class - 1) < taken, "{size}");
        }
    }
}
