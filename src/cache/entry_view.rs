//! An entry as the cache lends it to its caller.

use std::fmt;

use crate::clock::Time;
use crate::engine::{EntryRef, Recency};
use crate::id::SessionId;

/// An entry that [`Guard::iter`](crate::Guard::iter) shows, or that
/// [`Guard::take`](crate::Guard::take) removed.
pub struct EntryView<'g, V> {
    pub(super) entry: EntryRef<'g, V>,
    pub(super) recency: Recency,
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

    /// Whether a lookup ever found the entry.
    pub fn was_resumed(&self) -> bool {
        self.recency.was_resumed()
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
