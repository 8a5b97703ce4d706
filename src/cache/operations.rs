//! The public face of the engine: a cache, and guards on it.

use std::fmt;
use std::hash::BuildHasher;

use ahash::RandomState;

use crate::cache::CacheBuilder;
use crate::clock::{ClockSource, Time};
use crate::engine::{Engine, EntryRef, Mark, New, Outcome, Pin, RemovalCause, Want, pin_writer};
use crate::error::{ConfigError, Refused};
use crate::id::SessionId;
use crate::stats::Stats;

/// A bounded cache of sessions by session id, with wait-free lookups.
///
/// Each entry has a value (for TLS, the live session) and its encoded bytes. Share the cache by
/// reference or in an `Arc`.
///
/// Every operation exists twice: here, where it pins the calling thread by itself, and on the
/// [`Guard`] that [`pin`](Self::pin) returns, where that is done already.
///
/// Values are dropped by threads that insert, remove, take, clear or maintain, some time after they
/// left, in the middle of such a call. A destructor may call the cache, but must not block: it would
/// hold the memory of every cache of the process back. The same holds for `V::clone`, which
/// [`get`](Self::get) and [`take`](Self::take) call.
pub struct Cache<V, S = RandomState> {
    engine: Engine<V>,
    clock: ClockSource,
    hasher: S,
}

/// What [`Guard::get_buffer`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Copied {
    /// Length of the encoded session, in bytes.
    pub needed: usize,
    /// Bytes that were stored: the smaller of `needed` and the buffer's length. Where it is less
    /// than `needed` the buffer holds a useless part of the session.
    pub stored: usize,
}

/// What an insert did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inserted {
    /// There was no live entry under the id.
    New,
    /// The entry under the id was replaced, in one atomic step.
    Replaced,
}

impl<V: Send + Sync> Cache<V> {
    /// A cache for `capacity` entries, with defaults for everything else.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Capacity`] for a capacity of 0 or above [`CacheBuilder::MAX_CAPACITY`].
    pub fn new(capacity: usize) -> Result<Self, ConfigError> {
        CacheBuilder::new(capacity).build()
    }
}

impl<V, S> Cache<V, S> {
    pub(crate) fn from_parts(engine: Engine<V>, clock: ClockSource, hasher: S) -> Self {
        Self {
            engine,
            clock,
            hasher,
        }
    }

    /// Pins the calling thread: what it can reach in this cache is not reclaimed until the guard
    /// is dropped.
    ///
    /// The first pin of a thread registers it, which may allocate; after that, pinning is one atomic
    /// read-modify-write. Pin for the length of a request or a batch, not for good: a guard holds back the memory of
    /// everything that leaves any cache of this process meanwhile, and once that reaches its
    /// bound, inserts are refused ([`Refused::ReclamationHeldBack`]).
    #[inline]
    pub fn pin(&self) -> Guard<'_, V, S> {
        Guard {
            cache: self,
            pin: Pin::new(),
        }
    }

    /// Number of entries, those included that have expired and are not swept yet.
    pub fn len(&self) -> usize {
        self.engine.len()
    }

    /// Whether there is no entry.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Number of entries that fit; with a byte limit, at most so many.
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

    #[cfg(feature = "openssl")]
    pub(crate) fn unix_time(&self) -> std::time::Duration {
        self.clock.unix_time()
    }

    /// Removes all entries and returns their number. Not one atomic step: an entry that is inserted
    /// meanwhile may stay.
    pub fn clear(&self) -> usize {
        self.engine.clear()
    }

    /// Sweeps expired entries out of one sixtieth of the table, and reclaims and overwrites memory
    /// that waited for that. Returns the number of entries swept.
    ///
    /// Nothing depends on it, but without it memory that left the cache is only reclaimed by later
    /// inserts and removes. Call it once a second from a thread that may work for a moment.
    pub fn maintain(&self) -> usize {
        let lines = self.engine.lines().div_ceil(60);
        self.engine.maintain(lines, self.now())
    }
}

impl<V, S: BuildHasher> Cache<V, S> {
    /// See [`Guard::get`]. Clones the value.
    #[inline]
    pub fn get(&self, id: &SessionId) -> Option<V>
    where
        V: Clone,
    {
        self.pin().get(id).cloned()
    }

    /// See [`Guard::get_buffer`].
    #[inline]
    pub fn get_buffer(&self, id: &SessionId, buffer: &mut [u8]) -> Option<Copied> {
        self.pin().get_buffer(id, buffer)
    }

    /// Whether there is a live entry under the id. Wait-free; unlike the lookups it neither counts nor
    /// keeps the entry from eviction.
    pub fn contains(&self, id: &SessionId) -> bool {
        self.engine
            .contains(self.hash(id), id, self.now(), &Pin::new())
    }

    /// Inserts a value and its encoded bytes under an id until `expires_at`, that time included.
    /// An entry under the same id is replaced in one atomic step: no reader sees neither or both.
    ///
    /// When the cache is full, others are evicted: those of which the least is to be expected, by their
    /// age and by what the cache has learned from its own hits, and expired ones found on the way. While
    /// next to nobody is found, those that nobody ever looked up go first.
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
        match self.do_insert(id, value, encoded, expires_at, false)? {
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
        let outcome = self.do_insert(id, value, encoded, expires_at, true)?;
        Ok(outcome == Outcome::Inserted)
    }

    /// Removes the entry under an id. Whether a live one was there.
    ///
    /// No lookup that starts after this has returned finds it.
    pub fn remove(&self, id: &SessionId) -> bool {
        self.with_removed(id, RemovalCause::Removed, |_| ())
            .is_some()
    }

    /// Removes the entry under an id and hands its value out, in one step: of any number of callers
    /// exactly one receives it.
    pub fn take(&self, id: &SessionId) -> Option<V>
    where
        V: Clone,
    {
        self.with_removed(id, RemovalCause::Taken, V::clone)
    }

    fn do_insert(
        &self,
        id: &SessionId,
        value: V,
        encoded: &[u8],
        expires_at: Time,
        if_absent: bool,
    ) -> Result<Outcome, Refused> {
        let new = New {
            hash: self.hash(id),
            id,
            encoded,
            expires_at,
            if_absent,
        };
        self.engine.insert(new, value, self.now())
    }

    fn with_removed<R>(
        &self,
        id: &SessionId,
        reason: RemovalCause,
        f: impl FnOnce(&V) -> R,
    ) -> Option<R> {
        let guard = pin_writer();
        let (hash, now) = (self.hash(id), self.now());
        let entry = self.engine.remove(hash, id, now, reason, &guard)?;
        Some(f(entry.value()))
    }

    #[inline]
    fn hash(&self, id: &SessionId) -> u64 {
        self.hasher.hash_one(id)
    }
}

/// A pinned thread's view of a [`Cache`].
///
/// Lookups on it cost no further pinning and lend values out for as long as the guard lives.
pub struct Guard<'c, V, S = RandomState> {
    cache: &'c Cache<V, S>,
    pin: Pin,
}

impl<'c, V, S: BuildHasher> Guard<'c, V, S> {
    /// Looks a live entry up and counts a hit, a miss or an expired one. Wait-free: no lock, no
    /// retry, no allocation.
    #[inline]
    pub fn get(&self, id: &SessionId) -> Option<&V> {
        self.lookup(id, Want::Header).map(EntryRef::value)
    }

    /// Copies the encoded bytes of a live entry into `buffer`, as many as fit, and counts as
    /// [`get`](Self::get) does. `None` leaves the buffer alone. Wait-free like `get`.
    ///
    /// An empty buffer asks for the length.
    #[inline]
    pub fn get_buffer(&self, id: &SessionId, buffer: &mut [u8]) -> Option<Copied> {
        let encoded = self.get_encoded(id)?;
        let stored = encoded.len().min(buffer.len());
        buffer[..stored].copy_from_slice(&encoded[..stored]);
        Some(Copied {
            needed: encoded.len(),
            stored,
        })
    }

    /// Lends the encoded bytes of a live entry, and counts as [`get`](Self::get) does. Wait-free like
    /// `get`.
    #[inline]
    pub fn get_encoded(&self, id: &SessionId) -> Option<&[u8]> {
        self.lookup(id, Want::Encoded).map(EntryRef::encoded)
    }

    /// As [`Cache::take`], without cloning the value.
    pub fn take(&self, id: &SessionId) -> Option<&V> {
        let (hash, now) = (self.cache.hash(id), self.cache.now());
        self.cache
            .engine
            .remove(hash, id, now, RemovalCause::Taken, &self.pin)
            .map(EntryRef::value)
    }

    /// See [`Cache::remove`].
    pub fn remove(&self, id: &SessionId) -> bool {
        self.cache.remove(id)
    }

    /// See [`Cache::insert`].
    ///
    /// # Errors
    ///
    /// As [`Cache::insert`].
    pub fn insert(
        &self,
        id: &SessionId,
        value: V,
        encoded: &[u8],
        expires_at: Time,
    ) -> Result<Inserted, Refused> {
        self.cache.insert(id, value, encoded, expires_at)
    }

    /// See [`Cache::insert_if_absent`].
    ///
    /// # Errors
    ///
    /// As [`Cache::insert_if_absent`].
    pub fn insert_if_absent(
        &self,
        id: &SessionId,
        value: V,
        encoded: &[u8],
        expires_at: Time,
    ) -> Result<bool, Refused> {
        self.cache.insert_if_absent(id, value, encoded, expires_at)
    }

    #[inline]
    fn lookup(&self, id: &SessionId, want: Want) -> Option<EntryRef<'_, V>> {
        let (hash, now) = (self.cache.hash(id), self.cache.now());
        self.cache.engine.get(hash, id, now, want, &self.pin)
    }
}

impl<'c, V, S> Guard<'c, V, S> {
    /// Walks over all entries, for diagnostics: those that have expired included, in no order, each
    /// line of eight as it is at one moment. Neither counts nor keeps anything from eviction.
    pub fn iter(&self) -> impl Iterator<Item = EntryView<'_, V>> {
        let lines = 0..self.cache.engine.lines();
        lines
            .flat_map(|line| self.cache.engine.line(line, &self.pin))
            .map(|(entry, mark)| EntryView { entry, mark })
    }

    /// Unpins and pins anew, so that what left the cache before can be reclaimed. Does nothing
    /// while the thread has another guard.
    pub fn repin(&mut self) {
        self.pin.repin();
    }

    /// The cache that this is a guard on.
    pub fn cache(&self) -> &'c Cache<V, S> {
        self.cache
    }
}

/// An entry as [`Guard::iter`] shows it.
pub struct EntryView<'g, V> {
    entry: EntryRef<'g, V>,
    mark: Mark,
}

impl<'g, V> EntryView<'g, V> {
    /// The session id.
    pub fn id(&self) -> &'g SessionId {
        self.entry.get().id()
    }

    /// The value.
    pub fn value(&self) -> &'g V {
        self.entry.value()
    }

    /// The encoded bytes: a secret.
    pub fn encoded(&self) -> &'g [u8] {
        self.entry.encoded()
    }

    /// The last moment at which the entry is live.
    pub fn expires_at(&self) -> Time {
        self.entry.get().expires_at()
    }

    /// Whether anybody ever looked it up.
    pub fn was_resumed(&self) -> bool {
        self.mark.was_resumed()
    }
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

impl<V, S> fmt::Debug for Guard<'_, V, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard").finish_non_exhaustive()
    }
}

/// Shows neither value nor encoded bytes.
impl<V> fmt::Debug for EntryView<'_, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EntryView")
            .field("id", self.id())
            .field("encoded_len", &self.encoded().len())
            .field("expires_at", &self.expires_at())
            .field("was_resumed", &self.was_resumed())
            .finish_non_exhaustive()
    }
}
