//! The table of pointers to immutable lines.
#![allow(unsafe_code)]

use std::marker::PhantomData;
use std::ptr::{self, NonNull};

use super::entry::{ENTRY_ALIGN, Entry, EntryRef};
use super::readers::Pin;
use crate::id::SessionId;
use crate::sync::{AtomicPtr, Ordering, RaceProbe};

/// Entries in one line.
pub(crate) const WIDTH: usize = 8;

const TAG_MASK: usize = ENTRY_ALIGN - 1;

/// A pointer to an entry, with six bits of its id's hash in the low bits; null for a free slot.
pub(crate) struct Tagged<V>(*mut Entry<V>);

/// The contents of a line: entries first, free slots behind them.
pub(crate) type Slots<V> = [Tagged<V>; WIDTH];

/// One cache line of tagged pointers. Written before it is published, never after.
#[repr(align(64))]
pub(crate) struct Line<V> {
    slots: Slots<V>,
    probe: RaceProbe,
}

#[cfg(all(not(loom), target_pointer_width = "64"))]
const _: () = assert!(size_of::<Line<()>>() == 64);

pub(crate) struct Table<V> {
    /// Null stands for a line without entries.
    lines: Box<[AtomicPtr<Line<V>>]>,
}

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

/// What one line held at the moment it was loaded.
pub(crate) struct Snapshot<'g, V> {
    pub(crate) index: usize,
    pub(crate) line: *mut Line<V>,
    slots: Slots<V>,
    _guard: PhantomData<&'g Entry<V>>,
}

/// Where the id's hash leads: the line, and the tag of the entry's pointer in it.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    pub(crate) index: usize,
    tag: usize,
}

impl<V> Table<V> {
    pub(crate) fn new(lines: usize) -> Self {
        let empty = || AtomicPtr::new(ptr::null_mut());
        Self {
            lines: (0..lines).map(|_| empty()).collect(),
        }
    }

    pub(crate) fn lines(&self) -> usize {
        self.lines.len()
    }

    /// The high bits of the hash choose the line, the low ones are the tag.
    #[inline]
    pub(crate) fn place(&self, hash: u64) -> Place {
        let index = (u128::from(hash) * self.lines.len() as u128) >> 64;
        Place {
            index: index as usize,
            tag: hash as usize & TAG_MASK,
        }
    }

    #[inline]
    pub(crate) fn load<'g>(&self, index: usize, _guard: &'g impl Protection) -> Snapshot<'g, V> {
        // SeqCst: R2 of the protocol in `readers.rs`. Acquire (within SeqCst) pairs with the
        // Release of `publish`: the line and the entries it leads to were written before.
        let line = self.lines[index].load(Ordering::SeqCst);
        // SAFETY: a published line is valid until its grace period is over, which the guard rules
        // out during `'g`.
        let slots = match unsafe { line.as_ref() } {
            Some(line) => {
                line.probe.read();
                line.slots
            }
            None => [Tagged::FREE; WIDTH],
        };
        Snapshot {
            index,
            line,
            slots,
            _guard: PhantomData,
        }
    }

    /// Looks an id up. One pass over the tags without a branch, then a look at each entry whose
    /// tag matches: nearly always exactly the one.
    #[inline]
    pub(crate) fn find<'g>(
        &self,
        place: Place,
        id: &SessionId,
        guard: &'g impl Protection,
    ) -> Option<EntryRef<'g, V>> {
        let snapshot = self.load(place.index, guard);
        snapshot.find(place, id).map(|slot| snapshot.entry(slot))
    }

    /// Replaces a line by another in one step, if it is still the one that `expected` saw.
    ///
    /// Every change to the cache takes effect here.
    #[inline]
    pub(crate) fn publish(&self, expected: &Snapshot<'_, V>, new: *mut Line<V>) -> bool {
        // Release pairs with the load in `load`. The line cannot have been replaced by another
        // one at the same address in between: the snapshot's guard rules out its reuse.
        self.lines[expected.index]
            .compare_exchange(expected.line, new, Ordering::AcqRel, Ordering::Relaxed)
            .is_ok()
    }

    /// Takes the line out of a table that nobody else can reach any more.
    pub(crate) fn take_line(&mut self, index: usize) -> Option<NonNull<Line<V>>> {
        let line = &self.lines[index];
        let taken = NonNull::new(line.load(Ordering::Acquire));
        line.store(ptr::null_mut(), Ordering::Relaxed);
        taken
    }
}

impl<V> Line<V> {
    /// Writes a line into `memory`, or into a new allocation.
    ///
    /// # Safety
    ///
    /// `memory` came from here and no other thread can reach it.
    pub(crate) unsafe fn write(memory: Option<NonNull<Self>>, slots: Slots<V>) -> NonNull<Self> {
        match memory {
            None => NonNull::from(Box::leak(Box::new(Self {
                slots,
                probe: RaceProbe::default(),
            }))),
            Some(mut memory) => {
                // SAFETY: by contract it is a line that is ours alone.
                let line = unsafe { memory.as_mut() };
                line.probe.write();
                line.slots = slots;
                memory
            }
        }
    }

    /// # Safety
    ///
    /// `line` came from [`write`](Self::write) and no other thread can reach it.
    pub(crate) unsafe fn free(line: NonNull<Self>) {
        // SAFETY: by contract; it was made by `Box::new`.
        let line = unsafe { Box::from_raw(line.as_ptr()) };
        line.probe.write();
    }

    /// The entries of a line that no other thread can reach.
    pub(crate) fn entries(&self) -> impl Iterator<Item = NonNull<Entry<V>>> {
        self.slots.iter().filter_map(|slot| slot.pointer())
    }
}

impl<'g, V> Snapshot<'g, V> {
    #[inline]
    pub(crate) fn find(&self, place: Place, id: &SessionId) -> Option<usize> {
        let mut candidates = 0u32;
        for (i, slot) in self.slots.iter().enumerate() {
            candidates |= u32::from(slot.tag() == place.tag) << i;
        }
        while candidates != 0 {
            let i = candidates.trailing_zeros() as usize;
            if self.slots[i].pointer().is_some() && self.entry(i).get().id() == id {
                return Some(i);
            }
            candidates &= candidates - 1;
        }
        None
    }

    /// The entry in a slot that is not free.
    #[inline]
    pub(crate) fn entry(&self, slot: usize) -> EntryRef<'g, V> {
        let entry = self.slots[slot].pointer().expect("not a free slot");
        // SAFETY: it was in a published line at a moment when the guard `'g` was held already, and
        // is not reclaimed before that is dropped.
        unsafe { EntryRef::new(entry) }
    }

    pub(crate) fn len(&self) -> usize {
        let free = |slot: &Tagged<V>| slot.0.is_null();
        self.slots.iter().position(free).unwrap_or(WIDTH)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.line.is_null()
    }

    pub(crate) fn entries(&self) -> impl Iterator<Item = EntryRef<'g, V>> + '_ {
        (0..self.len()).map(|slot| self.entry(slot))
    }

    /// The line with another entry in `slot`; `slot` may be the first free one.
    pub(crate) fn with(&self, slot: usize, place: Place, entry: NonNull<Entry<V>>) -> Slots<V> {
        let mut slots = self.slots;
        slots[slot] = Tagged::new(entry, place.tag);
        slots
    }

    /// The line without the entries for which `leaves` holds.
    pub(crate) fn without(&self, mut leaves: impl FnMut(usize) -> bool) -> Slots<V> {
        let mut slots = [Tagged::FREE; WIDTH];
        let staying = (0..self.len()).filter(|slot| !leaves(*slot));
        for (to, from) in slots.iter_mut().zip(staying) {
            *to = self.slots[from];
        }
        slots
    }
}

impl<V> Tagged<V> {
    pub(crate) const FREE: Self = Self(ptr::null_mut());

    fn new(entry: NonNull<Entry<V>>, tag: usize) -> Self {
        debug_assert_eq!(entry.addr().get() & TAG_MASK, 0);
        Self(entry.as_ptr().map_addr(|address| address | tag))
    }

    #[inline(always)]
    fn tag(self) -> usize {
        self.0.addr() & TAG_MASK
    }

    #[inline(always)]
    fn pointer(self) -> Option<NonNull<Entry<V>>> {
        NonNull::new(self.0.map_addr(|address| address & !TAG_MASK))
    }

    pub(crate) fn is_free(self) -> bool {
        self.0.is_null()
    }
}

impl<V> Clone for Tagged<V> {
    #[inline(always)]
    fn clone(&self) -> Self {
        *self
    }
}

impl<V> Copy for Tagged<V> {}
