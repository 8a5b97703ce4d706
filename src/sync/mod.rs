//! The only switch between std's atomics, loom's and those whose steps a test watches.

pub(crate) mod arc_swap;
mod atomics;
mod race_probe;
#[cfg(rekindle_steps)]
pub mod steps;

#[cfg(loom)]
pub(crate) use atomics::Track;
pub(crate) use atomics::{
    AtomicBool, AtomicPtr, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence,
    pause_point, process_static, thread_local,
};
pub(crate) use race_probe::RaceProbe;
