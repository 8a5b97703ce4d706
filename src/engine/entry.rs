//! An entry: id, expiry, value and encoded bytes in one allocation.
//!
//! Not aligned to a cache line: glibc's allocator takes 384 bytes for 256 that are aligned to 64, and 272
//! for as many that are not.
#![allow(unsafe_code)]

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::marker::PhantomData;
use std::ptr::{self, NonNull};

use crate::clock::Time;
use crate::id::SessionId;
use crate::sync::{RaceProbe, pause_point};

/// What allocators align everything to. More would cost some of them as much memory again.
pub(crate) const ENTRY_ALIGN: usize = 16;

/// The fixed part; the encoded bytes follow it in the same allocation.
///
/// Written before the entry is published, and never changed until it is reclaimed.
#[repr(C)]
pub(crate) struct Entry<V> {
    id: SessionId,
    class: u8,
    encoded_len: u32,
    expires_at: Time,
    probe: RaceProbe,
    value: V,
}

impl<V> Entry<V> {
    /// Bytes of the fixed part.
    pub(crate) const HEADER: usize = size_of::<Self>();

    const ALIGNED: () = assert!(
        align_of::<Self>() <= ENTRY_ALIGN,
        "values must not need more alignment than an entry has"
    );

    /// Writes an entry into `memory`.
    pub(crate) fn write(
        memory: Block,
        id: SessionId,
        expires_at: Time,
        value: V,
        encoded: &[u8],
    ) -> NonNull<Self> {
        const { Self::ALIGNED };
        assert!(Self::HEADER + encoded.len() <= memory.size());
        let entry: NonNull<Self> = memory.ptr.cast();
        let header = Self {
            id,
            class: memory.class,
            encoded_len: encoded.len() as u32,
            expires_at,
            probe: RaceProbe::default(),
            value,
        };
        // SAFETY: the block is ours alone, aligned to 16 and as long as asserted above, so that
        // both writes stay inside it; `encoded` is the caller's and cannot overlap it.
        unsafe {
            entry.write(header);
            pause_point("copy");
            ptr::copy_nonoverlapping(
                encoded.as_ptr(),
                Self::encoded_ptr(entry.as_ptr()),
                encoded.len(),
            );
            entry.as_ref().probe.write();
        }
        entry
    }

    /// Drops the value, overwrites the whole entry with zeros and hands its memory back.
    ///
    /// # Safety
    ///
    /// - `entry` came from [`write`](Self::write) and was not reclaimed before.
    /// - No other thread can reach it, now or later: it was never published, or its grace period
    ///   is over.
    pub(crate) unsafe fn reclaim(entry: NonNull<Self>) -> Block {
        /// Should the value's destructor panic, the memory is wiped nevertheless, and freed.
        struct Unwiped(Option<Block>, usize);
        impl Unwiped {
            fn wipe(&mut self) -> Option<Block> {
                let block = self.0.take()?;
                pause_point("wipe");
                // SAFETY: the block is ours alone and this long (both from the caller's contract).
                unsafe { wipe(block.ptr, self.1) };
                Some(block)
            }
        }
        impl Drop for Unwiped {
            fn drop(&mut self) {
                if let Some(block) = self.wipe() {
                    block.free();
                }
            }
        }
        // SAFETY: by contract the entry is initialised and ours alone.
        let header = unsafe { entry.as_ref() };
        header.probe.write();
        let block = Block {
            ptr: entry.cast(),
            class: header.class,
        };
        let mut unwiped = Unwiped(Some(block), Self::HEADER + header.encoded_len());
        // SAFETY: initialised by `write`, dropped nowhere else.
        unsafe { ptr::drop_in_place(&raw mut (*entry.as_ptr()).value) };
        unwiped.wipe().expect("not wiped yet")
    }

    fn encoded_ptr(entry: *mut Self) -> *mut u8 {
        entry.cast::<u8>().wrapping_add(Self::HEADER)
    }

    #[inline]
    pub(crate) fn id(&self) -> &SessionId {
        self.probe.read();
        &self.id
    }

    #[inline]
    pub(crate) fn encoded_len(&self) -> usize {
        self.encoded_len as usize
    }

    /// An entry may be used up to and including the time at which it expires.
    #[inline]
    pub(crate) fn is_expired(&self, now: Time) -> bool {
        now > self.expires_at
    }

    #[inline]
    pub(crate) fn expires_at(&self) -> Time {
        self.expires_at
    }

    /// Bytes that it takes, with what the allocator keeps beside it.
    #[inline]
    pub(crate) fn bytes(&self) -> usize {
        class_size(self.class)
    }
}

/// Reclaims entries and frees their memory; should a value's destructor panic, the others as well.
///
/// # Safety
///
/// As [`Entry::reclaim`], for each of them.
pub(crate) unsafe fn reclaim_all<V>(entries: impl Iterator<Item = NonNull<Entry<V>>>) {
    struct Rest<V, I: Iterator<Item = NonNull<Entry<V>>>>(I);
    impl<V, I: Iterator<Item = NonNull<Entry<V>>>> Rest<V, I> {
        fn reclaim(&mut self) {
            for entry in &mut self.0 {
                // SAFETY: the contract of `reclaim_all`.
                unsafe { Entry::reclaim(entry) }.free();
            }
        }
    }
    impl<V, I: Iterator<Item = NonNull<Entry<V>>>> Drop for Rest<V, I> {
        fn drop(&mut self) {
            self.reclaim();
        }
    }
    Rest(entries).reclaim();
}

/// A published entry, for as long as the guard `'g` keeps it from being reclaimed.
pub(crate) struct EntryRef<'g, V> {
    /// The allocation's own pointer: unlike a reference to the header, it reaches the bytes behind.
    entry: NonNull<Entry<V>>,
    _guard: PhantomData<&'g Entry<V>>,
}

impl<'g, V> EntryRef<'g, V> {
    /// # Safety
    ///
    /// `entry` came from [`Entry::write`], happens-before this call, and is not reclaimed during
    /// `'g`.
    #[inline]
    pub(crate) unsafe fn new(entry: NonNull<Entry<V>>) -> Self {
        Self {
            entry,
            _guard: PhantomData,
        }
    }

    #[inline]
    pub(crate) fn get(self) -> &'g Entry<V> {
        // SAFETY: the contract of `new`.
        unsafe { self.entry.as_ref() }
    }

    #[inline]
    pub(crate) fn value(self) -> &'g V {
        &self.get().value
    }

    #[inline]
    pub(crate) fn encoded(self) -> &'g [u8] {
        // SAFETY: `Entry::write` stored that many bytes behind the header, and by the contract of
        // `new` they do not change during `'g`.
        unsafe {
            std::slice::from_raw_parts(
                Entry::encoded_ptr(self.entry.as_ptr()),
                self.get().encoded_len(),
            )
        }
    }

    /// For retiring it. The pointer may outlive the guard; what it points to may not.
    pub(crate) fn as_non_null(self) -> NonNull<Entry<V>> {
        self.entry
    }
}

impl<V> Clone for EntryRef<'_, V> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<V> Copy for EntryRef<'_, V> {}

/// Zeroes memory in a way that the compiler cannot leave out.
///
/// # Safety
///
/// `len` bytes at `memory` are ours alone and aligned to 8; so is the rest of the last word.
unsafe fn wipe(memory: NonNull<u8>, len: usize) {
    let words = memory.cast::<u64>();
    for i in 0..len.div_ceil(8) {
        // SAFETY: by contract; blocks are multiples of 8 bytes, so the last word is whole.
        unsafe { words.add(i).write_volatile(0) };
    }
}

/// Memory for one entry, its contents all zero or never used.
#[derive(Debug)]
pub(crate) struct Block {
    ptr: NonNull<u8>,
    class: u8,
}

// SAFETY: a block is plain memory that belongs to whoever holds it.
unsafe impl Send for Block {}

impl Block {
    /// Allocates a block of a size class.
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

/// What glibc's allocator writes down beside each block: blocks of so much less than a multiple of 16
/// lie in memory without gaps. Others round up anyway.
const ALLOCATORS_OWN: usize = 8;

/// Up to here every multiple of 16 bytes is a size class; above, four classes for each doubling.
const FINE: usize = 1024;
const FINE_CLASSES: usize = FINE / ENTRY_ALIGN;

/// Number of size classes: 64 fine ones, and four for each doubling up to 2 MiB.
pub(crate) const CLASSES: usize = FINE_CLASSES + 4 * 11;

/// The smallest size class whose blocks hold `size` bytes.
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

    #[test]
    fn a_reclaimed_block_is_all_zero() {
        let id = SessionId::new(b"secret id").unwrap();
        let encoded = vec![0xA5; 333];
        let block = Block::new(class_of(Entry::<u64>::HEADER + encoded.len()));
        let entry = Entry::write(block, id, Time::NEVER, 0x5A5A_5A5A_5A5A_5A5Au64, &encoded);
        // SAFETY: never published.
        let block = unsafe { Entry::reclaim(entry) };
        // SAFETY: `write` initialised at least this much, `reclaim` overwrote it.
        let bytes = unsafe {
            std::slice::from_raw_parts(block.ptr.as_ptr(), Entry::<u64>::HEADER + encoded.len())
        };
        assert!(bytes.iter().all(|b| *b == 0));
        block.free();
    }
}
