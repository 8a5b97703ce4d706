//! Server-side TLS session resumption: a session cache whose lookups are wait-free, and a ring of
//! ticket keys that is swapped atomically.
#![deny(unsafe_code)]

mod builder;
mod cache;
mod clock;
mod engine;
mod error;
mod id;
#[cfg(feature = "openssl")]
pub mod openssl;
mod stats;
mod sync;
pub mod tickets;

pub use builder::CacheBuilder;
pub use cache::{Cache, Copied, EntryView, Guard, Inserted};
pub use clock::{Clock, ManualClock, MonotonicClock, Time};
pub use error::{ConfigError, InvalidSessionId, Refused};
pub use id::SessionId;
pub use stats::{Evicted, RefusedCounts, Stats};
