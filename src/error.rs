//! Why the cache says no.

use std::collections::TryReserveError;
use std::error::Error;
use std::fmt;

/// The caller's or the peer's fault: a session id is 1 to 32 bytes long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidSessionId {
    /// The length that was given, in bytes.
    pub len: usize,
}

impl fmt::Display for InvalidSessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a session id has 1 to 32 bytes, not {}", self.len)
    }
}

impl Error for InvalidSessionId {}

/// The configuration's fault: a value of the builder is out of its range.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConfigError {
    /// The capacity in entries is zero or above
    /// [`MAX_CAPACITY`](crate::CacheBuilder::MAX_CAPACITY).
    Capacity(usize),
    /// The limit for one encoded session is zero or above
    /// [`MAX_ENCODED_LEN`](crate::CacheBuilder::MAX_ENCODED_LEN).
    EncodedLen(usize),
    /// The byte limit does not hold a single entry of the smallest size.
    MaxBytes(usize),
    /// The limit of retired objects is zero.
    RetiredLimit,
    /// There is no memory for the table.
    OutOfMemory {
        /// The capacity, in entries.
        capacity: usize,
        /// What the allocator said.
        source: TryReserveError,
    },
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Capacity(n) => write!(f, "a capacity of {n} entries is out of range"),
            Self::EncodedLen(n) => {
                write!(f, "a limit of {n} bytes for one session is out of range")
            }
            Self::MaxBytes(n) => write!(f, "a limit of {n} bytes does not hold a single entry"),
            Self::RetiredLimit => f.write_str("the limit of retired objects is zero"),
            Self::OutOfMemory { capacity, .. } => {
                write!(f, "there is no memory for a table of {capacity} entries")
            }
        }
    }
}

impl Error for ConfigError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::OutOfMemory { source, .. } => Some(source),
            _ => None,
        }
    }
}

/// Why an insert was refused. The cache is as it was before, and the refusal is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refused {
    /// The encoded session is longer than the configured limit.
    TooLarge {
        /// The length of the encoded session, in bytes.
        len: usize,
        /// The limit, in bytes.
        limit: usize,
    },
    /// The entry alone is larger than the byte limit of the cache.
    OverBudget,
    /// Memory that left the cache cannot be reclaimed, since some thread stays pinned, and its
    /// bound is reached. Ends when that thread unpins; a guard that was forgotten
    /// ([`std::mem::forget`]) never does.
    ReclamationHeldBack,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge { len, limit } => {
                write!(f, "a session of {len} bytes is above the limit of {limit}")
            }
            Self::OverBudget => {
                f.write_str("the entry alone is larger than the cache's byte limit")
            }
            Self::ReclamationHeldBack => {
                f.write_str("a pinned thread holds back reclamation, and its bound is reached")
            }
        }
    }
}

impl Error for Refused {}
