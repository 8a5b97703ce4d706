//! The table of pointers to immutable lines.
#![allow(unsafe_code)]

use std::collections::TryReserveError;
use std::ptr::{self, NonNull};

use crate::engine::entry::EntryRef;
use crate::engine::evict::recency::LineRecency;
use crate::engine::line::{Line, LineAddress, LineSnapshot, PrefetchHint};
use crate::engine::prefetch::prefetch;
use crate::engine::reclaim::protection::Protection;
use crate::id::SessionId;
use crate::sync::{AtomicPtr, Ordering};

pub(crate) struct Table<V> {
    cells: Box<[LineCell<V>]>,
}

/// Where the table keeps the pointer to a line, and the recency of its entries: a lookup has both
/// with one miss, and the clock hand finds old entries without a look at lines or entries.
#[repr(align(16))]
struct LineCell<V> {
    /// Null stands for a line without entries.
    line: AtomicPtr<Line<V>>,
    recency: LineRecency,
}

#[cfg(all(not(loom), target_pointer_width = "64"))]
const _: () = assert!(size_of::<LineCell<()>>() == 16);

/// An entry, and its slot in the line.
pub(crate) struct Found<'g, V> {
    pub(crate) entry: EntryRef<'g, V>,
    pub(crate) slot: usize,
}

impl<V> Table<V> {
    pub(crate) fn new(lines: usize) -> Result<Self, TryReserveError> {
        let mut cells = Vec::new();
        cells.try_reserve_exact(lines)?;
        cells.resize_with(lines, || LineCell {
            line: AtomicPtr::new(ptr::null_mut()),
            recency: LineRecency::new(),
        });
        Ok(Self {
            cells: cells.into_boxed_slice(),
        })
    }

    pub(crate) fn lines(&self) -> usize {
        self.cells.len()
    }

    /// The recency of the entries in a line.
    #[inline(always)]
    pub(crate) fn recency(&self, index: usize) -> &LineRecency {
        &self.cells[index].recency
    }

    /// Whether there is no entry in a line, as far as one can tell without looking at it.
    #[inline]
    pub(crate) fn is_vacant(&self, index: usize) -> bool {
        self.cells[index].line.load(Ordering::Relaxed).is_null()
    }

    #[inline]
    pub(crate) fn address(&self, hash: u64) -> LineAddress {
        LineAddress::new(hash, self.cells.len())
    }

    /// What it leads to is valid for as long as both the table and the guard are.
    #[inline]
    pub(crate) fn load<'g>(
        &'g self,
        index: usize,
        _guard: &'g impl Protection,
    ) -> LineSnapshot<'g, V> {
        // SeqCst: R2 of the protocol in `readers.rs`. Acquire (within SeqCst) pairs with the
        // Release of `publish`: the line and the entries it leads to were written before.
        let line = self.cells[index].line.load(Ordering::SeqCst);
        // SAFETY: it was in the table while the guard was held already, so its grace period and
        // those of its entries cannot be over before the guard is dropped; the memory of lines
        // lives as long as the engine.
        unsafe { LineSnapshot::new(index, line) }
    }

    /// Brings the pointer to a line near.
    #[inline]
    pub(crate) fn prefetch_cell(&self, address: LineAddress) {
        prefetch(&raw const self.cells[address.index]);
    }

    /// Brings a line near that will be looked at soon.
    #[inline]
    pub(crate) fn prefetch_line(&self, index: usize) {
        // Loom would explore every value that this load may see.
        if !cfg!(loom) {
            prefetch(self.cells[index].line.load(Ordering::Relaxed));
        }
    }

    #[inline]
    pub(crate) fn find<'g>(
        &'g self,
        address: LineAddress,
        id: &SessionId,
        hint: PrefetchHint,
        guard: &'g impl Protection,
    ) -> Option<Found<'g, V>> {
        let snapshot = self.load(address.index, guard);
        let slot = snapshot.find(address, id, hint)?;
        Some(Found {
            entry: snapshot.entry(slot),
            slot,
        })
    }

    /// Replaces a line by another in one step, if it is still the one that `expected` saw.
    ///
    /// Every change to the cache takes effect here.
    ///
    /// # Safety
    ///
    /// - `expected` was loaded from this table.
    /// - `new` is a line of this cache's store that no other thread can reach, written by
    ///   [`Line::write`] from `expected`.
    /// - An entry that `new` has and `expected` has not is published by this call only.
    #[inline]
    pub(crate) unsafe fn publish(
        &self,
        expected: &LineSnapshot<'_, V>,
        new: Option<NonNull<Line<V>>>,
    ) -> bool {
        let new = new.map_or(ptr::null_mut(), NonNull::as_ptr);
        // Release pairs with the load in `load`. The line cannot have been replaced by another
        // one at the same address in between: the snapshot's guard rules out its reuse.
        self.cells[expected.index()]
            .line
            .compare_exchange(expected.as_ptr(), new, Ordering::AcqRel, Ordering::Relaxed)
            .is_ok()
    }

    /// Takes the line out of a table that no other thread can reach any more.
    pub(crate) fn take_line(&mut self, index: usize) -> Option<NonNull<Line<V>>> {
        let line = &self.cells[index].line;
        let taken = NonNull::new(line.load(Ordering::Acquire));
        line.store(ptr::null_mut(), Ordering::Relaxed);
        taken
    }
}
