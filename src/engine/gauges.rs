//! How many entries and bytes are in the table.

use crate::sync::{AtomicUsize, Ordering};

/// Together on a cache line of their own, for all writers write them.
#[derive(Default)]
#[repr(align(128))]
pub(crate) struct Gauges {
    pub(crate) entries: Gauge,
    pub(crate) bytes: Gauge,
}

#[derive(Default)]
pub(crate) struct Gauge(AtomicUsize);

impl Gauge {
    /// The gauge with a change that it does not show yet. Behind by what writers at work have not
    /// added, so it may be below zero.
    #[inline]
    pub(crate) fn plus(&self, change: usize) -> usize {
        let now = self.0.load(Ordering::Relaxed).wrapping_add(change);
        usize::try_from(now as isize).unwrap_or(0)
    }

    #[inline]
    fn add(&self, change: usize) {
        if change != 0 {
            self.0.fetch_add(change, Ordering::Relaxed);
        }
    }
}

/// Entries and bytes that one operation has put into the table (or, wrapping, taken out of it) and
/// not yet added to the gauges: an insert that evicts changes nothing in the end, so it need not
/// write what all threads share.
pub(crate) struct GaugeDelta<'e> {
    gauges: &'e Gauges,
    entries: usize,
    bytes: usize,
}

impl<'e> GaugeDelta<'e> {
    pub(crate) fn new(gauges: &'e Gauges) -> Self {
        Self {
            gauges,
            entries: 0,
            bytes: 0,
        }
    }

    /// Counts an entry that was put into the table.
    #[inline]
    pub(crate) fn add(&mut self, bytes: usize) {
        self.entries = self.entries.wrapping_add(1);
        self.bytes = self.bytes.wrapping_add(bytes);
    }

    /// Counts an entry that was unlinked.
    #[inline]
    pub(crate) fn subtract(&mut self, bytes: usize) {
        self.entries = self.entries.wrapping_sub(1);
        self.bytes = self.bytes.wrapping_sub(bytes);
        if (self.entries as isize) < -1 {
            // Should this thread be preempted now, other threads must not take for occupied what
            // it has emptied.
            self.report();
        }
    }

    /// Adds what was counted to the gauges.
    #[inline]
    pub(crate) fn report(&mut self) {
        self.gauges.entries.add(std::mem::take(&mut self.entries));
        self.gauges.bytes.add(std::mem::take(&mut self.bytes));
    }

    /// Entries in the table, this operation's own included.
    #[inline]
    pub(crate) fn entries(&self) -> usize {
        self.gauges.entries.plus(self.entries)
    }

    /// Bytes of those.
    #[inline]
    pub(crate) fn bytes(&self) -> usize {
        self.gauges.bytes.plus(self.bytes)
    }
}

impl Drop for GaugeDelta<'_> {
    fn drop(&mut self) {
        self.report();
    }
}
