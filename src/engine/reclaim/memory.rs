//! What a writer keeps: memory that left the table and waits, and memory that waited and is free.
//!
//! ```text
//! unlinked -> open -> (seal) -> waiting -> (grace period) -> over -> wiped -> spare -> used again
//!                                                                          \-> freed, if plenty
//! ```
//!
//! Sealing remembers the threads that are pinned; once each of them has been seen to move on
//! (`pin.rs`), no thread can reach what was unlinked before. What is over is wiped a few entries at
//! a time, so that no operation has to wait for a whole batch.
#![allow(unsafe_code)]

use std::mem;
use std::ptr::NonNull;

use crate::engine::entry::{self, Entry, EntryRef, Parts, Unpublished};
use crate::engine::memory_block::Block;
use crate::engine::prefetch::prefetch_all;
use crate::engine::reclaim::pin::PinnedThreads;
use crate::engine::reclaim::spares::SpareEntries;
use crate::sync::{AtomicUsize, Ordering};

/// Retired entries that one grace period is started for. Small under loom, so that the rare branch
/// is common.
const BATCH: usize = if cfg!(loom) { 1 } else { 256 };

/// Retired entries, and bytes of them, that a writer may keep to itself before it tells the cache's
/// gauges.
const UNREPORTED: isize = if cfg!(loom) { 1 } else { 64 };
const UNREPORTED_BYTES: isize = 256 << 10;

/// Entries that one operation wipes: more than it retires, so that the rest grows less.
const WIPED_PER_STEP: usize = 2;

/// Bytes of the entry to be wiped next that are brought near.
const WIPED_AHEAD: usize = 5 * 64;

/// What has been unlinked and not yet reclaimed, over all writers of one cache.
#[derive(Debug, Default)]
pub(crate) struct Retired {
    entries: AtomicUsize,
    bytes: AtomicUsize,
}

/// Entries and bytes that a writer has retired, less those that it has reclaimed.
#[derive(Default)]
struct Unreported {
    entries: isize,
    bytes: isize,
}

type List<V> = Vec<NonNull<Entry<V>>>;

/// One writer's memory. Belongs to one thread at a time, see `pool.rs`.
pub(crate) struct WriterMemory<V> {
    open: List<V>,
    waiting: List<V>,
    over: List<V>,
    /// Which `waiting` waits for.
    pinned: PinnedThreads,
    unreported: Unreported,
    spares: SpareEntries,
}

impl Retired {
    pub(crate) fn entries(&self) -> usize {
        not_below_zero(&self.entries)
    }

    pub(crate) fn bytes(&self) -> usize {
        not_below_zero(&self.bytes)
    }
}

/// A writer may report what it has reclaimed before another reports that it was retired.
fn not_below_zero(gauge: &AtomicUsize) -> usize {
    usize::try_from(gauge.load(Ordering::Relaxed) as isize).unwrap_or(0)
}

impl Unreported {
    fn report(&mut self, retired: &Retired) {
        let Self { entries, bytes } = mem::take(self);
        retired
            .entries
            .fetch_add(entries as usize, Ordering::Relaxed);
        retired.bytes.fetch_add(bytes as usize, Ordering::Relaxed);
    }

    #[inline]
    fn report_many(&mut self, retired: &Retired) {
        if self.entries.abs() >= UNREPORTED || self.bytes.abs() >= UNREPORTED_BYTES {
            self.report(retired);
        }
    }
}

impl<V> WriterMemory<V> {
    pub(crate) fn new() -> Self {
        Self {
            open: Vec::new(),
            waiting: Vec::new(),
            over: Vec::new(),
            pinned: PinnedThreads::default(),
            unreported: Unreported::default(),
            spares: SpareEntries::new(),
        }
    }

    /// Writes an entry that no other thread can reach yet.
    pub(crate) fn write_entry(
        &mut self,
        parts: Parts<'_>,
        value: V,
        value_bytes: usize,
    ) -> Unpublished<V> {
        let class = Entry::<V>::class(parts.encoded_len());
        let block = self.spares.pop(class).unwrap_or_else(|| Block::new(class));
        Unpublished::write(block, parts, value, value_bytes)
    }

    /// Takes back an entry that was not needed, and drops its value.
    pub(crate) fn discard_entry(&mut self, entry: Unpublished<V>) {
        self.spares.push(entry.discard());
    }

    /// Takes an entry that left the table.
    ///
    /// # Safety
    ///
    /// - The calling thread's exchange has just unlinked the entry.
    /// - It is retired once.
    pub(crate) unsafe fn retire(&mut self, entry: EntryRef<'_, V>, retired: &Retired) {
        self.open.push(entry.as_non_null());
        self.unreported.entries += 1;
        self.unreported.bytes += entry.get().bytes() as isize;
        self.unreported.report_many(retired);
    }

    /// One step: wipes a few entries that have waited long enough, seals a full batch.
    #[inline]
    pub(crate) fn step(&mut self, retired: &Retired) {
        if self.over.is_empty() && !self.waiting.is_empty() && self.pinned.grace_period_over() {
            mem::swap(&mut self.over, &mut self.waiting);
        }
        if self.waiting.is_empty() && self.open.len() >= BATCH {
            self.seal();
        }
        self.wipe(WIPED_PER_STEP, retired);
    }

    /// Reclaims all that it can; a batch of any size is sealed. Whether another call may reclaim
    /// more.
    pub(crate) fn step_eagerly(&mut self, retired: &Retired) -> bool {
        self.wipe(usize::MAX, retired);
        if self.pinned.grace_period_over() {
            mem::swap(&mut self.over, &mut self.waiting);
            self.wipe(usize::MAX, retired);
            if !self.open.is_empty() {
                self.seal();
            }
        }
        self.unreported.report(retired);
        !self.waiting.is_empty()
    }

    /// Frees spare memory that only a burst needs.
    pub(crate) fn trim(&mut self) {
        self.spares.trim();
    }

    /// Starts a grace period for all that is in `open`.
    fn seal(&mut self) {
        mem::swap(&mut self.open, &mut self.waiting);
        self.pinned.remember();
    }

    /// Reclaims entries whose grace period is over, one by one: should a value's destructor panic,
    /// the others are still here.
    #[inline]
    fn wipe(&mut self, at_most: usize, retired: &Retired) {
        for _ in 0..at_most {
            let Some(entry) = self.over.pop() else { return };
            if let Some(next) = self.over.last() {
                prefetch_all(next.as_ptr(), WIPED_AHEAD);
            }
            self.unreported.entries -= 1;
            // SAFETY: as below; only its size is looked at.
            self.unreported.bytes -= unsafe { entry.as_ref() }.bytes() as isize;
            self.unreported.report_many(retired);
            // SAFETY: it was published once and unlinked by us once, before the batch was sealed;
            // its grace period is over.
            self.spares.push(unsafe { Entry::reclaim(entry) });
        }
    }
}

impl<V> Drop for WriterMemory<V> {
    /// Runs when the cache is dropped: no guard on it is left, so no thread can reach anything.
    fn drop(&mut self) {
        let lists = [&mut self.open, &mut self.waiting, &mut self.over];
        let unlinked = lists.into_iter().flat_map(mem::take);
        // SAFETY: unlinked, and no guard is left.
        unsafe { entry::reclaim_all(unlinked) };
    }
}
