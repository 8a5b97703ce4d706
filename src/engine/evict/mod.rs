//! Eviction: what each entry is worth, and which of them must go when room is needed.

pub(crate) mod clock_hand;
pub(crate) mod learning;
pub(crate) mod rank;
pub(crate) mod recency;
pub(crate) mod victims;
