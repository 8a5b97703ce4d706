//! How one ring of keys follows from another.

mod counters;
pub(crate) mod events;
mod next_ring;
mod renew;

pub(crate) use counters::RotationCounters;
pub(crate) use next_ring::NextRing;
