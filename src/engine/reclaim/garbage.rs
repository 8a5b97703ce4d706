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

use crate::clock::Time;
use crate::engine::entry::{self, Block, CLASSES, Entry};
use crate::engine::evict::clock_hand::Hand;
use crate::engine::reclaim::lines::{self, LineStore, Spare};
use crate::engine::reclaim::readers::PinnedReaders;
use crate::engine::table::{Change, Line, Snapshot};
use crate::id::SessionId;
use crate::sync::{AtomicBool, AtomicUsize, Ordering, pause_point};

/// Retired objects that one grace period is started for. Small under loom, so that the rare branch
/// is common.
const BATCH: usize = if cfg!(loom) { 1 } else { 256 };

/// Retired objects that a writer may keep to itself before it tells the cache's gauge.
const UNREPORTED: usize = if cfg!(loom) { 1 } else { 64 };

/// Spare lines, and spare entries, that one writer keeps at most.
const SPARE: usize = 2 * BATCH;

/// Bytes of spare entries that one writer keeps at most.
const SPARE_BYTES: usize = 256 << 10;

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

/// What a writer has just reclaimed.
struct Reclaimed<'a> {
    retired: &'a Retired,
    objects: usize,
    bytes: usize,
}

impl Drop for Reclaimed<'_> {
    fn drop(&mut self) {
        self.retired
            .objects
            .fetch_sub(self.objects, Ordering::Relaxed);
        self.retired.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// One writer's memory. Belongs to one thread at a time, see `pool.rs`.
pub(crate) struct Writer<V> {
    open: Garbage<V>,
    waiting: Garbage<V>,
    /// Set by a closure that crossbeam-epoch runs when its grace period is over.
    writers_gone: Arc<AtomicBool>,
    stragglers: PinnedReaders,
    /// Operations since the epoch was last helped on.
    waited: u32,
    /// Objects and bytes in `open` that the cache's gauge does not know of yet.
    unreported: (usize, usize),
    pub(crate) hand: Hand,
    spare_lines: Vec<Spare<V>>,
    spare_entries: SpareEntries,
}

impl<V> Writer<V> {
    pub(crate) fn new() -> Self {
        Self {
            open: Garbage::new(),
            waiting: Garbage::new(),
            writers_gone: Arc::new(AtomicBool::new(false)),
            stragglers: PinnedReaders::default(),
            waited: 0,
            unreported: (0, 0),
            hand: Hand::default(),
            spare_lines: Vec::new(),
            spare_entries: SpareEntries::new(),
        }
    }

    pub(crate) fn has_garbage(&self) -> bool {
        !(self.open.is_empty() && self.waiting.is_empty())
    }

    /// Gives its spare lines to others.
    pub(crate) fn return_lines(&mut self, store: &LineStore<V>) {
        if !self.spare_lines.is_empty() {
            store.take_back(std::mem::take(&mut self.spare_lines));
        }
    }

    /// Writes an entry that nobody else can reach yet, into a block of a class that holds it.
    pub(crate) fn write_entry(
        &mut self,
        class: u8,
        id: SessionId,
        expires_at: Time,
        value: V,
        encoded: &[u8],
    ) -> NonNull<Entry<V>> {
        let block = self
            .spare_entries
            .pop(class)
            .unwrap_or_else(|| Block::new(class));
        Entry::write(block, id, expires_at, value, encoded)
    }

    /// Writes a line that nobody else can reach yet.
    #[inline]
    pub(crate) fn write_line(
        &mut self,
        old: &Snapshot<'_, V>,
        change: &Change<V>,
        store: &LineStore<V>,
    ) -> NonNull<Line<V>> {
        if self.spare_lines.is_empty() {
            store.supply(&mut self.spare_lines);
        }
        let line = self.spare_lines.pop().expect("supplied").into_inner();
        // SAFETY: a spare line is ours alone.
        unsafe { Line::write(line, old, change) };
        line
    }

    /// Takes back a line that was never published.
    ///
    /// # Safety
    ///
    /// `line` came from [`write_line`](Self::write_line) and was never published.
    pub(crate) unsafe fn discard_line(&mut self, line: NonNull<Line<V>>) {
        // SAFETY: by contract.
        self.spare_lines.push(unsafe { Spare::from_inner(line) });
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
        if let Some(line) = unlinked.as_non_null() {
            self.open.lines.push(line);
            self.note(size_of::<Line<V>>(), retired);
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
        self.note(bytes, retired);
    }

    fn note(&mut self, bytes: usize, retired: &Retired) {
        self.unreported.0 += 1;
        self.unreported.1 += bytes;
        if self.unreported.0 >= UNREPORTED {
            self.report(retired);
        }
    }

    fn report(&mut self, retired: &Retired) {
        let (objects, bytes) = std::mem::take(&mut self.unreported);
        retired.objects.fetch_add(objects, Ordering::Relaxed);
        retired.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// One step: reclaims what has waited long enough, seals a full batch.
    #[inline]
    pub(crate) fn step(&mut self, guard: &Guard, retired: &Retired, store: &LineStore<V>) {
        if !self.waiting.is_empty() {
            self.waited += 1;
            if self.waited.is_multiple_of(PATIENCE) && !self.writers_gone.load(Ordering::Relaxed) {
                // Helps the epoch on, and runs closures like ours that are due.
                pause_point("flush");
                guard.flush();
            }
            self.reclaim_waiting(retired, store);
        }
        if self.open.len() >= BATCH && self.waiting.is_empty() {
            self.seal(guard, retired);
        }
    }

    /// As [`step`](Self::step), with batches of any size. Whether it is worth to be called again
    /// after `guard` was repinned: a grace period takes a few calls, but none passes while a reader
    /// stays pinned.
    pub(crate) fn step_eagerly(
        &mut self,
        guard: &Guard,
        retired: &Retired,
        store: &LineStore<V>,
    ) -> bool {
        pause_point("flush");
        guard.flush();
        if !self.waiting.is_empty() {
            self.reclaim_waiting(retired, store);
        }
        if !self.open.is_empty() && self.waiting.is_empty() {
            self.seal(guard, retired);
        }
        !self.waiting.is_empty() && self.stragglers.grace_period_over()
    }

    /// Starts a grace period for all that is in `open`.
    fn seal(&mut self, guard: &Guard, retired: &Retired) {
        self.report(retired);
        std::mem::swap(&mut self.open, &mut self.waiting);
        self.waited = 0;
        self.stragglers.remember();
        // Relaxed: the closure that set it last ran before, and has been seen to (or this is the
        // first); the next one is handed over by crossbeam's own synchronisation.
        self.writers_gone.store(false, Ordering::Relaxed);
        let flag = Arc::clone(&self.writers_gone);
        // Release pairs with the Acquire in `reclaim_waiting`: crossbeam orders what the pinned
        // writers did before the closure, and the flag orders the closure before the reuse.
        pause_point("defer");
        guard.defer(move || flag.store(true, Ordering::Release));
        pause_point("flush");
        guard.flush();
    }

    fn reclaim_waiting(&mut self, retired: &Retired, store: &LineStore<V>) {
        if !self.writers_gone.load(Ordering::Acquire) || !self.stragglers.grace_period_over() {
            return;
        }
        // Told to the gauge when it goes out of scope, also when a value's destructor panics.
        let mut reclaimed = Reclaimed {
            retired,
            objects: self.waiting.lines.len(),
            bytes: self.waiting.lines.len() * size_of::<Line<V>>(),
        };
        for line in self.waiting.lines.drain(..) {
            // SAFETY: it was published once and replaced by us once, before the batch was sealed;
            // its grace period is over.
            self.spare_lines.push(unsafe { Spare::from_inner(line) });
        }
        while self.spare_lines.len() > SPARE {
            let surplus = self.spare_lines.len() - lines::BATCH;
            store.take_back(self.spare_lines.split_off(surplus));
        }
        // One by one: should a value's destructor panic, the others are still here.
        while let Some(entry) = self.waiting.entries.pop() {
            reclaimed.objects += 1;
            // SAFETY: as below; only its size is looked at.
            reclaimed.bytes += unsafe { entry.as_ref() }.bytes();
            // SAFETY: it was published once and unlinked by us once, before the batch was sealed;
            // its grace period is over.
            let block = unsafe { Entry::reclaim(entry) };
            self.spare_entries.push(block);
        }
    }
}

impl<V> Drop for Writer<V> {
    /// Runs when the cache is dropped: no guard on it is left, so nothing is waiting for anybody.
    fn drop(&mut self) {
        let unlinked = self.open.entries.drain(..);
        let unlinked = unlinked.chain(self.waiting.entries.drain(..));
        // SAFETY: unlinked, and no guard is left.
        unsafe { entry::reclaim_all(unlinked) };
    }
}

/// Unlinked lines and entries.
struct Garbage<V> {
    lines: Vec<NonNull<Line<V>>>,
    entries: Vec<NonNull<Entry<V>>>,
}

impl<V> Garbage<V> {
    fn new() -> Self {
        Self {
            lines: Vec::new(),
            entries: Vec::new(),
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
