//! What a cache tells of itself.

/// What a cache has done since it was made, and what it holds.
///
/// Counters are exact once the threads that count are quiet; read while they work, each of them is
/// some recent value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Lookups (get and get_buffer) that found a live entry.
    pub hits: u64,
    /// Lookups that found nothing.
    pub misses: u64,
    /// Lookups that found an entry whose life had ended, or that the caller refused. Not counted as
    /// misses.
    pub expired: u64,
    /// Inserts under an id that had no entry.
    pub inserts: u64,
    /// Inserts that took the place of an entry under the same id.
    pub replaced: u64,
    /// Entries that left by remove or clear.
    pub removed: u64,
    /// Entries handed out by take.
    pub taken: u64,
    /// Entries that the cache threw out itself, by reason.
    pub evicted: Evicted,
    /// Inserts that were refused, by reason.
    pub refused: RefusedCounts,
    /// Entries in the cache now.
    pub entries: usize,
    /// Bytes of the entries in the cache now: each entry's allocation, which holds its header, the
    /// value's own `size_of` and the encoded bytes, 8 bytes for the allocator, and what the value
    /// owns elsewhere by [`CacheBuilder::value_bytes`](crate::CacheBuilder::value_bytes).
    pub bytes: usize,
    /// Entries that have left the table and wait for their grace period. Behind by up to 64 for
    /// each writer.
    pub retired: usize,
    /// Bytes of those.
    pub retired_bytes: usize,
}

/// Evictions by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Evicted {
    /// Their life had ended.
    pub expired: u64,
    /// Room was needed, and no lookup had ever found them.
    pub unused: u64,
    /// Room was needed, and no lookup had found them lately.
    pub idle: u64,
    /// Their line of seven was full, and the one that was worth least had to go.
    pub line_full: u64,
}

/// Refused inserts by reason; see [`Refused`](crate::Refused).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RefusedCounts {
    /// The encoded session was longer than the limit for one.
    pub too_large: u64,
    /// The entry alone was larger than the byte limit.
    pub over_budget: u64,
    /// There was no room, in a cache that refuses when it is full.
    pub full: u64,
    /// A pinned thread held back reclamation, and its bound was reached.
    pub reclamation: u64,
}
