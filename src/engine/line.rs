//! A line: eight slots with pointers to entries, written once.
#![allow(unsafe_code)]

use std::marker::PhantomData;
use std::ptr::{self, NonNull};

use crate::engine::entry::{Entry, EntryRef, Unpublished};
use crate::engine::memory_block::ENTRY_ALIGN;
use crate::engine::prefetch::{prefetch, prefetch_all};
use crate::id::SessionId;
use crate::sync::RaceProbe;

/// Entries in one line.
pub(crate) const WIDTH: usize = 8;

/// Bytes of an entry that are brought near for its encoded bytes: most sessions without client
/// certificates end here.
const ENCODED_AHEAD: usize = 5 * 64;

/// The bits of a pointer to an entry that are free for a tag: on x86-64 the upper 16,
/// since no process has memory of its own there unless it asks for it by address; elsewhere the low
/// four.
const TAG_MASK: usize = if cfg!(target_arch = "x86_64") {
    !(usize::MAX >> 16)
} else {
    ENTRY_ALIGN - 1
};

/// A pointer to an entry, with some bits of its id's hash in place of those that are the same in
/// all such pointers; null for a free slot.
pub(crate) struct Tagged<V>(*mut Entry<V>);

/// One cache line of tagged pointers, among them free slots. Written before it is published, never
/// after. An entry keeps its slot for as long as it is in the table.
#[repr(align(64))]
pub(crate) struct Line<V> {
    slots: [Tagged<V>; WIDTH],
    probe: RaceProbe,
}

#[cfg(all(not(loom), target_pointer_width = "64"))]
const _: () = assert!(size_of::<Line<()>>() == 64);

/// The line that one cell of the table pointed to at the moment it was loaded.
pub(crate) struct LineSnapshot<'g, V> {
    index: usize,
    /// As the table had it; null for a line without entries.
    line: *mut Line<V>,
    _guard: PhantomData<&'g Line<V>>,
}

/// What the caller will read of the entry that is found.
#[derive(Clone, Copy)]
pub(crate) enum PrefetchHint {
    Header,
    /// The encoded bytes as well: they are asked for before the id is compared, so that the misses
    /// on both overlap.
    Encoded,
}

/// How a new line differs from the one that it replaces.
pub(crate) enum Change<V> {
    /// An entry is put into a slot: in place of the one there, or into a free one.
    Put(usize, Tagged<V>),
    /// The entries leave whose slots' bits are set.
    Drop(u8),
}

/// Where the id's hash leads: the line, and the tag of the entry's pointer in it.
#[derive(Clone, Copy)]
pub(crate) struct LineAddress {
    pub(crate) index: usize,
    tag: usize,
}

impl LineAddress {
    /// The high bits of the hash choose one of `lines` lines, the low ones are the tag.
    #[inline]
    pub(crate) fn new(hash: u64, lines: usize) -> Self {
        let index = (u128::from(hash) * lines as u128) >> 64;
        Self {
            index: index as usize,
            tag: (hash as usize).rotate_right(TAG_MASK.leading_ones()) & TAG_MASK,
        }
    }
}

impl<V> Line<V> {
    /// A line without entries, to be written by [`write`](Self::write).
    pub(crate) fn blank() -> Self {
        Self {
            slots: [Tagged::FREE; WIDTH],
            probe: RaceProbe::default(),
        }
    }

    /// Writes `old` with a change into `memory`.
    ///
    /// # Safety
    ///
    /// `memory` is a line that no other thread can reach, and not `old`.
    #[inline]
    pub(crate) unsafe fn write(
        mut memory: NonNull<Self>,
        old: &LineSnapshot<'_, V>,
        change: &Change<V>,
    ) {
        // SAFETY: by contract.
        let new = unsafe { memory.as_mut() };
        new.probe.write();
        let old = old
            .line()
            .map_or(&[Tagged::FREE; WIDTH], |line| &line.slots);
        match *change {
            Change::Put(slot, entry) => {
                new.slots = *old;
                new.slots[slot] = entry;
            }
            Change::Drop(leaving) => {
                new.slots = *old;
                for slot in slots_in(leaving) {
                    new.slots[slot] = Tagged::FREE;
                }
            }
        }
    }

    /// Says that a line is about to be used again, or freed, and that no other thread can reach it.
    pub(crate) fn end_of_life(&self) {
        self.probe.write();
    }

    /// Pointers to its entries.
    pub(crate) fn entries(&self) -> impl Iterator<Item = NonNull<Entry<V>>> {
        self.slots.iter().filter_map(|slot| slot.pointer())
    }
}

impl<'g, V> LineSnapshot<'g, V> {
    /// # Safety
    ///
    /// - `line` is null, or a line that was published before this call.
    /// - Neither the line nor its entries are reclaimed during `'g`.
    #[inline]
    pub(crate) unsafe fn new(index: usize, line: *mut Line<V>) -> Self {
        let snapshot = Self {
            index,
            line,
            _guard: PhantomData,
        };
        if let Some(line) = snapshot.line() {
            line.probe.read();
        }
        snapshot
    }

    #[inline(always)]
    fn line(&self) -> Option<&'g Line<V>> {
        // SAFETY: the contract of `new`.
        unsafe { self.line.as_ref() }
    }

    /// One pass over the tags without a branch, then a look at each entry whose tag matches: nearly
    /// always exactly the one.
    #[inline]
    pub(crate) fn find(
        &self,
        address: LineAddress,
        id: &SessionId,
        hint: PrefetchHint,
    ) -> Option<usize> {
        let line = self.line()?;
        let mut candidates = 0u32;
        for (i, slot) in line.slots.iter().enumerate() {
            candidates |= u32::from(slot.tag() == address.tag) << i;
        }
        while candidates != 0 {
            let i = candidates.trailing_zeros() as usize;
            if let Some(entry) = line.slots[i].pointer() {
                match hint {
                    // Its fixed part may begin in one cache line and end in the next.
                    PrefetchHint::Header => {
                        prefetch(entry.as_ptr().wrapping_byte_add(Entry::<V>::HEADER - 1))
                    }
                    PrefetchHint::Encoded => prefetch_all(entry.as_ptr(), ENCODED_AHEAD),
                }
                if self.entry(i).get().id() == id {
                    return Some(i);
                }
            }
            candidates &= candidates - 1;
        }
        None
    }

    /// The entry in a slot, unless that is free.
    #[inline]
    pub(crate) fn get(&self, slot: usize) -> Option<EntryRef<'g, V>> {
        let entry = self.line()?.slots[slot].pointer()?;
        // SAFETY: the contract of `LineSnapshot::new`.
        Some(unsafe { EntryRef::new(entry) })
    }

    /// The entry in a slot that is not free.
    #[inline]
    pub(crate) fn entry(&self, slot: usize) -> EntryRef<'g, V> {
        self.get(slot).expect("not a free slot")
    }

    /// The slots with entries, as bits.
    #[inline]
    pub(crate) fn occupied(&self) -> u8 {
        let bit = |(slot, entry): (usize, &Tagged<V>)| u8::from(!entry.0.is_null()) << slot;
        self.line()
            .map_or(0, |line| line.slots.iter().enumerate().map(bit).sum())
    }

    pub(crate) fn index(&self) -> usize {
        self.index
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.line.is_null()
    }

    /// The line as the table had it. The pointer may outlive the guard; what it points to may not.
    pub(crate) fn as_ptr(&self) -> *mut Line<V> {
        self.line
    }

    /// The slots of the entries for which `picks` holds, as bits.
    pub(crate) fn slots_where(&self, picks: impl Fn(EntryRef<'g, V>) -> bool) -> u8 {
        let bit = |slot| u8::from(picks(self.entry(slot))) << slot;
        slots_in(self.occupied()).map(bit).sum()
    }
}

/// The slots whose bits are set, in order.
pub(crate) fn slots_in(mut bits: u8) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let slot = (bits != 0).then(|| bits.trailing_zeros() as usize)?;
        bits &= bits - 1;
        Some(slot)
    })
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
