//! What writers keep: memory that left the table and waits, and memory that waited and is free.
//!
//! ```text
//! unlinked -> open -> (seal) -> waiting -> (grace period over) -> wiped -> spare -> used again
//!                                                                      \-> freed, if there is plenty
//! ```
//!
//! A grace period has two halves that run side by side from the moment of sealing: crossbeam-epoch
//! runs a closure that sets a flag once every *writer* that was pinned then has unpinned, and each
//! *reader* that was pinned then must be seen to have moved on (`readers.rs`). Then nobody can
//! reach what was unlinked before.
#![allow(unsafe_code)]

use std::ptr::NonNull;
use std::sync::Arc;

use crossbeam_epoch::Guard;

use super::entry::{Block, CLASSES, Entry, class_of};
use super::readers::Stragglers;
use super::table::{Line, Slots, Snapshot};
use crate::clock::Time;
use crate::id::SessionId;
use crate::sync::{AtomicBool, AtomicUsize, Ordering};

/// Retired objects that one grace period is started for. Small under loom, so that the rare branch
/// is common.
const BATCH: usize = if cfg!(loom) { 1 } else { 64 };

/// Spare lines, and spare entries, that one writer keeps at most.
pub(crate) const SPARE: usize = 4 * BATCH;

/// Bytes of spare entries that one writer keeps at most.
pub(crate) const SPARE_BYTES: usize = 256 << 10;

/// While a grace period lasts, every so many operations of a writer help crossbeam's epoch on.
const PATIENCE: u32 = 8;

/// What has been unlinked and not yet reclaimed, over all writers of one cache.
#[derive(Debug)]
pub(crate) struct Retired {
    objects: AtomicUsize,
    bytes: AtomicUsize,
}

impl Retired {
    pub(crate) fn new() -> Self {
        Self {
            objects: AtomicUsize::new(0),
            bytes: AtomicUsize::new(0),
        }
    }

    pub(crate) fn objects(&self) -> usize {
        self.objects.load(Ordering::Relaxed)
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }
}

/// One writer's memory. Belongs to one thread at a time, see `pool.rs`.
pub(crate) struct Writer<V> {
    open: Garbage<V>,
    waiting: Garbage<V>,
    /// Set by a closure that crossbeam-epoch runs when its grace period is over.
    writers_gone: Arc<AtomicBool>,
    stragglers: Stragglers,
    /// Operations since the epoch was last helped on.
    waited: u32,
    spare_lines: Vec<NonNull<Line<V>>>,
    spare_entries: SpareEntries,
}

impl<V> Writer<V> {
    pub(crate) fn new() -> Self {
        Self {
            open: Garbage::new(),
            waiting: Garbage::new(),
            writers_gone: Arc::new(AtomicBool::new(false)),
            stragglers: Stragglers::default(),
            waited: 0,
            spare_lines: Vec::new(),
            spare_entries: SpareEntries::new(),
        }
    }

    /// Writes an entry that nobody else can reach yet.
    pub(crate) fn write_entry(
        &mut self,
        id: SessionId,
        expires_at: Time,
        value: V,
        encoded: &[u8],
    ) -> NonNull<Entry<V>> {
        let class = class_of(Entry::<V>::HEADER + encoded.len());
        let block = self
            .spare_entries
            .pop(class)
            .unwrap_or_else(|| Block::new(class));
        Entry::write(block, id, expires_at, value, encoded)
    }

    /// Writes a line that nobody else can reach yet; null for one without entries.
    pub(crate) fn write_line(&mut self, slots: Slots<V>) -> *mut Line<V> {
        if slots[0].is_free() {
            return std::ptr::null_mut();
        }
        // SAFETY: spare lines are ours alone: discarded before they were published, or past their
        // grace period.
        unsafe { Line::write(self.spare_lines.pop(), slots).as_ptr() }
    }

    /// Takes back a line that was never published.
    pub(crate) fn discard_line(&mut self, line: *mut Line<V>) {
        if let Some(line) = NonNull::new(line) {
            self.keep_line(line);
        }
    }

    /// Takes back an entry that was never published, and drops its value.
    ///
    /// # Safety
    ///
    /// `entry` came from [`write_entry`](Self::write_entry) and was never published.
    pub(crate) unsafe fn discard_entry(&mut self, entry: NonNull<Entry<V>>) {
        // SAFETY: by contract.
        let block = unsafe { Entry::reclaim(entry) };
        self.spare_entries.push(block);
    }

    /// Takes a line that this thread has just replaced in the table.
    pub(crate) fn retire_line(&mut self, unlinked: &Snapshot<'_, V>, retired: &Retired) {
        if let Some(line) = NonNull::new(unlinked.line) {
            self.open.lines.push(line);
            retired.objects.fetch_add(1, Ordering::Relaxed);
            retired
                .bytes
                .fetch_add(size_of::<Line<V>>(), Ordering::Relaxed);
        }
    }

    /// Takes an entry that this thread has just unlinked from the table.
    pub(crate) fn retire_entry(
        &mut self,
        entry: NonNull<Entry<V>>,
        bytes: usize,
        retired: &Retired,
    ) {
        self.open.entries.push(entry);
        self.open.entry_bytes += bytes;
        retired.objects.fetch_add(1, Ordering::Relaxed);
        retired.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// One step: reclaims what has waited long enough, seals a full batch.
    #[inline]
    pub(crate) fn step(&mut self, guard: &Guard, retired: &Retired) {
        if !self.waiting.is_empty() {
            self.waited += 1;
            if self.waited.is_multiple_of(PATIENCE) && !self.writers_gone.load(Ordering::Relaxed) {
                // Helps the epoch on, and runs closures like ours that are due.
                guard.flush();
            }
            self.reclaim_waiting(retired);
        }
        if self.open.len() >= BATCH && self.waiting.is_empty() {
            self.seal(guard);
        }
    }

    /// As [`step`](Self::step), with batches of any size. Needs to be called again after `guard`
    /// was repinned, a few times over, for a grace period to pass.
    pub(crate) fn step_eagerly(&mut self, guard: &Guard, retired: &Retired) {
        guard.flush();
        if !self.waiting.is_empty() {
            self.reclaim_waiting(retired);
        }
        if !self.open.is_empty() && self.waiting.is_empty() {
            self.seal(guard);
        }
    }

    /// Starts a grace period for all that is in `open`.
    fn seal(&mut self, guard: &Guard) {
        std::mem::swap(&mut self.open, &mut self.waiting);
        self.waited = 0;
        self.stragglers.remember();
        // Relaxed: the closure that set it last ran before, and has been seen to (or this is the
        // first); the next one is handed over by crossbeam's own synchronisation.
        self.writers_gone.store(false, Ordering::Relaxed);
        let flag = Arc::clone(&self.writers_gone);
        // Release pairs with the Acquire in `reclaim_waiting`: crossbeam orders what the pinned
        // writers did before the closure, and the flag orders the closure before the reuse.
        guard.defer(move || flag.store(true, Ordering::Release));
        guard.flush();
    }

    fn reclaim_waiting(&mut self, retired: &Retired) {
        if !self.writers_gone.load(Ordering::Acquire) || !self.stragglers.all_gone() {
            return;
        }
        let lines = self.waiting.lines.len();
        retired
            .objects
            .fetch_sub(lines + self.waiting.entries.len(), Ordering::Relaxed);
        retired.bytes.fetch_sub(
            lines * size_of::<Line<V>>() + self.waiting.entry_bytes,
            Ordering::Relaxed,
        );
        self.waiting.entry_bytes = 0;
        while let Some(line) = self.waiting.lines.pop() {
            self.keep_line(line);
        }
        // One by one: should a value's destructor panic, the others are still here.
        while let Some(entry) = self.waiting.entries.pop() {
            // SAFETY: it was published once and unlinked by us once, before the batch was sealed;
            // its grace period is over.
            let block = unsafe { Entry::reclaim(entry) };
            self.spare_entries.push(block);
        }
    }

    fn keep_line(&mut self, line: NonNull<Line<V>>) {
        if self.spare_lines.len() < SPARE {
            self.spare_lines.push(line);
        } else {
            // SAFETY: never published, or past its grace period.
            unsafe { Line::free(line) };
        }
    }
}

impl<V> Drop for Writer<V> {
    /// Runs when the cache is dropped: no guard on it is left, so nothing is waiting for anybody.
    fn drop(&mut self) {
        for garbage in [&mut self.open, &mut self.waiting] {
            for line in garbage.lines.drain(..) {
                // SAFETY: unlinked, and no guard is left.
                unsafe { Line::free(line) };
            }
            for entry in garbage.entries.drain(..) {
                // SAFETY: unlinked, and no guard is left.
                unsafe { Entry::reclaim(entry) }.free();
            }
        }
        for line in self.spare_lines.drain(..) {
            // SAFETY: spare lines are ours alone.
            unsafe { Line::free(line) };
        }
    }
}

/// Unlinked lines and entries.
struct Garbage<V> {
    lines: Vec<NonNull<Line<V>>>,
    entries: Vec<NonNull<Entry<V>>>,
    entry_bytes: usize,
}

impl<V> Garbage<V> {
    fn new() -> Self {
        Self {
            lines: Vec::new(),
            entries: Vec::new(),
            entry_bytes: 0,
        }
    }

    fn len(&self) -> usize {
        self.lines.len() + self.entries.len()
    }

    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Wiped blocks that wait to be used again, by size class.
struct SpareEntries {
    classes: [Vec<Block>; CLASSES],
    count: usize,
    bytes: usize,
}

impl SpareEntries {
    fn new() -> Self {
        Self {
            classes: [const { Vec::new() }; CLASSES],
            count: 0,
            bytes: 0,
        }
    }

    fn pop(&mut self, class: u8) -> Option<Block> {
        let block = self.classes[usize::from(class)].pop()?;
        self.count -= 1;
        self.bytes -= block.size();
        Some(block)
    }

    fn push(&mut self, block: Block) {
        if self.count < SPARE && self.bytes + block.size() <= SPARE_BYTES {
            self.count += 1;
            self.bytes += block.size();
            self.classes[usize::from(block.class())].push(block);
        } else {
            block.free();
        }
    }
}

impl Drop for SpareEntries {
    fn drop(&mut self) {
        for class in &mut self.classes {
            class.drain(..).for_each(Block::free);
        }
    }
}
