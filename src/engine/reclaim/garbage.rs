//! Memory that left the table and waits for its grace period.

use std::ptr::NonNull;

use crate::engine::entry::Entry;
use crate::engine::line::Line;
use crate::sync::{AtomicUsize, Ordering};

/// Retired objects that one grace period is started for. Small under loom, so that the rare branch
/// is common.
pub(crate) const BATCH: usize = if cfg!(loom) { 1 } else { 256 };

/// What has been unlinked and not yet reclaimed, over all writers of one cache.
#[derive(Debug, Default)]
pub(crate) struct Retired {
    objects: AtomicUsize,
    bytes: AtomicUsize,
}

impl Retired {
    pub(crate) fn objects(&self) -> usize {
        self.objects.load(Ordering::Relaxed)
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    #[inline]
    pub(crate) fn add(&self, objects: usize, bytes: usize) {
        self.objects.fetch_add(objects, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }
}

/// What a writer has just reclaimed. Told to the gauge when this goes out of scope, also when a
/// value's destructor panics.
pub(crate) struct Reclaimed<'a> {
    pub(crate) retired: &'a Retired,
    pub(crate) objects: usize,
    pub(crate) bytes: usize,
}

impl Drop for Reclaimed<'_> {
    fn drop(&mut self) {
        self.retired
            .objects
            .fetch_sub(self.objects, Ordering::Relaxed);
        self.retired.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// Unlinked lines and entries.
pub(crate) struct Garbage<V> {
    pub(crate) lines: Vec<NonNull<Line<V>>>,
    pub(crate) entries: Vec<NonNull<Entry<V>>>,
}

impl<V> Garbage<V> {
    pub(crate) fn new() -> Self {
        Self {
            lines: Vec::new(),
            entries: Vec::new(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.lines.len() + self.entries.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
