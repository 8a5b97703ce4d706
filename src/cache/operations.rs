//! A cache, and what needs no guard: inserts, removals, statistics, upkeep.

use std::fmt;
use std::hash::BuildHasher;
use std::time::Duration;

use ahash::RandomState;

use crate::clock::{ClockSource, Time};
use crate::engine::{self, Engine, EntryRef, New, Outcome, Parts, Pin, Recency, RemovalCause};
use crate::error::Refused;
use crate::id::SessionId;
use crate::stats::Stats;

/// A bounded cache of sessions by session id, with wait-free lookups.
///
/// Each entry has a value (for TLS, the live session) and its encoded bytes. Share the cache by
/// reference or in an `Arc`.
///
/// Lookups exist twice: here, where they pin the calling thread by themselves, and on the
/// [`Guard`](crate::Guard) that [`pin`](Self::pin) returns, where that is done already.
///
/// Values are dropped by threads that insert, remove, take, clear or maintain, some time after they
/// left, in the middle of such a call. A destructor may call the cache, but must not block: it
/// would hold the memory of every cache of the process back. The same holds for `V::clone`, which
/// [`get`](Self::get) and [`take`](Self::take) call.
pub struct Cache<V, S = RandomState> {
    pub(super) engine: Engine<V>,
    pub(super) clock: ClockSource,
    pub(super) hasher: S,
}

/// What an insert did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inserted {
    /// There was no live entry under the id.
    New,
    /// The entry under the id was replaced, in one atomic step.
    Replaced,
}

impl<V, S> Cache<V, S> {
    /// Number of entries, those included that have expired and are not swept yet.
    pub fn len(&self) -> usize {
        self.engine.len()
    }

    /// Whether there is no entry.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Number of entries that fit at most. A byte limit can lower it.
    pub fn capacity(&self) -> usize {
        self.engine.limits().entries
    }

    /// Counters and gauges. Sums over a shard for each of 128 threads.
    pub fn stats(&self) -> Stats {
        self.engine.stats()
    }

    /// The time now, as this cache sees it.
    #[inline]
    pub fn now(&self) -> Time {
        self.clock.now()
    }

    /// The time of day, as this cache sees it: a duration since 1970-01-01 00:00 UTC.
    pub fn unix_time(&self) -> Duration {
        self.clock.unix_time()
    }

    /// Removes all entries and returns their number. Not one atomic step: an entry that is inserted
    /// meanwhile may stay.
    pub fn clear(&self) -> usize {
        self.engine.clear()
    }

    /// Sweeps expired entries out of one sixtieth of the table, and reclaims and overwrites memory
    /// that waited for that; each writer keeps at most 256 KiB of it for its next inserts, where a
    /// burst may leave 2 MiB. Returns the number of entries swept.
    ///
    /// Nothing depends on it, but without it memory that left the cache is only reclaimed by later
    /// inserts and removes. Call it once a second from a thread that may work for a moment.
    pub fn maintain(&self) -> usize {
        let lines = self.engine.lines().div_ceil(60);
        self.engine.maintain(lines, self.now())
    }
}

impl<V, S: BuildHasher> Cache<V, S> {
    /// Whether there is a live entry under the id. Wait-free; unlike the lookups it neither counts
    /// nor keeps the entry from eviction.
    pub fn contains(&self, id: &SessionId) -> bool {
        self.engine
            .contains(self.hash(id), id, self.now(), &Pin::new())
    }

    /// What `read` makes of a live entry: value, encoded bytes, last moment. Wait-free but for
    /// `read`; like [`contains`](Self::contains) it neither counts nor keeps the entry from
    /// eviction.
    pub fn peek<R>(&self, id: &SessionId, read: impl FnOnce(&V, &[u8], Time) -> R) -> Option<R> {
        let pin = Pin::new();
        let found = self.engine.peek(self.hash(id), id, self.now(), &pin);
        found.map(|entry| read(entry.value(), entry.encoded(), entry.get().expires_at()))
    }

    /// Inserts a value and its encoded bytes under an id until `expires_at`, that time included.
    /// An entry under the same id is replaced in one atomic step: no reader sees neither or both.
    ///
    /// When the cache is full, it evicts other entries: those that are least likely to be found
    /// again, by their age and by what the cache has learned from its own hits, and expired ones
    /// that it meets on the way. While lookups find hardly anything, entries that no lookup ever
    /// found go first.
    ///
    /// # Errors
    ///
    /// [`Refused`] says why; the cache is unchanged, the refusal counted, the value dropped.
    pub fn insert(
        &self,
        id: &SessionId,
        value: V,
        encoded: &[u8],
        expires_at: Time,
    ) -> Result<Inserted, Refused> {
        match self.insert_parts(id, value, [encoded, &[]], expires_at, false)? {
            Outcome::Replaced => Ok(Inserted::Replaced),
            _ => Ok(Inserted::New),
        }
    }

    /// As [`insert`](Self::insert), but leaves a live entry under the same id alone and returns
    /// `false`. Of several callers with one id, exactly one gets `true`.
    ///
    /// # Errors
    ///
    /// As [`insert`](Self::insert).
    pub fn insert_if_absent(
        &self,
        id: &SessionId,
        value: V,
        encoded: &[u8],
        expires_at: Time,
    ) -> Result<bool, Refused> {
        self.insert_parts_if_absent(id, value, [encoded, &[]], expires_at)
    }

    /// As [`insert_if_absent`](Self::insert_if_absent), of encoded bytes in two parts.
    pub(crate) fn insert_parts_if_absent(
        &self,
        id: &SessionId,
        value: V,
        encoded: [&[u8]; 2],
        expires_at: Time,
    ) -> Result<bool, Refused> {
        let outcome = self.insert_parts(id, value, encoded, expires_at, true)?;
        Ok(outcome == Outcome::Inserted)
    }

    /// Removes the entry under an id. Whether a live one was there.
    ///
    /// No lookup that starts after this has returned finds it.
    pub fn remove(&self, id: &SessionId) -> bool {
        self.unlink(id, RemovalCause::Removed, &Pin::new())
            .is_some()
    }

    /// Removes the entry under an id and hands its value out, in one step: of any number of callers
    /// exactly one receives it. [`Guard::take`](crate::Guard::take) also gives the encoded bytes.
    pub fn take(&self, id: &SessionId) -> Option<V>
    where
        V: Clone,
    {
        let pin = Pin::new();
        let (entry, _) = self.unlink(id, RemovalCause::Taken, &pin)?;
        Some(entry.value().clone())
    }

    /// As [`insert`](Self::insert) and [`insert_if_absent`](Self::insert_if_absent), of encoded
    /// bytes in two parts.
    pub(crate) fn insert_parts(
        &self,
        id: &SessionId,
        value: V,
        encoded: [&[u8]; 2],
        expires_at: Time,
        if_absent: bool,
    ) -> Result<Outcome, Refused> {
        let new = New {
            hash: self.hash(id),
            parts: Parts {
                id,
                expires_at,
                encoded,
            },
            if_absent,
        };
        self.engine.insert(new, value, self.now())
    }

    pub(super) fn unlink<'g>(
        &'g self,
        id: &SessionId,
        cause: RemovalCause,
        pin: &'g Pin,
    ) -> Option<(EntryRef<'g, V>, Recency)> {
        let (hash, now) = (self.hash(id), self.now());
        self.engine.remove(hash, id, now, cause, pin)
    }

    #[inline]
    pub(super) fn hash(&self, id: &SessionId) -> u64 {
        self.hasher.hash_one(id)
    }
}

/// The number of the calling thread, for sharded counters: small, and its own while it lives.
pub(crate) fn thread_number() -> usize {
    engine::thread_number()
}

impl<V, S> fmt::Debug for Cache<V, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache")
            .field("limits", self.engine.limits())
            .field("stats", &self.stats())
            .field("clock", &self.clock)
            .finish_non_exhaustive()
    }
}
