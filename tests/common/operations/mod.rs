//! Sequences of operations on a cache against a plain oracle: a map of what must be in it.
//!
//! The oracle cannot know which entries the cache evicts. So after each operation it looks at all
//! that is left: what is gone must be counted as evicted for a reason that held, and what is there
//! must be exactly what was put in. Hence every answer is known beforehand.
//!
//! `tests/engine.rs` and the fuzz target `operations` use it.

pub(crate) mod input;
mod oracle;
mod validate;

pub(crate) use input::Input;
pub(crate) use oracle::run;
