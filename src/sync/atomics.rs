//! Atomics and statics: std's, loom's with `--cfg loom`, or those of `steps.rs` with
//! `--cfg rekindle_steps`.

#[cfg(rekindle_steps)]
use crate::sync::steps as atomic;
#[cfg(rekindle_steps)]
pub(crate) use crate::sync::steps::pause_point;
/// Loom reports one that is never dropped. For stand-ins, which are there under loom only.
#[cfg(loom)]
pub(crate) use loom::alloc::Track;
#[cfg(loom)]
use loom::sync::atomic;
#[cfg(loom)]
pub(crate) use loom::{lazy_static as process_static, thread_local};
#[cfg(not(any(loom, rekindle_steps)))]
use std::sync::atomic;
#[cfg(not(loom))]
pub(crate) use std::thread_local;

pub(crate) use atomic::{
    AtomicBool, AtomicPtr, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence,
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
