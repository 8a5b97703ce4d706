//! How one ring of keys follows from another.

mod next_ring;
mod renew;
