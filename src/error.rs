//! Why the cache says no.

use std::collections::TryReserveError;

use thiserror::Error;

/// The caller's or the peer's fault: a session id is 1 to 32 bytes long.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("a session id has 1 to 32 bytes, not {len}")]
pub struct InvalidSessionId {
    /// The length that was given, in bytes.
    pub len: usize,
}

/// The configuration's fault: a value of the builder is out of its range.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConfigError {
    /// The capacity in entries is zero or above
    /// [`MAX_CAPACITY`](crate::CacheBuilder::MAX_CAPACITY).
    #[error("a capacity of {0} entries is out of range")]
    Capacity(usize),
    /// The limit for one encoded session is zero or above
    /// [`MAX_ENCODED_LEN`](crate::CacheBuilder::MAX_ENCODED_LEN).
    #[error("a limit of {0} bytes for one session is out of range")]
    EncodedLen(usize),
    /// The byte limit does not hold a single entry of the smallest size.
    #[error("a limit of {0} bytes does not hold a single entry")]
    MaxBytes(usize),
    /// The limit of retired entries is zero.
    #[error("the limit of retired entries is zero")]
    RetiredLimit,
    /// There is no memory for the table.
    #[error("there is no memory for a table of {capacity} entries")]
    OutOfMemory {
        /// The capacity, in entries.
        capacity: usize,
        /// What the allocator said.
        source: TryReserveError,
    },
}

/// Why an insert was refused. The cache is as it was before, and the refusal is counted.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refused {
    /// The encoded session is longer than the configured limit.
    #[error("a session of {len} bytes is above the limit of {limit}")]
    TooLarge {
        /// The length of the encoded session, in bytes.
        len: usize,
        /// The limit, in bytes.
        limit: usize,
    },
    /// The entry alone is larger than the byte limit of the cache.
    #[error("the entry alone is larger than the cache's byte limit")]
    OverBudget,
    /// There is no room for it, and the cache refuses then instead of evicting: it is full of live
    /// entries, or the line of seven is that its id leads to.
    #[error("the cache is full, and evicts nothing that lives")]
    Full,
    /// Memory that left the cache cannot be reclaimed, since some thread stays pinned, and its
    /// bound is reached. Ends when that thread unpins; a guard that was forgotten
    /// ([`std::mem::forget`]) never does.
    #[error("a pinned thread holds back reclamation, and its bound is reached")]
    ReclamationHeldBack,
}
