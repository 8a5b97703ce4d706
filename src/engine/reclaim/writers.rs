//! How a writing thread pins: a crossbeam-epoch guard, of a collector of our own.
//!
//! Its queue holds nothing but closures that set a flag (see `memory.rs`), and since readers never
//! pin here, only writers ever run them. The collector is our own, so that another crate's long
//! pins do not hold our grace periods back, and our inserts do not collect its garbage.
#![allow(unsafe_code)]

use crossbeam_epoch::{Collector, Guard, LocalHandle};

use crate::engine::reclaim::protection::Protection;
use crate::sync::{pause_point, process_static, thread_local};

process_static! {
    static ref COLLECTOR: Collector = Collector::new();
}

thread_local! {
    static HANDLE: LocalHandle = COLLECTOR.register();
}

/// A pinned writer. Made by [`pin`] only: a guard of another collector would protect nothing.
pub(crate) struct WriterPin(Guard);

// SAFETY: writers wait for a grace period of the one collector that every such pin comes from.
unsafe impl Protection for WriterPin {}

/// Makes what all threads share.
pub(crate) fn make_ready() {
    let _ = &*COLLECTOR;
}

pub(crate) fn pin() -> WriterPin {
    pause_point("pin");
    let guard = HANDLE
        .try_with(LocalHandle::pin)
        // Called from a destructor that runs after the thread's own handle is gone.
        .unwrap_or_else(|_| COLLECTOR.register().pin());
    pause_point("pinned");
    WriterPin(guard)
}

impl WriterPin {
    /// Helps the epoch on, and runs closures that are due.
    #[inline]
    pub(crate) fn flush(&self) {
        self.0.flush();
    }

    /// Has `f` run once every writer that is pinned now has unpinned.
    #[inline]
    pub(crate) fn defer(&self, f: impl FnOnce() + Send + 'static) {
        self.0.defer(f);
    }

    /// Unpins and pins anew.
    pub(crate) fn repin(&mut self) {
        self.0.repin();
    }

    /// Unpins while `f` runs.
    pub(crate) fn repin_after(&mut self, f: impl FnOnce()) {
        self.0.repin_after(f);
    }
}
