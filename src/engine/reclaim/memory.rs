//! What a writer keeps: memory that left the table and waits, and memory that waited and is free.
//!
//! ```text
//! unlinked -> open -> (seal) -> waiting -> (grace period over) -> wiped -> spare -> used again
//!                                                                      \-> freed, if plenty
//! ```
//!
//! A grace period has two halves that run side by side from the moment of sealing: crossbeam-epoch
//! runs a closure that sets a flag once every *writer* that was pinned then has unpinned, and each
//! *reader* that was pinned then must be seen to have moved on (`readers.rs`). Then no thread can
//! reach what was unlinked before.
#![allow(unsafe_code)]

use std::ptr::NonNull;
use std::sync::Arc;

use crate::clock::Time;
use crate::engine::entry::{self, Entry, EntryRef, Unpublished};
use crate::engine::line::{Change, Line, LineSnapshot};
use crate::engine::memory_block::Block;
use crate::engine::reclaim::garbage::{BATCH, Garbage, Reclaimed, Retired};
use crate::engine::reclaim::lines::{self, LineStore, Spare};
use crate::engine::reclaim::readers::PinnedReaders;
use crate::engine::reclaim::spares::SpareEntries;
use crate::engine::reclaim::writers::WriterPin;
use crate::id::SessionId;
use crate::sync::{AtomicBool, Ordering, pause_point};

/// Retired objects that a writer may keep to itself before it tells the cache's gauge.
const UNREPORTED: usize = if cfg!(loom) { 1 } else { 64 };

/// Spare lines that one writer keeps at most.
const SPARE_LINES: usize = 2 * BATCH;

/// While a grace period lasts, every eighth operation of a writer helps crossbeam's epoch on.
const PATIENCE: u32 = 8;

/// One writer's memory. Belongs to one thread at a time, see `pool.rs`.
pub(crate) struct WriterMemory<V> {
    open: Garbage<V>,
    waiting: Garbage<V>,
    /// Set by a closure that crossbeam-epoch runs once all writers have unpinned.
    writers_unpinned: Arc<AtomicBool>,
    pinned_readers: PinnedReaders,
    /// Operations since the epoch was last helped on.
    waited: u32,
    /// Objects and bytes in `open` that the cache's gauge does not know of yet.
    unreported: (usize, usize),
    spare_lines: Vec<Spare<V>>,
    spare_entries: SpareEntries,
}

impl<V> WriterMemory<V> {
    pub(crate) fn new() -> Self {
        Self {
            open: Garbage::new(),
            waiting: Garbage::new(),
            writers_unpinned: Arc::new(AtomicBool::new(false)),
            pinned_readers: PinnedReaders::default(),
            waited: 0,
            unreported: (0, 0),
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

    /// Writes an entry into a block of a class that holds it.
    pub(crate) fn write_entry(
        &mut self,
        class: u8,
        id: SessionId,
        expires_at: Time,
        value: V,
        value_bytes: usize,
        encoded: &[u8],
    ) -> Unpublished<V> {
        let block = self
            .spare_entries
            .pop(class)
            .unwrap_or_else(|| Block::new(class));
        Unpublished::write(block, id, expires_at, value, value_bytes, encoded)
    }

    /// Takes back an entry that was not needed, and drops its value.
    pub(crate) fn discard_entry(&mut self, entry: Unpublished<V>) {
        self.spare_entries.push(entry.discard());
    }

    /// Writes a line that no other thread can reach yet.
    #[inline]
    pub(crate) fn write_line(
        &mut self,
        old: &LineSnapshot<'_, V>,
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

    /// Takes a line that left the table.
    ///
    /// # Safety
    ///
    /// - The calling thread's exchange has just replaced the line in the table.
    /// - It is retired once.
    pub(crate) unsafe fn retire_line(&mut self, unlinked: &LineSnapshot<'_, V>, retired: &Retired) {
        if let Some(line) = NonNull::new(unlinked.as_ptr()) {
            self.open.lines.push(line);
            self.count_retired(size_of::<Line<V>>(), retired);
        }
    }

    /// Takes an entry that left the table.
    ///
    /// # Safety
    ///
    /// - The calling thread's exchange has just unlinked the entry: no line in the table has it.
    /// - It is retired once.
    pub(crate) unsafe fn retire_entry(&mut self, entry: EntryRef<'_, V>, retired: &Retired) {
        self.open.entries.push(entry.as_non_null());
        self.count_retired(entry.get().bytes(), retired);
    }

    fn count_retired(&mut self, bytes: usize, retired: &Retired) {
        self.unreported.0 += 1;
        self.unreported.1 += bytes;
        if self.unreported.0 >= UNREPORTED {
            self.report(retired);
        }
    }

    fn report(&mut self, retired: &Retired) {
        let (objects, bytes) = std::mem::take(&mut self.unreported);
        retired.add(objects, bytes);
    }

    /// One step: reclaims what has waited long enough, seals a full batch.
    #[inline]
    pub(crate) fn step(&mut self, pin: &WriterPin, retired: &Retired, store: &LineStore<V>) {
        if !self.waiting.is_empty() {
            self.waited += 1;
            if self.waited.is_multiple_of(PATIENCE)
                && !self.writers_unpinned.load(Ordering::Relaxed)
            {
                pause_point("flush");
                pin.flush();
            }
            self.reclaim_waiting(retired, store);
        }
        if self.open.len() >= BATCH && self.waiting.is_empty() {
            self.seal(pin, retired);
        }
    }

    /// As [`step`](Self::step), with batches of any size. Whether another call makes sense after
    /// the caller has repinned: a grace period takes a few calls, but none ends while a reader
    /// stays pinned.
    pub(crate) fn step_eagerly(
        &mut self,
        pin: &WriterPin,
        retired: &Retired,
        store: &LineStore<V>,
    ) -> bool {
        pause_point("flush");
        pin.flush();
        if !self.waiting.is_empty() {
            self.reclaim_waiting(retired, store);
        }
        if !self.open.is_empty() && self.waiting.is_empty() {
            self.seal(pin, retired);
        }
        !self.waiting.is_empty() && self.pinned_readers.grace_period_over()
    }

    /// Starts a grace period for all that is in `open`.
    fn seal(&mut self, pin: &WriterPin, retired: &Retired) {
        self.report(retired);
        std::mem::swap(&mut self.open, &mut self.waiting);
        self.waited = 0;
        self.pinned_readers.remember();
        // Relaxed: the closure that set it last ran before, and its store has been read (or this
        // is the first); the next one is handed over by crossbeam's own synchronisation.
        self.writers_unpinned.store(false, Ordering::Relaxed);
        let flag = Arc::clone(&self.writers_unpinned);
        // Release pairs with the Acquire in `reclaim_waiting`: crossbeam orders what the pinned
        // writers did before the closure, and the flag orders the closure before the reuse.
        pause_point("defer");
        pin.defer(move || flag.store(true, Ordering::Release));
        pause_point("flush");
        pin.flush();
    }

    fn reclaim_waiting(&mut self, retired: &Retired, store: &LineStore<V>) {
        if !self.writers_unpinned.load(Ordering::Acquire)
            || !self.pinned_readers.grace_period_over()
        {
            return;
        }
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
        while self.spare_lines.len() > SPARE_LINES {
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

impl<V> Drop for WriterMemory<V> {
    /// Runs when the cache is dropped: no guard on it is left, so no thread can reach anything.
    fn drop(&mut self) {
        let unlinked = self.open.entries.drain(..);
        let unlinked = unlinked.chain(self.waiting.entries.drain(..));
        // SAFETY: unlinked, and no guard is left.
        unsafe { entry::reclaim_all(unlinked) };
    }
}
