//! How a writing thread pins: a crossbeam-epoch guard, of a collector of our own.
//!
//! Its queue holds nothing but closures that set a flag (see `reclaim.rs`), and since readers never
//! pin here, only writers ever run them. A collector of our own, so that neither another crate's
//! long pins hold ours back, nor its garbage is collected inside our inserts.

use crossbeam_epoch::{Collector, Guard, LocalHandle};

use crate::sync::{pause_point, process_static, thread_local};

process_static! {
    static ref COLLECTOR: Collector = Collector::new();
}

thread_local! {
    static HANDLE: LocalHandle = COLLECTOR.register();
}

/// Makes what all threads share.
pub(crate) fn make_ready() {
    let _ = &*COLLECTOR;
}

pub(crate) fn pin() -> Guard {
    pause_point("pin");
    let guard = HANDLE
        .try_with(LocalHandle::pin)
        // Called from a destructor that runs after the thread's own handle is gone.
        .unwrap_or_else(|_| COLLECTOR.register().pin());
    pause_point("pinned");
    guard
}
