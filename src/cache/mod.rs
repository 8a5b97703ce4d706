//! The public face of the engine: a cache, guards on it, and its builder.

mod builder;
mod operations;

pub use builder::CacheBuilder;
pub use operations::{Cache, Copied, EntryView, Guard, Inserted};
