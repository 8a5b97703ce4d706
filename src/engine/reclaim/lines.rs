//! Memory for lines: slabs that live as long as the cache, since an allocator would spend as much
//! again on each line to align it.
#![allow(unsafe_code)]

use std::cell::UnsafeCell;
use std::collections::TryReserveError;
use std::mem::MaybeUninit;
use std::ptr::NonNull;

use crate::engine::line::Line;
use crate::lockfree::Stack;
use crate::sync::{AtomicUsize, Ordering, pause_point};

/// Lines in a batch: as many move between a writer and the store at a time.
pub(crate) const BATCH: usize = if cfg!(loom) { 1 } else { 64 };

/// Where writers get lines from, and where they leave those that they have too many of.
///
/// Lines are never given back to the allocator: there are as many as the table has cells, or as
/// were in use (published, retired, or spare with a writer) at one time, whichever is more.
pub(crate) struct LineStore<V> {
    /// One line for each place in the table. Untouched pages of it cost nothing.
    first: Slab<V>,
    /// Lines of `first` that have been handed out.
    used: AtomicUsize,
    /// Slabs that were needed beyond the first.
    more: Stack<Slab<V>>,
    spare: Stack<Vec<Spare<V>>>,
}

/// A line that only the owner of this can reach.
pub(crate) struct Spare<V>(NonNull<Line<V>>);

/// Not a box: moving one would claim that no other pointers lead into it.
type Slab<V> = Vec<UnsafeCell<MaybeUninit<Line<V>>>>;

impl<V> LineStore<V> {
    pub(crate) fn new(lines: usize) -> Result<Self, TryReserveError> {
        Ok(Self {
            first: slab(lines)?,
            used: AtomicUsize::new(0),
            more: Stack::new(),
            spare: Stack::new(),
        })
    }

    /// Fills an empty list of spare lines. Lock-free.
    pub(crate) fn supply(&self, lines: &mut Vec<Spare<V>>) {
        if let Some(batch) = self.spare.pop() {
            *lines = batch;
            return;
        }
        if self.used.load(Ordering::Relaxed) < self.first.len() {
            // Relaxed: each number is handed out once in any case.
            let start = self.used.fetch_add(BATCH, Ordering::Relaxed);
            let end = (start + BATCH).min(self.first.len());
            if start < end {
                lines.extend(self.first[start..end].iter().map(Spare::new));
                return;
            }
        }
        pause_point("allocate");
        let slab = slab(BATCH).expect("memory for 64 lines");
        lines.extend(slab.iter().map(Spare::new));
        self.more.push(slab);
    }

    /// Takes spare lines back, for others.
    pub(crate) fn take_back(&self, lines: Vec<Spare<V>>) {
        self.spare.push(lines);
    }
}

fn slab<V>(lines: usize) -> Result<Slab<V>, TryReserveError> {
    let mut slab = Vec::new();
    slab.try_reserve_exact(lines)?;
    // Compiles to nothing: the memory is not touched.
    slab.resize_with(lines, || UnsafeCell::new(MaybeUninit::uninit()));
    Ok(slab)
}

impl<V> Spare<V> {
    /// Called once for each line of a slab, when it is handed out for the first time.
    fn new(memory: &UnsafeCell<MaybeUninit<Line<V>>>) -> Self {
        let line = NonNull::new(memory.get().cast::<Line<V>>()).expect("not null");
        // SAFETY: handed out just now, so it is ours alone; the slab outlives the cache's last line
        // and does not move.
        unsafe { line.write(Line::blank()) };
        Self(line)
    }

    /// Takes a line that this thread has retired, or never published.
    ///
    /// # Safety
    ///
    /// `line` came from [`into_inner`](Self::into_inner) of the same cache, and no thread can reach
    /// it: it was never published, or its grace period is over.
    pub(crate) unsafe fn from_inner(line: NonNull<Line<V>>) -> Self {
        // SAFETY: by contract.
        unsafe { line.as_ref() }.end_of_life();
        Self(line)
    }

    pub(crate) fn into_inner(self) -> NonNull<Line<V>> {
        self.0
    }
}

// SAFETY: a spare line is plain memory that belongs to its owner.
unsafe impl<V> Send for Spare<V> {}
// SAFETY: the store hands each line to one thread, see `supply`; it reads none of them.
unsafe impl<V> Sync for LineStore<V> {}
// SAFETY: as above.
unsafe impl<V> Send for LineStore<V> {}
