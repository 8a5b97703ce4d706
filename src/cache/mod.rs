//! The public face of the engine: a cache, guards on it, and its builder.

mod builder;
mod entry_view;
mod guard;
mod operations;

pub use builder::CacheBuilder;
pub use entry_view::EntryView;
pub use guard::{Copied, Guard};
pub(crate) use operations::thread_number;
pub use operations::{Cache, Inserted};
