//! An entry: id, expiry, value and encoded bytes in one allocation.
//!
//! Not aligned to a cache line: glibc's allocator takes 384 bytes for 256 that are aligned to 64,
//! and 272 for as many that are not.
#![allow(unsafe_code)]

use std::marker::PhantomData;
use std::mem;
use std::ptr::{self, NonNull};

use crate::clock::Time;
use crate::engine::memory_block::{Block, ENTRY_ALIGN, UsedBlock, class_of, class_size};
use crate::id::SessionId;
use crate::lockfree::drop_all;
use crate::sync::{AtomicU8, Ordering, RaceProbe, pause_point};

/// The fixed part; the encoded bytes follow it in the same allocation.
///
/// But for the state, it is written before the entry is published, and never changed until the
/// entry is reclaimed.
#[repr(C)]
pub(crate) struct Entry<V> {
    expires_at: Time,
    id: SessionId,
    state: AtomicU8,
    encoded_len: U24,
    value_bytes: U24,
    probe: RaceProbe,
    value: mem::ManuallyDrop<V>,
}

/// The bytes of a value outside its entry, at most.
pub(crate) const MAX_VALUE_BYTES: usize = (1 << 24) - 1;

/// Three bytes each, so that the header of an entry with a pointer for its value takes 56.
#[derive(Clone, Copy)]
struct U24([u8; 3]);

/// What an entry is to readers. It leaves `Undecided` once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum State {
    /// Published, but not yet known to be the only one of its id.
    Undecided,
    Live,
    /// Another entry of this id was there: this one never counted.
    Dead,
    /// Dead, and its owner has moved the value out.
    Emptied,
}

impl U24 {
    #[inline]
    fn new(n: usize) -> Self {
        let [low, middle, high, ..] = n.to_le_bytes();
        Self([low, middle, high])
    }

    #[inline(always)]
    fn get(self) -> usize {
        let Self([low, middle, high]) = self;
        usize::from(low) | usize::from(middle) << 8 | usize::from(high) << 16
    }
}

impl State {
    #[inline(always)]
    fn from_bits(bits: u8) -> Self {
        match bits {
            0 => Self::Undecided,
            1 => Self::Live,
            2 => Self::Dead,
            _ => Self::Emptied,
        }
    }
}

impl<V> Entry<V> {
    /// Bytes of the fixed part.
    pub(crate) const HEADER: usize = size_of::<Self>();

    const ALIGNED: () = assert!(
        align_of::<Self>() <= ENTRY_ALIGN,
        "values must not need more alignment than an entry has"
    );

    /// The size class of an entry with `encoded_len` encoded bytes.
    #[inline]
    pub(crate) fn class(encoded_len: usize) -> u8 {
        class_of(Self::HEADER + encoded_len)
    }

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
        let (len, state) = (header.encoded_len(), header.state());
        // SAFETY: `write` put header and encoding into a block of this class, which is ours alone.
        let mut used =
            unsafe { UsedBlock::new(entry.cast(), Self::class(len), Self::HEADER + len) };
        if state != State::Emptied {
            // SAFETY: initialised by `write`, not moved out, dropped nowhere else.
            unsafe { mem::ManuallyDrop::drop(&mut (*entry.as_ptr()).value) };
        }
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
        self.encoded_len.get()
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

    /// Bytes that it holds: its allocation, what the allocator keeps beside that, and what the
    /// value holds elsewhere.
    #[inline]
    pub(crate) fn bytes(&self) -> usize {
        class_size(Self::class(self.encoded_len())) + self.value_bytes()
    }

    /// Bytes that the value holds outside the entry.
    #[inline]
    pub(crate) fn value_bytes(&self) -> usize {
        self.value_bytes.get()
    }

    /// SeqCst, as the loads of slots are: the operations on several ids have one order.
    #[inline(always)]
    pub(crate) fn state(&self) -> State {
        State::from_bits(self.state.load(Ordering::SeqCst))
    }

    /// Decides an entry, unless another thread has. Any thread may.
    pub(crate) fn decide(&self, state: State) {
        let (undecided, state) = (State::Undecided as u8, state as u8);
        let _decided_already =
            self.state
                .compare_exchange(undecided, state, Ordering::SeqCst, Ordering::SeqCst);
    }
}

/// An entry that no other thread can reach yet. One that is dropped instead of published (a thread
/// that panics, say) is wiped and freed.
pub(crate) struct Unpublished<V>(NonNull<Entry<V>>);

/// What an entry is made of.
#[derive(Clone, Copy)]
pub(crate) struct Parts<'a> {
    pub(crate) id: &'a SessionId,
    pub(crate) expires_at: Time,
    /// Head and tail, so that an adapter's own bytes need no copy with the session's.
    pub(crate) encoded: [&'a [u8]; 2],
}

impl Parts<'_> {
    pub(crate) fn encoded_len(&self) -> usize {
        let [head, tail] = self.encoded;
        head.len() + tail.len()
    }
}

impl<V> Unpublished<V> {
    /// Writes an entry into `memory`.
    pub(crate) fn write(memory: Block, parts: Parts<'_>, value: V, value_bytes: usize) -> Self {
        const { Entry::<V>::ALIGNED };
        let ([head, tail], len) = (parts.encoded, parts.encoded_len());
        assert_eq!(memory.class(), Entry::<V>::class(len));
        let entry: NonNull<Entry<V>> = memory.as_ptr().cast();
        let header = Entry {
            expires_at: parts.expires_at,
            id: *parts.id,
            state: AtomicU8::new(State::Undecided as u8),
            encoded_len: U24::new(len),
            value_bytes: U24::new(value_bytes),
            probe: RaceProbe::default(),
            value: mem::ManuallyDrop::new(value),
        };
        // SAFETY: the block is ours alone, aligned to 16 and of the class asserted above, so that
        // all writes stay inside it; head and tail are the caller's and cannot overlap it.
        unsafe {
            entry.write(header);
            pause_point("copy");
            let encoded = Entry::encoded_ptr(entry.as_ptr());
            ptr::copy_nonoverlapping(head.as_ptr(), encoded, head.len());
            ptr::copy_nonoverlapping(tail.as_ptr(), encoded.add(head.len()), tail.len());
            entry.as_ref().probe.write();
        }
        Self(entry)
    }

    /// Says in which state it will be published: live if it takes the place of a live entry of its
    /// id, undecided otherwise.
    pub(crate) fn set_state(&mut self, state: State) {
        // SAFETY: initialised by `write`, and ours. Relaxed: its publication releases it.
        let entry = unsafe { self.0.as_ref() };
        entry.state.store(state as u8, Ordering::Relaxed);
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
    // SAFETY: the contract.
    drop_all(entries.map(|entry| Unpublished(entry)));
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

    /// Of an entry that is live, or was.
    #[inline]
    pub(crate) fn value(self) -> &'g V {
        &self.get().value
    }

    /// Moves the value out of a dead entry.
    ///
    /// # Safety
    ///
    /// The calling thread published the entry, has found it dead, and does this once.
    pub(crate) unsafe fn take_value(self) -> V {
        let entry = self.get();
        // Relaxed: what reclaims the entry waits for this thread to unpin.
        entry.state.store(State::Emptied as u8, Ordering::Relaxed);
        // SAFETY: no thread reads the value of an entry that was never live, and it is not dropped
        // where the state says so.
        unsafe { ptr::read(&raw const *entry.value) }
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

    #[test]
    fn a_reclaimed_block_is_all_zero() {
        let id = SessionId::new(b"secret id").unwrap();
        let encoded = vec![0xA5; 333];
        let block = Block::new(Entry::<u64>::class(encoded.len()));
        let parts = Parts {
            id: &id,
            expires_at: Time::NEVER,
            encoded: encoded.split_at(100).into(),
        };
        let entry = Unpublished::write(block, parts, 0x5A5A_5A5A_5A5A_5A5Au64, 0);
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
