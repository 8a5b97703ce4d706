//! The one file that knows about loom: everything else takes its atomics from here.
//!
//! With `--cfg rekindle_steps` they are those of `sync/steps.rs`, for `tests/frozen/`.

pub(crate) mod arc_swap;
#[cfg(rekindle_steps)]
pub mod steps;

#[cfg(loom)]
pub(crate) use loom::sync::atomic::{
    AtomicBool, AtomicPtr, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence,
};
#[cfg(loom)]
pub(crate) use loom::{lazy_static as process_static, thread_local};
#[cfg(not(any(loom, rekindle_steps)))]
pub(crate) use std::sync::atomic::{
    AtomicBool, AtomicPtr, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence,
};
#[cfg(not(loom))]
pub(crate) use std::thread_local;
#[cfg(rekindle_steps)]
pub(crate) use steps::{
    AtomicBool, AtomicPtr, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence,
    pause_point,
};

/// A moment at which tests may stop a thread, beside its accesses to atomics.
#[cfg(not(rekindle_steps))]
#[inline(always)]
pub(crate) fn pause_point(_name: &'static str) {}

/// Loom's counterpart of a `static`: one value for each execution that loom explores.
#[cfg(not(loom))]
macro_rules! process_static {
    ($(#[$attr:meta])* static ref $name:ident : $type:ty = $init:expr;) => {
        $(#[$attr])*
        static $name: std::sync::LazyLock<$type> = std::sync::LazyLock::new(|| $init);
    };
}
#[cfg(not(loom))]
pub(crate) use process_static;

/// Stands for the plain memory beside it: loom reports a write that races with a read or a write.
///
/// Costs nothing outside loom. Whoever reads the memory that a probe stands for calls
/// [`read`](RaceProbe::read), whoever writes it or gives it back calls [`write`](RaceProbe::write).
#[derive(Debug, Default)]
pub(crate) struct RaceProbe {
    #[cfg(loom)]
    cell: loom::cell::UnsafeCell<()>,
}

impl RaceProbe {
    #[inline(always)]
    pub(crate) fn read(&self) {
        #[cfg(loom)]
        self.cell.with(|_| ());
    }

    #[inline(always)]
    pub(crate) fn write(&self) {
        #[cfg(loom)]
        self.cell.with_mut(|_| ());
    }
}

/// Adds to a counter that only the calling thread writes: no read-modify-write is needed, and
/// other threads may read it at any time.
#[inline(always)]
#[cfg_attr(rekindle_steps, track_caller)]
pub(crate) fn add_unshared(counter: &AtomicU64, n: u64) {
    counter.store(
        counter.load(Ordering::Relaxed).wrapping_add(n),
        Ordering::Relaxed,
    );
}

/// Loom reports one that is never dropped. For stand-ins, which are there under loom only.
#[cfg(loom)]
pub(crate) use loom::alloc::Track;
