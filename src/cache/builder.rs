//! How a cache is configured.

use std::hash::BuildHasher;
use std::sync::Arc;

use ahash::RandomState;

use crate::cache::operations::Cache;
use crate::clock::{Clock, ClockSource};
use crate::engine::{
    CLASSES, Engine, Entry, Limits, TABLE_BYTES, WhenFull, block_size, class_size,
};
use crate::error::ConfigError;

/// Configures a [`Cache`]. Made by [`Cache::builder`].
///
/// Every value has a default; [`build`](Self::build) says what is out of range.
#[derive(Clone, Debug)]
#[must_use]
pub struct CacheBuilder<V, S = RandomState> {
    capacity: usize,
    max_bytes: Option<usize>,
    max_encoded_len: usize,
    retired_limit: Option<usize>,
    when_full: WhenFull,
    clock: ClockSource,
    hasher: S,
    value_bytes: fn(&V, usize) -> usize,
}

impl<V: Send + Sync> Cache<V> {
    /// A cache for `capacity` entries, with defaults for everything else.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Capacity`] for a capacity of 0 or above [`CacheBuilder::MAX_CAPACITY`].
    pub fn new(capacity: usize) -> Result<Self, ConfigError> {
        Self::builder().capacity(capacity).build()
    }

    /// A builder with defaults for everything.
    pub fn builder() -> CacheBuilder<V> {
        CacheBuilder {
            capacity: CacheBuilder::DEFAULT_CAPACITY,
            max_bytes: None,
            max_encoded_len: CacheBuilder::DEFAULT_ENCODED_LEN,
            retired_limit: None,
            when_full: WhenFull::default(),
            clock: ClockSource::default(),
            hasher: RandomState::new(),
            value_bytes: |_, _| 0,
        }
    }
}

/// Limits and defaults, the same for all values.
impl CacheBuilder<()> {
    /// The largest capacity, in entries.
    pub const MAX_CAPACITY: usize = if usize::BITS < 64 {
        1 << 24
    } else {
        1 << (usize::BITS / 2)
    };

    /// Bytes of the table for each entry of capacity: a line of 64 bytes has room for seven
    /// entries, and there are three lines for eight entries of capacity.
    pub const TABLE_BYTES: usize = TABLE_BYTES;

    /// The default capacity, in entries.
    pub const DEFAULT_CAPACITY: usize = 100_000;

    /// The largest limit for one encoded session, in bytes.
    pub const MAX_ENCODED_LEN: usize = 1 << 20;

    /// The default limit for one encoded session, in bytes. Sessions with client certificates have
    /// 500 to 5,000.
    pub const DEFAULT_ENCODED_LEN: usize = 16 << 10;
}

impl<V: Send + Sync, S: BuildHasher> CacheBuilder<V, S> {
    /// Limits the number of entries: 1 to [`MAX_CAPACITY`](CacheBuilder::MAX_CAPACITY), by default
    /// [`DEFAULT_CAPACITY`](CacheBuilder::DEFAULT_CAPACITY).
    pub fn capacity(mut self, entries: usize) -> Self {
        self.capacity = entries;
        self
    }

    /// Limits the bytes of all entries together ([`Stats::bytes`](crate::Stats::bytes)). Off by
    /// default. With several writers at work it can be exceeded by one entry for each.
    pub fn max_bytes(mut self, bytes: usize) -> Self {
        self.max_bytes = Some(bytes);
        self
    }

    /// How many bytes a value owns outside its entry, at most 16 MiB: a function of the value and
    /// of the length of its encoded bytes, called once, when the value is inserted. They count in
    /// [`max_bytes`](Self::max_bytes) and in [`Stats`](crate::Stats). Zero by default.
    pub fn value_bytes(mut self, bytes: fn(&V, usize) -> usize) -> Self {
        self.value_bytes = bytes;
        self
    }

    /// Limits the encoded bytes of one entry; longer ones are refused. 1 to
    /// [`MAX_ENCODED_LEN`](CacheBuilder::MAX_ENCODED_LEN), by default
    /// [`DEFAULT_ENCODED_LEN`](CacheBuilder::DEFAULT_ENCODED_LEN).
    pub fn max_encoded_len(mut self, bytes: usize) -> Self {
        self.max_encoded_len = bytes;
        self
    }

    /// Limits the entries that have left the table and wait for their grace period, and with it
    /// their bytes: 128 for each entry of the limit, but at least 64 MiB. At either limit inserts
    /// are refused until it falls; removes and takes go on. By default four times the capacity, but
    /// at least 262,144.
    ///
    /// It grows while a pinned thread does not move on: because the thread keeps a guard, or
    /// because the kernel preempted it in the middle of an operation. With more threads than
    /// processors, all inserting as fast as they can, that is most of the time. Each writer counts
    /// up to 64 entries on its own before it adds them to the shared count, so the limit can be
    /// exceeded by 64 entries for each writer.
    pub fn retired_limit(mut self, entries: usize) -> Self {
        self.retired_limit = Some(entries);
        self
    }

    /// Refuses inserts when there is no room ([`Refused::Full`](crate::Refused::Full)), instead of
    /// evicting: no entry leaves before it expires unless it is removed. There is no room when the
    /// cache is full, and also when the line of seven entries is that an id leads to: with `n`
    /// entries in a cache for `c`, that is so for one insert in 150,000 at `n = c / 4`, in 2,000 at
    /// `c / 2`, in 50 at `c`. An insert makes room of expired entries, of its own line and of the
    /// next few; [`maintain`](Cache::maintain) of all.
    pub fn refuse_when_full(mut self) -> Self {
        self.when_full = WhenFull::Refuses;
        self
    }

    /// Takes the time from `clock` instead of [`MonotonicClock`](crate::MonotonicClock).
    pub fn clock(self, clock: Arc<dyn Clock>) -> Self {
        self.clock_source(ClockSource::Injected(clock))
    }

    pub(crate) fn clock_source(mut self, clock: ClockSource) -> Self {
        self.clock = clock;
        self
    }

    /// Hashes with `hasher`. The default is ahash with keys that are random in each process. Ids
    /// come from the network, so any other hasher must be keyed as well.
    pub fn hasher<T: BuildHasher>(self, hasher: T) -> CacheBuilder<V, T> {
        CacheBuilder {
            capacity: self.capacity,
            max_bytes: self.max_bytes,
            max_encoded_len: self.max_encoded_len,
            retired_limit: self.retired_limit,
            when_full: self.when_full,
            clock: self.clock,
            hasher,
            value_bytes: self.value_bytes,
        }
    }

    /// Makes the cache. Its table is sized for good, and all of it is written now:
    /// [`TABLE_BYTES`](CacheBuilder::TABLE_BYTES) for each entry of capacity, in huge pages from
    /// 2 MiB on where the kernel has them.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] for the first value that is out of its range.
    pub fn build(self) -> Result<Cache<V, S>, ConfigError> {
        if self.capacity == 0 || self.capacity > CacheBuilder::MAX_CAPACITY {
            return Err(ConfigError::Capacity(self.capacity));
        }
        if self.max_encoded_len == 0 || self.max_encoded_len > CacheBuilder::MAX_ENCODED_LEN {
            return Err(ConfigError::EncodedLen(self.max_encoded_len));
        }
        let largest = block_size((CLASSES - 1) as u8);
        if Entry::<V>::HEADER.saturating_add(self.max_encoded_len) > largest {
            return Err(ConfigError::EncodedLen(self.max_encoded_len));
        }
        let smallest = class_size(Entry::<V>::class(0));
        let bytes = self.max_bytes.unwrap_or(usize::MAX);
        if bytes < smallest {
            return Err(ConfigError::MaxBytes(bytes));
        }
        let retired = self
            .retired_limit
            .unwrap_or((4 * self.capacity).max(1 << 18));
        if retired == 0 {
            return Err(ConfigError::RetiredLimit);
        }
        let limits = Limits {
            // More entries than the bytes can hold would only make the table sparse.
            entries: self.capacity.min(bytes / smallest),
            bytes,
            encoded_len: self.max_encoded_len,
            when_full: self.when_full,
            retired,
            retired_bytes: retired.saturating_mul(128).max(64 << 20),
        };
        let engine =
            Engine::new(limits, self.value_bytes).map_err(|source| ConfigError::OutOfMemory {
                capacity: self.capacity,
                source,
            })?;
        Ok(Cache {
            engine,
            clock: self.clock,
            hasher: self.hasher,
        })
    }
}
