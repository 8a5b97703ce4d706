//! What the models in `tests/` are made of.
//!
//! A model sets a cache up, lets two or three threads loose on it, and looks at what is left. Only
//! the middle part is explored: loom runs it once for every order in which the threads' accesses to
//! memory can come, and for every value that a load may see, up to a bound of preemptions.
//!
//! What loom cannot check, and the argument for each of those orderings, stands at the head of
//! `src/engine/reclaim/pin.rs`.
#![cfg(loom)]

mod explore;
mod subject;
mod value;

pub use explore::{
    Before, explore, explore_alike, explore_in_order, explore_three, explore_three_alike,
    explore_three_in_order, model,
};
pub use subject::{
    A, B, C, ENTRY, FirstByte, FirstByteHasher, M, Subject, Z, encoded_len, get_buffer, id,
};
pub use value::Value;
