//! A line: a cache line of pointers to entries with their recency, changed in place.
#![allow(unsafe_code)]

use std::ptr::{self, NonNull};

use crate::engine::entry::{Entry, EntryRef, State, Unpublished};
use crate::engine::evict::recency::{LineRecency, WIDTH};
use crate::engine::memory_block::ENTRY_ALIGN;
use crate::engine::prefetch::{prefetch, prefetch_all};
use crate::engine::reclaim::pin::Pin;
use crate::id::SessionId;
use crate::sync::{AtomicPtr, Ordering};

/// Bytes of an entry that are brought near for its encoded bytes: most sessions without client
/// certificates end here.
const ENCODED_AHEAD: usize = 5 * 64;

/// The bits of a pointer to an entry that are free for a tag, since no process has memory of its
/// own there unless it asks for it by address: on x86-64 the upper 16, on ARM-64 eight below those
/// that its allocators and sanitizers use for tags of their own. Elsewhere the low four.
const TAG_MASK: usize = if cfg!(target_arch = "x86_64") {
    !(usize::MAX >> 16)
} else if cfg!(target_arch = "aarch64") {
    !(usize::MAX >> 16) & (usize::MAX >> 8)
} else {
    ENTRY_ALIGN - 1
};

/// A pointer to an entry, with some bits of its id's hash in place of those that are the same in
/// all such pointers; null for a free slot.
pub(crate) struct Tagged<V>(*mut Entry<V>);

/// An entry keeps its slot for as long as it is in the table.
#[repr(C, align(64))]
pub(crate) struct Line<V> {
    slots: [AtomicPtr<Entry<V>>; WIDTH],
    pub(crate) recency: LineRecency,
}

#[cfg(all(not(loom), target_pointer_width = "64"))]
const _: () = assert!(size_of::<Line<()>>() == 64);

/// What was in a slot when that was loaded, decided or not.
pub(crate) struct Occupant<'g, V> {
    pub(crate) slot: usize,
    tagged: Tagged<V>,
    pub(crate) entry: EntryRef<'g, V>,
}

/// What the caller will read of the entry that is found.
#[derive(Clone, Copy)]
pub(crate) enum PrefetchHint {
    Header,
    /// The encoded bytes as well: they are asked for before the id is compared, so that the misses
    /// on both overlap.
    Encoded,
}

/// Where the id's hash leads: the line, and the tag of the entry's pointer in it.
#[derive(Clone, Copy)]
pub(crate) struct LineAddress {
    pub(crate) index: usize,
    tag: usize,
}

impl LineAddress {
    /// The high bits of the hash choose one of `lines` lines, the low ones are the tag. That is not
    /// zero, as it is in a free slot.
    #[inline]
    pub(crate) fn new(hash: u64, lines: usize) -> Self {
        let index = (u128::from(hash) * lines as u128) >> 64;
        let tag = (hash as usize) << TAG_MASK.trailing_zeros() & TAG_MASK;
        Self {
            index: index as usize,
            tag: tag.max(1 << TAG_MASK.trailing_zeros()),
        }
    }
}

impl LineAddress {
    #[inline(always)]
    pub(crate) fn tag(self) -> usize {
        self.tag
    }
}

impl<V> Occupant<'_, V> {
    #[inline(always)]
    pub(crate) fn tag(&self) -> usize {
        self.tagged.tag()
    }
}

impl<V> Line<V> {
    pub(crate) fn new() -> Self {
        Self {
            slots: std::array::from_fn(|_| AtomicPtr::new(ptr::null_mut())),
            recency: LineRecency::new(),
        }
    }

    #[inline(always)]
    fn tagged(&self, slot: usize) -> Tagged<V> {
        // SeqCst: R2 of the protocol in `pin.rs`, and the second look of an insert. Acquire (within
        // SeqCst) pairs with the Release of `exchange`: the entry was written before.
        Tagged(self.slots[slot].load(Ordering::SeqCst))
    }

    /// What is in a slot, unless that is free. It is valid for as long as both the line and the pin
    /// are.
    #[inline(always)]
    pub(crate) fn load<'g>(&'g self, slot: usize, _pin: &'g Pin) -> Option<Occupant<'g, V>> {
        // SAFETY: it was in the table while the thread was pinned already, so its grace period
        // cannot be over before the pin is dropped.
        unsafe { Occupant::new(slot, self.tagged(slot)) }
    }

    /// The live entry of an id: one pass over the tags, then a look at each entry whose tag
    /// matches, which is nearly always exactly the one.
    #[inline]
    pub(crate) fn find<'g>(
        &'g self,
        address: LineAddress,
        id: &SessionId,
        hint: PrefetchHint,
        pin: &'g Pin,
    ) -> Option<Occupant<'g, V>> {
        self.with_tag(address.tag, pin).find(|found| {
            let pointer = found.entry.as_non_null().as_ptr();
            match hint {
                // Its fixed part may begin in one cache line and end in the next.
                PrefetchHint::Header => {
                    prefetch(pointer.wrapping_byte_add(Entry::<V>::HEADER - 1));
                }
                PrefetchHint::Encoded => prefetch_all(pointer, ENCODED_AHEAD),
            }
            let entry = found.entry.get();
            entry.id() == id && entry.state() == State::Live
        })
    }

    /// Entries whose id has this tag, in the order of their slots. All slots are loaded first, in
    /// one pass without a branch.
    #[inline(always)]
    pub(crate) fn with_tag<'g>(
        &'g self,
        tag: usize,
        _pin: &'g Pin,
    ) -> impl Iterator<Item = Occupant<'g, V>> {
        let seen: [_; WIDTH] = std::array::from_fn(|slot| self.tagged(slot));
        let mut matching = 0u32;
        for (slot, tagged) in seen.iter().enumerate() {
            matching |= u32::from(tagged.tag() == tag) << slot;
        }
        std::iter::from_fn(move || {
            let slot = (matching != 0).then(|| matching.trailing_zeros() as usize)?;
            matching &= matching - 1;
            // SAFETY: as in `load`.
            unsafe { Occupant::new(slot, seen[slot]) }
        })
    }

    /// All entries, decided or not.
    #[inline]
    pub(crate) fn occupants<'g>(&'g self, pin: &'g Pin) -> impl Iterator<Item = Occupant<'g, V>> {
        (0..WIDTH).filter_map(|slot| self.load(slot, pin))
    }

    /// The first free slot.
    #[inline]
    pub(crate) fn free_slot(&self) -> Option<usize> {
        // Relaxed: the exchange that fills the slot confirms it.
        (0..WIDTH).find(|slot| self.is_free(*slot))
    }

    /// The slots that are not free, as far as one look tells: the eighth bit of a byte for each, as
    /// their recency lies. Without a branch, for the clock hand.
    #[inline(always)]
    pub(crate) fn occupied(&self) -> u64 {
        let bit = |slot: usize| u64::from(!self.is_free(slot)) << (8 * slot + 7);
        (0..WIDTH).map(bit).sum()
    }

    #[inline(always)]
    fn is_free(&self, slot: usize) -> bool {
        self.slots[slot].load(Ordering::Relaxed).is_null()
    }

    /// Changes a slot, if it holds `old` (nothing, for a free one) still. Every change to the cache
    /// takes effect at one such exchange, or where the state of an entry is decided.
    ///
    /// It cannot take a newer entry for `old`: that would have to have the same address, and the
    /// pin with which `old` was loaded rules out that the address is used again. A free slot needs
    /// no such protection: it is free, no matter what was in it.
    ///
    /// # Safety
    ///
    /// - `old` came from this slot.
    /// - `new` is [`Tagged::FREE`], or an entry that is not published; after a success it belongs
    ///   to the table.
    #[inline]
    pub(crate) unsafe fn exchange(
        &self,
        slot: usize,
        old: Option<Occupant<'_, V>>,
        new: Tagged<V>,
    ) -> bool {
        let old = old.map_or(Tagged::FREE, |old| old.tagged);
        // SeqCst for the second look of an insert. Release pairs with the load in `tagged`.
        self.slots[slot]
            .compare_exchange(old.0, new.0, Ordering::SeqCst, Ordering::Relaxed)
            .is_ok()
    }

    /// Takes the pointers out of a line that no other thread can reach any more.
    pub(crate) fn drain(&mut self) -> impl Iterator<Item = NonNull<Entry<V>>> {
        self.slots.iter().filter_map(|slot| {
            let tagged = Tagged(slot.load(Ordering::Acquire));
            slot.store(ptr::null_mut(), Ordering::Relaxed);
            tagged.pointer()
        })
    }
}

impl<'g, V> Occupant<'g, V> {
    /// None for a free slot.
    ///
    /// # Safety
    ///
    /// `tagged` was loaded from this slot, or published in it, by a thread that was pinned then and
    /// stays so during `'g`.
    #[inline(always)]
    pub(crate) unsafe fn new(slot: usize, tagged: Tagged<V>) -> Option<Self> {
        let entry = tagged.pointer()?;
        Some(Self {
            slot,
            tagged,
            // SAFETY: the contract.
            entry: unsafe { EntryRef::new(entry) },
        })
    }
}

impl<V> Tagged<V> {
    pub(crate) const FREE: Self = Self(ptr::null_mut());

    pub(crate) fn new(entry: &Unpublished<V>, address: LineAddress) -> Self {
        let entry = entry.as_non_null();
        assert_eq!(entry.addr().get() & TAG_MASK, 0, "no room for a tag");
        Self(entry.as_ptr().map_addr(|bits| bits | address.tag))
    }

    #[inline(always)]
    fn tag(self) -> usize {
        self.0.addr() & TAG_MASK
    }

    #[inline(always)]
    fn pointer(self) -> Option<NonNull<Entry<V>>> {
        NonNull::new(self.0.map_addr(|bits| bits & !TAG_MASK))
    }
}

impl<V> Clone for Tagged<V> {
    #[inline(always)]
    fn clone(&self) -> Self {
        *self
    }
}

impl<V> Copy for Tagged<V> {}

impl<V> Clone for Occupant<'_, V> {
    #[inline(always)]
    fn clone(&self) -> Self {
        *self
    }
}

impl<V> Copy for Occupant<'_, V> {}
