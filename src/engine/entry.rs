//! An entry: id, expiry, value and encoded bytes in one allocation.
//!
//! Not aligned to a cache line: glibc's allocator takes 384 bytes for 256 that are aligned to 64,
//! and 272 for as many that are not.
#![allow(unsafe_code)]

use std::marker::PhantomData;
use std::mem;
use std::ptr::{self, NonNull};

use crate::clock::Time;
use crate::engine::memory_block::{Block, ENTRY_ALIGN, UsedBlock, class_size};
use crate::id::SessionId;
use crate::sync::{RaceProbe, pause_point};

/// The fixed part; the encoded bytes follow it in the same allocation.
///
/// Written before the entry is published, and never changed until it is reclaimed.
#[repr(C)]
pub(crate) struct Entry<V> {
    // First, since evictions look at these three alone: so that they share a cache line.
    expires_at: Time,
    encoded_len: u32,
    /// What the value owns elsewhere, in units of 16 bytes: so the header grows by nothing.
    value_units: u16,
    class: u8,
    id: SessionId,
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

    /// Drops the value, overwrites the whole entry with zeros and hands its memory back.
    ///
    /// # Safety
    ///
    /// - `entry` came from [`Unpublished::write`] and was not reclaimed before.
    /// - No other thread can reach it, now or later: it was never published, or its grace period
    ///   is over.
    pub(crate) unsafe fn reclaim(entry: NonNull<Self>) -> Block {
        // SAFETY: by contract the entry is initialised and ours alone.
        let header = unsafe { entry.as_ref() };
        header.probe.write();
        let len = Self::HEADER + header.encoded_len();
        // SAFETY: `write` put `len` bytes into a block of this class, which is ours alone.
        let mut used = unsafe { UsedBlock::new(entry.cast(), header.class, len) };
        // SAFETY: initialised by `write`, dropped nowhere else.
        unsafe { ptr::drop_in_place(&raw mut (*entry.as_ptr()).value) };
        used.wipe().expect("not wiped yet")
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

    /// Bytes of its own allocation, with what the allocator keeps beside it.
    #[inline]
    pub(crate) fn allocated_bytes(&self) -> usize {
        class_size(self.class)
    }

    /// Bytes that it takes in all, with what its value owns elsewhere.
    #[inline]
    pub(crate) fn bytes(&self) -> usize {
        self.allocated_bytes() + usize::from(self.value_units) * VALUE_UNIT
    }
}

/// What entries count their values' bytes in.
const VALUE_UNIT: usize = 16;

/// The bytes that a value owns outside its entry, as an entry counts them: in whole units, and no
/// more than 1 MiB.
pub(crate) fn counted_value_bytes(bytes: usize) -> usize {
    bytes.div_ceil(VALUE_UNIT).min(u16::MAX.into()) * VALUE_UNIT
}

/// An entry that no other thread can reach yet. One that is dropped instead of published (a thread
/// that panics, say) is wiped and freed.
pub(crate) struct Unpublished<V>(NonNull<Entry<V>>);

impl<V> Unpublished<V> {
    /// Writes an entry into `memory`.
    pub(crate) fn write(
        memory: Block,
        id: SessionId,
        expires_at: Time,
        value: V,
        value_bytes: usize,
        encoded: &[u8],
    ) -> Self {
        const { Entry::<V>::ALIGNED };
        assert!(Entry::<V>::HEADER + encoded.len() <= memory.size());
        let entry: NonNull<Entry<V>> = memory.as_ptr().cast();
        let header = Entry {
            id,
            class: memory.class(),
            value_units: (counted_value_bytes(value_bytes) / VALUE_UNIT) as u16,
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
                Entry::encoded_ptr(entry.as_ptr()),
                encoded.len(),
            );
            entry.as_ref().probe.write();
        }
        Self(entry)
    }

    pub(crate) fn bytes(&self) -> usize {
        // SAFETY: initialised by `write`, and ours.
        unsafe { self.0.as_ref() }.bytes()
    }

    pub(crate) fn as_non_null(&self) -> NonNull<Entry<V>> {
        self.0
    }

    /// Leaves the entry to the table, in which it is published by now.
    pub(crate) fn into_published(self) {
        mem::forget(self);
    }

    /// Drops the value, overwrites the entry with zeros and hands its memory back.
    pub(crate) fn discard(self) -> Block {
        let entry = self.0;
        mem::forget(self);
        // SAFETY: from `write`, never published, and reclaimed here only.
        unsafe { Entry::reclaim(entry) }
    }
}

impl<V> Drop for Unpublished<V> {
    fn drop(&mut self) {
        // SAFETY: from `write`, never published, and reclaimed here only.
        unsafe { Entry::reclaim(self.0) }.free();
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
    /// - `entry` came from [`Unpublished::write`], which happens before this call.
    /// - It is not reclaimed during `'g`.
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
        // SAFETY: `Unpublished::write` stored that many bytes behind the header, and by the
        // contract of `new` they do not change during `'g`.
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

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::engine::memory_block::class_of;

    #[test]
    fn a_reclaimed_block_is_all_zero() {
        let id = SessionId::new(b"secret id").unwrap();
        let encoded = vec![0xA5; 333];
        let block = Block::new(class_of(Entry::<u64>::HEADER + encoded.len()));
        let entry = Unpublished::write(
            block,
            id,
            Time::NEVER,
            0x5A5A_5A5A_5A5A_5A5Au64,
            0,
            &encoded,
        );
        let block = entry.discard();
        // SAFETY: `write` initialised at least this much, `reclaim` overwrote it.
        let bytes = unsafe {
            std::slice::from_raw_parts(
                block.as_ptr().as_ptr(),
                Entry::<u64>::HEADER + encoded.len(),
            )
        };
        assert!(bytes.iter().all(|b| *b == 0));
        block.free();
    }
}
