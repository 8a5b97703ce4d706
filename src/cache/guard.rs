//! Guards, and the lookups that a guard makes wait-free.

use std::fmt;
use std::hash::BuildHasher;

use ahash::RandomState;

use crate::cache::entry_view::EntryView;
use crate::cache::operations::Cache;
use crate::clock::Time;
use crate::engine::{EntryRef, Pin, PrefetchHint, RemovalCause};
use crate::id::SessionId;

/// A pinned thread's view of a [`Cache`].
///
/// Lookups on it cost no further pinning and lend values out for as long as the guard lives.
pub struct Guard<'c, V, S = RandomState> {
    cache: &'c Cache<V, S>,
    pin: Pin,
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

impl<V, S> Cache<V, S> {
    /// Pins the calling thread: what it can reach in this cache is not reclaimed until the guard
    /// is dropped.
    ///
    /// The first pin of a thread registers it, which may allocate; after that, pinning is one
    /// atomic read-modify-write. Pin for the length of a request or a batch, not for good: a guard
    /// holds back the memory of everything that leaves any cache of this process meanwhile. Once
    /// that reaches its bound, inserts are refused: see
    /// [`ReclamationHeldBack`](crate::Refused::ReclamationHeldBack).
    #[inline]
    pub fn pin(&self) -> Guard<'_, V, S> {
        Guard {
            cache: self,
            pin: Pin::new(),
        }
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
}

impl<'c, V, S: BuildHasher> Guard<'c, V, S> {
    /// Looks a live entry up and counts a hit, a miss or an expired one. Wait-free: no lock, no
    /// retry, no allocation.
    #[inline]
    pub fn get(&self, id: &SessionId) -> Option<&V> {
        self.get_if(id, |_, _| true)
    }

    /// As [`get`](Self::get), but an entry whose value and encoded bytes `accept` refuses counts as
    /// expired, not as a hit, and the lookup does not keep it from eviction.
    #[inline]
    pub fn get_if(&self, id: &SessionId, accept: impl FnOnce(&V, &[u8]) -> bool) -> Option<&V> {
        self.get_in_time_if(id, |value, encoded, _| accept(value, encoded))
    }

    /// As [`get_if`](Self::get_if); `accept` also learns when the entry expires.
    #[inline]
    pub(crate) fn get_in_time_if(
        &self,
        id: &SessionId,
        accept: impl FnOnce(&V, &[u8], Time) -> bool,
    ) -> Option<&V> {
        let accept = |entry: EntryRef<'_, V>| {
            accept(entry.value(), entry.encoded(), entry.get().expires_at())
        };
        self.lookup(id, PrefetchHint::Header, accept)
            .map(EntryRef::value)
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

    /// Lends the encoded bytes of a live entry, and counts as [`get`](Self::get) does. Wait-free
    /// like `get`.
    #[inline]
    pub fn get_encoded(&self, id: &SessionId) -> Option<&[u8]> {
        self.lookup(id, PrefetchHint::Encoded, |_| true)
            .map(EntryRef::encoded)
    }

    /// As [`Cache::take`], but lends the value and its encoded bytes out instead of cloning the
    /// value.
    pub fn take(&self, id: &SessionId) -> Option<EntryView<'_, V>> {
        let (entry, recency) = self.cache.unlink(id, RemovalCause::Taken, &self.pin)?;
        Some(EntryView { entry, recency })
    }

    #[inline]
    fn lookup(
        &self,
        id: &SessionId,
        hint: PrefetchHint,
        accept: impl FnOnce(EntryRef<'_, V>) -> bool,
    ) -> Option<EntryRef<'_, V>> {
        let (hash, now) = (self.cache.hash(id), self.cache.now());
        let engine = &self.cache.engine;
        engine.get(hash, id, now, hint, accept, &self.pin)
    }
}

impl<'c, V, S> Guard<'c, V, S> {
    /// Walks over all entries, for diagnostics: those that have expired included, in no order.
    /// Each was in the cache at some moment of the walk; entries that come or go meanwhile may be
    /// missing. Neither counts nor keeps anything from eviction.
    pub fn iter(&self) -> impl Iterator<Item = EntryView<'_, V>> {
        let engine = &self.cache.engine;
        (0..engine.lines())
            .flat_map(|line| engine.entries_of_line(line, &self.pin))
            .map(|(entry, recency)| EntryView { entry, recency })
    }

    /// Unpins and pins anew, so that what left the cache before can be reclaimed. Does nothing
    /// while the thread has another guard.
    pub fn repin(&mut self) {
        self.pin.repin();
    }

    /// The cache that this is a guard on, for inserts and removals.
    pub fn cache(&self) -> &'c Cache<V, S> {
        self.cache
    }
}

impl<V, S> fmt::Debug for Guard<'_, V, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard").finish_non_exhaustive()
    }
}
