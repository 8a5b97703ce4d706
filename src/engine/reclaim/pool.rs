//! Leases each writing thread a [`Writer`] for the length of one operation.
//!
//! Lock-free: a thread that is frozen while it has a writer has merely taken it out of circulation;
//! others take another, or make one. So there are as many as threads ever wrote at one time.
#![allow(unsafe_code)]

use std::cell::UnsafeCell;
use std::ops::{Deref, DerefMut};
use std::ptr;

use crate::engine::evict::clock_hand::ClockHand;
use crate::engine::reclaim::memory::WriterMemory;
use crate::lockfree::{AppendList, drop_all};
use crate::sync::{AtomicBool, AtomicPtr, Ordering, RaceProbe};

/// Threads whose writer is found by the thread's number, so that they never meet; the others
/// search a list.
const NUMBERED: usize = if cfg!(loom) { 1 } else { 64 };

/// What a thread has to itself while it changes the table.
pub(crate) struct Writer<V> {
    pub(crate) memory: WriterMemory<V>,
    pub(crate) hand: ClockHand,
}

pub(crate) struct Pool<V> {
    /// Null until they are needed.
    numbered: [AtomicPtr<Slot<V>>; NUMBERED],
    more: AppendList<Box<Slot<V>>>,
}

/// 128 bytes: processors fetch lines in pairs.
#[repr(align(128))]
struct Slot<V> {
    leased: AtomicBool,
    writer: UnsafeCell<Writer<V>>,
    probe: RaceProbe,
}

/// A writer that belongs to the calling thread until this is dropped.
pub(crate) struct WriterLease<'p, V>(&'p Slot<V>);

impl<V> Pool<V> {
    pub(crate) fn new() -> Self {
        Self {
            numbered: std::array::from_fn(|_| AtomicPtr::new(ptr::null_mut())),
            more: AppendList::new(),
        }
    }

    /// Takes an idle writer, or makes one.
    pub(crate) fn lease(&self, thread: usize) -> WriterLease<'_, V> {
        let numbered = (0..NUMBERED).map(|i| self.numbered((thread % NUMBERED + i) % NUMBERED));
        let more = self.more.iter().map(|slot| &**slot);
        numbered
            .chain(more)
            .find_map(Slot::lease)
            .unwrap_or_else(|| {
                let slot = self.more.push(Box::new(Slot::new(true)));
                WriterLease(slot)
            })
    }

    /// Calls `f` with every writer that is idle now, one at a time.
    pub(crate) fn for_each_idle(&self, mut f: impl FnMut(&mut Writer<V>)) {
        let numbered = self.numbered.iter().filter_map(Self::get);
        let more = self.more.iter().map(|slot| &**slot);
        for mut lease in numbered.chain(more).filter_map(Slot::lease) {
            f(&mut lease);
        }
    }

    fn get(place: &AtomicPtr<Slot<V>>) -> Option<&Slot<V>> {
        // SAFETY: null, or a slot that lives as long as the pool. Acquire pairs with the Release
        // that put it there.
        unsafe { place.load(Ordering::Acquire).as_ref() }
    }

    #[inline]
    fn numbered(&self, number: usize) -> &Slot<V> {
        let place = &self.numbered[number];
        Self::get(place).unwrap_or_else(|| Self::make(place))
    }

    #[cold]
    fn make(place: &AtomicPtr<Slot<V>>) -> &Slot<V> {
        let new = Box::into_raw(Box::new(Slot::new(false)));
        let raced =
            place.compare_exchange(ptr::null_mut(), new, Ordering::Release, Ordering::Relaxed);
        if raced.is_err() {
            // SAFETY: made above, not published.
            drop(unsafe { Box::from_raw(new) });
        }
        Self::get(place).expect("made by this thread or another")
    }
}

impl<V> Drop for Pool<V> {
    fn drop(&mut self) {
        let slots = self.numbered.iter().filter_map(|place| {
            let slot = place.load(Ordering::Acquire);
            // SAFETY: null, or made in `make`; `&mut self`, so no thread has it.
            (!slot.is_null()).then(|| unsafe { Box::from_raw(slot) })
        });
        drop_all(slots);
    }
}

impl<V> Slot<V> {
    fn new(leased: bool) -> Self {
        Self {
            leased: AtomicBool::new(leased),
            writer: UnsafeCell::new(Writer {
                memory: WriterMemory::new(),
                hand: ClockHand::default(),
            }),
            probe: RaceProbe::default(),
        }
    }

    #[inline]
    fn lease(&self) -> Option<WriterLease<'_, V>> {
        // Look first: the slot of a busy thread is better left in that thread's cache.
        if self.leased.load(Ordering::Relaxed) {
            return None;
        }
        // Acquire pairs with the Release below: the thread that had the writer is done.
        self.leased
            .compare_exchange(false, true, Ordering::Acquire, Ordering::Relaxed)
            .ok()?;
        self.probe.write();
        Some(WriterLease(self))
    }
}

impl<V> Deref for WriterLease<'_, V> {
    type Target = Writer<V>;

    #[inline]
    fn deref(&self) -> &Writer<V> {
        // SAFETY: leased to this thread alone; borrowed from the lease.
        unsafe { &*self.0.writer.get() }
    }
}

impl<V> DerefMut for WriterLease<'_, V> {
    #[inline]
    fn deref_mut(&mut self) -> &mut Writer<V> {
        // SAFETY: as above, and `&mut self`.
        unsafe { &mut *self.0.writer.get() }
    }
}

impl<V> Drop for WriterLease<'_, V> {
    #[inline]
    fn drop(&mut self) {
        self.0.leased.store(false, Ordering::Release);
    }
}
