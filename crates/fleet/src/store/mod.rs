//! Where a fleet's machines meet.

mod contract;
mod memory;
#[cfg(feature = "redis")]
pub(crate) mod redis;

pub use self::contract::{
    Connection, Pending, Position, Refusal, Store, StoreError, StreamPart, Write,
};
pub use self::memory::MemoryStore;
#[cfg(feature = "redis")]
pub use self::redis::{RedisStore, StoreCertificates, StoreUrlError};
