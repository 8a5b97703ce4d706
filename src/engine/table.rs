//! The table of pointers to immutable lines.
#![allow(unsafe_code)]

use std::collections::TryReserveError;
use std::marker::PhantomData;
use std::ptr::{self, NonNull};

use crate::engine::entry::{ENTRY_ALIGN, Entry, EntryRef};
use crate::engine::evict::recency::Marks;
use crate::engine::prefetch::{prefetch, prefetch_all};
use crate::engine::reclaim::readers::Pin;
use crate::id::SessionId;
use crate::sync::{AtomicPtr, Ordering, RaceProbe};

/// Entries in one line.
pub(crate) const WIDTH: usize = 8;

/// Bytes of an entry that are brought near for its encoded bytes: most sessions without client
/// certificates end here.
const ENCODED_AHEAD: usize = 5 * 64;

/// The bits of a pointer to an entry that are free for a tag: on x86-64 the upper 16, since no process has
/// memory of its own there unless it asks for it by address; elsewhere the low four.
const TAG_MASK: usize = if cfg!(target_arch = "x86_64") {
    !(usize::MAX >> 16)
} else {
    ENTRY_ALIGN - 1
};

/// A pointer to an entry, with some bits of its id's hash in place of those that are the same in all such
/// pointers; null for a free slot.
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

pub(crate) struct Table<V> {
    places: Box<[LinePlace<V>]>,
}

/// Where the table keeps the pointer to a line, and the marks of its entries: a lookup has both with
/// one miss, and the hand finds out who is old without a look at lines or entries.
#[repr(align(16))]
struct LinePlace<V> {
    /// Null stands for a line without entries.
    line: AtomicPtr<Line<V>>,
    marks: Marks,
}

#[cfg(all(not(loom), target_pointer_width = "64"))]
const _: () = assert!(size_of::<LinePlace<()>>() == 16);

/// Proof that the calling thread holds back reclamation for as long as the value lives.
///
/// # Safety
///
/// While a value exists, no line or entry that was in a table at any time since it was made may be
/// reclaimed or recycled.
pub(crate) unsafe trait Protection {}

// SAFETY: writers wait for every pinned slot, see `readers.rs`.
unsafe impl Protection for Pin {}
// SAFETY: writers wait for a grace period of the collector that every such guard comes from (the
// engine makes guards in `writers.rs` only).
unsafe impl Protection for crossbeam_epoch::Guard {}

/// The line that was in one place of the table at the moment it was loaded.
pub(crate) struct Snapshot<'g, V> {
    index: usize,
    /// As the table had it; null for a line without entries.
    line: *mut Line<V>,
    _guard: PhantomData<&'g Line<V>>,
}

/// The id that an eviction must leave alone, and where it is if it is in the table.
#[derive(Clone, Copy)]
pub(crate) struct Keep<'a> {
    pub(crate) place: Place,
    pub(crate) id: &'a SessionId,
}

/// An entry, and its slot in the line.
pub(crate) struct Found<'g, V> {
    pub(crate) entry: EntryRef<'g, V>,
    pub(crate) slot: usize,
}

/// What will be looked at in the entry that is found.
#[derive(Clone, Copy)]
pub(crate) enum Want {
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
pub(crate) struct Place {
    pub(crate) index: usize,
    tag: usize,
}

impl<V> Table<V> {
    pub(crate) fn new(lines: usize) -> Result<Self, TryReserveError> {
        let mut places = Vec::new();
        places.try_reserve_exact(lines)?;
        places.resize_with(lines, || LinePlace {
            line: AtomicPtr::new(ptr::null_mut()),
            marks: Marks::new(),
        });
        Ok(Self {
            places: places.into_boxed_slice(),
        })
    }

    pub(crate) fn lines(&self) -> usize {
        self.places.len()
    }

    /// The marks of the entries in a line.
    #[inline(always)]
    pub(crate) fn marks(&self, index: usize) -> &Marks {
        &self.places[index].marks
    }

    /// Whether there is no entry in a line, as far as one can tell without looking at it.
    #[inline]
    pub(crate) fn is_vacant(&self, index: usize) -> bool {
        self.places[index].line.load(Ordering::Relaxed).is_null()
    }

    /// The high bits of the hash choose the line, the low ones are the tag.
    #[inline]
    pub(crate) fn place(&self, hash: u64) -> Place {
        let index = (u128::from(hash) * self.places.len() as u128) >> 64;
        Place {
            index: index as usize,
            tag: (hash as usize).rotate_right(TAG_MASK.leading_ones()) & TAG_MASK,
        }
    }

    #[inline]
    pub(crate) fn load<'g>(&self, index: usize, _guard: &'g impl Protection) -> Snapshot<'g, V> {
        // SeqCst: R2 of the protocol in `readers.rs`. Acquire (within SeqCst) pairs with the
        // Release of `publish`: the line and the entries it leads to were written before.
        let line = self.places[index].line.load(Ordering::SeqCst);
        let snapshot = Snapshot {
            index,
            line,
            _guard: PhantomData,
        };
        if let Some(line) = snapshot.line() {
            line.probe.read();
        }
        snapshot
    }

    /// Brings the pointer to a line near.
    #[inline]
    pub(crate) fn prefetch_place(&self, place: Place) {
        prefetch(&raw const self.places[place.index]);
    }

    /// Brings a line near that will be looked at soon.
    #[inline]
    pub(crate) fn prefetch_line(&self, index: usize) {
        // Loom would explore every value that this load may see.
        if !cfg!(loom) {
            prefetch(self.places[index].line.load(Ordering::Relaxed));
        }
    }

    #[inline]
    pub(crate) fn find<'g>(
        &self,
        place: Place,
        id: &SessionId,
        want: Want,
        guard: &'g impl Protection,
    ) -> Option<Found<'g, V>> {
        let snapshot = self.load(place.index, guard);
        let slot = snapshot.find(place, id, want)?;
        Some(Found {
            entry: snapshot.entry(slot),
            slot,
        })
    }

    /// Replaces a line by another in one step, if it is still the one that `expected` saw.
    ///
    /// Every change to the cache takes effect here.
    #[inline]
    pub(crate) fn publish(
        &self,
        expected: &Snapshot<'_, V>,
        new: Option<NonNull<Line<V>>>,
    ) -> bool {
        let new = new.map_or(ptr::null_mut(), NonNull::as_ptr);
        // Release pairs with the load in `load`. The line cannot have been replaced by another
        // one at the same address in between: the snapshot's guard rules out its reuse.
        self.places[expected.index]
            .line
            .compare_exchange(expected.line, new, Ordering::AcqRel, Ordering::Relaxed)
            .is_ok()
    }

    /// Takes the line out of a table that nobody else can reach any more.
    pub(crate) fn take_line(&mut self, index: usize) -> Option<NonNull<Line<V>>> {
        let line = &self.places[index].line;
        let taken = NonNull::new(line.load(Ordering::Acquire));
        line.store(ptr::null_mut(), Ordering::Relaxed);
        taken
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
        old: &Snapshot<'_, V>,
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

    /// Says that a line is about to be used again, or freed, and that nobody can reach it.
    pub(crate) fn end_of_life(&self) {
        self.probe.write();
    }

    /// Pointers to its entries.
    pub(crate) fn entries(&self) -> impl Iterator<Item = NonNull<Entry<V>>> {
        self.slots.iter().filter_map(|slot| slot.pointer())
    }
}

impl<'g, V> Snapshot<'g, V> {
    #[inline(always)]
    fn line(&self) -> Option<&'g Line<V>> {
        // SAFETY: a published line is valid until its grace period is over, which the guard of
        // `Table::load` rules out during `'g`.
        unsafe { self.line.as_ref() }
    }

    /// One pass over the tags without a branch, then a look at each entry whose tag matches: nearly
    /// always exactly the one.
    #[inline]
    pub(crate) fn find(&self, place: Place, id: &SessionId, want: Want) -> Option<usize> {
        let line = self.line()?;
        let mut candidates = 0u32;
        for (i, slot) in line.slots.iter().enumerate() {
            candidates |= u32::from(slot.tag() == place.tag) << i;
        }
        while candidates != 0 {
            let i = candidates.trailing_zeros() as usize;
            if let Some(entry) = line.slots[i].pointer() {
                match want {
                    // Its fixed part may begin in one cache line and end in the next.
                    Want::Header => {
                        prefetch(entry.as_ptr().wrapping_byte_add(Entry::<V>::HEADER - 1))
                    }
                    Want::Encoded => prefetch_all(entry.as_ptr(), ENCODED_AHEAD),
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
        // SAFETY: it was in a published line at a moment when the guard `'g` was held already, and
        // is not reclaimed before that is dropped.
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

    /// For retiring it. The pointer may outlive the guard; what it points to may not.
    pub(crate) fn as_non_null(&self) -> Option<NonNull<Line<V>>> {
        NonNull::new(self.line)
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

    pub(crate) fn new(entry: NonNull<Entry<V>>, place: Place) -> Self {
        assert_eq!(entry.addr().get() & TAG_MASK, 0, "no room for a tag");
        Self(entry.as_ptr().map_addr(|address| address | place.tag))
    }

    #[inline(always)]
    fn tag(self) -> usize {
        self.0.addr() & TAG_MASK
    }

    #[inline(always)]
    fn pointer(self) -> Option<NonNull<Entry<V>>> {
        NonNull::new(self.0.map_addr(|address| address & !TAG_MASK))
    }
}

impl<V> Clone for Tagged<V> {
    #[inline(always)]
    fn clone(&self) -> Self {
        *self
    }
}

impl<V> Copy for Tagged<V> {}
