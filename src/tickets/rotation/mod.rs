//! How one ring of keys follows from another.

mod counters;
mod next_ring;
mod renew;

pub(crate) use counters::RotationCounters;
