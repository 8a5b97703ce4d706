//! A set of ticket keys, as somebody provides it: from a file, through the API, in any format.

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::error::{KeyLocation, MAX_KEYS, TicketKeyError};
use super::key::{TicketCipher, TicketKey};

/// What a key of a set is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyRole {
    /// It will seal one day, when another set says so: until then it opens what faster machines seal.
    Next,
    /// It seals and opens.
    Seal,
    /// It opens what it sealed in the past.
    Open,
    /// It does both when its times say so.
    Timed(Validity),
}

/// When a key does what, by the time of day: durations since 1970-01-01 00:00 UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// Seals from then on, unless a later key does as well.
    pub seal_from: Duration,
    /// Seals until then.
    pub seal_until: Duration,
    /// Opens until then, and from the beginning on.
    pub open_until: Duration,
}

/// A key and what it is for.
#[derive(Clone)]
pub struct KeyEntry {
    pub(super) key: Arc<TicketKey>,
    pub(super) role: KeyRole,
    at: KeyLocation,
}

impl KeyEntry {
    /// A key for that duty, found at that place.
    #[must_use]
    pub fn new(key: TicketKey, role: KeyRole, at: KeyLocation) -> Self {
        Self {
            key: Arc::new(key),
            role,
            at,
        }
    }

    /// The same key at another place.
    #[must_use]
    pub fn with_location(&self, at: KeyLocation) -> Self {
        Self { at, ..self.clone() }
    }

    /// The same key for another duty.
    #[must_use]
    pub fn with_role(&self, role: KeyRole) -> Self {
        Self {
            role,
            ..self.clone()
        }
    }

    /// The key.
    #[must_use]
    pub fn key(&self) -> &TicketKey {
        &self.key
    }

    /// What it is for.
    #[must_use]
    pub fn role(&self) -> KeyRole {
        self.role
    }
}

/// Shows the fingerprint, not the key.
impl fmt::Debug for KeyEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyEntry")
            .field("key", &self.key)
            .field("role", &self.role)
            .finish_non_exhaustive()
    }
}

/// A set of ticket keys, never empty and never without one that seals. Names and secrets differ from key
/// to key.
#[derive(Clone)]
pub struct TicketKeys {
    keys: Vec<KeyEntry>,
    trailing_bytes: usize,
}

impl TicketKeys {
    /// The most keys in a set. Each ticket that names none of them is looked for among all.
    pub const MAX_KEYS: usize = MAX_KEYS;

    /// A set of one key of random bytes, for AES-128.
    ///
    /// # Errors
    ///
    /// [`TicketKeyError::NoRandomness`] when the operating system gives none.
    pub fn random() -> Result<Self, TicketKeyError> {
        let key = TicketKey::random(TicketCipher::Aes128)?;
        Self::new(vec![KeyEntry::new(
            key,
            KeyRole::Seal,
            KeyLocation::record(0),
        )])
    }

    /// A set of these keys.
    ///
    /// # Errors
    ///
    /// [`DuplicateName`](TicketKeyError::DuplicateName),
    /// [`DuplicateMaterial`](TicketKeyError::DuplicateMaterial),
    /// [`NothingSeals`](TicketKeyError::NothingSeals), [`TooMany`](TicketKeyError::TooMany).
    pub fn new(keys: Vec<KeyEntry>) -> Result<Self, TicketKeyError> {
        if keys.len() > Self::MAX_KEYS {
            return Err(TicketKeyError::TooMany);
        }
        // Formats that begin with the oldest key are in the set the other way round.
        let in_file = |(one, other): (usize, usize)| match (keys[one].at, keys[other].at) {
            (one, other) if other.record < one.record => (other, one),
            pair => pair,
        };
        if let Some(pair) = duplicates(&keys, |a, b| a.name().cmp(b.name())) {
            let (first, second) = in_file(pair);
            return Err(TicketKeyError::DuplicateName { first, second });
        }
        if let Some(pair) = duplicates(&keys, TicketKey::cmp_secrets) {
            let (first, second) = in_file(pair);
            return Err(TicketKeyError::DuplicateMaterial { first, second });
        }
        let seals = |key: &KeyEntry| matches!(key.role, KeyRole::Seal | KeyRole::Timed(_));
        if !keys.iter().any(seals) {
            return Err(TicketKeyError::NothingSeals);
        }
        Ok(Self {
            keys,
            trailing_bytes: 0,
        })
    }

    /// Whether none of them seals at this time of day or later, by their tables.
    pub(super) fn have_ended(&self, unix: Duration) -> bool {
        self.keys.iter().all(|key| match key.role {
            KeyRole::Timed(table) => table.seal_until <= unix,
            KeyRole::Seal => false,
            KeyRole::Next | KeyRole::Open => true,
        })
    }

    /// The same set, read from a file with this many bytes behind the last whole record.
    #[must_use]
    pub fn with_trailing_bytes(mut self, trailing_bytes: usize) -> Self {
        self.trailing_bytes = trailing_bytes;
        self
    }

    /// Number of keys: at least one.
    #[allow(clippy::len_without_is_empty)]
    #[must_use]
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// The keys and their duties, in the order in which they came.
    pub fn given(&self) -> impl ExactSizeIterator<Item = &KeyEntry> + DoubleEndedIterator {
        self.keys.iter()
    }

    /// The keys, in the order in which they came.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &TicketKey> + DoubleEndedIterator {
        self.keys.iter().map(KeyEntry::key)
    }

    /// Bytes behind the last whole record, which [`parse`](Self::parse) ignored.
    #[must_use]
    pub fn trailing_bytes(&self) -> usize {
        self.trailing_bytes
    }
}

/// The indices of two keys that `order` finds equal, the lesser first.
fn duplicates(
    keys: &[KeyEntry],
    order: impl Fn(&TicketKey, &TicketKey) -> Ordering,
) -> Option<(usize, usize)> {
    let mut sorted: Vec<usize> = (0..keys.len()).collect();
    // Stable: the first of two is the one that came first.
    sorted.sort_by(|a, b| order(&keys[*a].key, &keys[*b].key));
    let mut pairs = sorted.windows(2);
    let found = pairs.find(|pair| order(&keys[pair[0]].key, &keys[pair[1]].key).is_eq())?;
    Some((found[0], found[1]))
}

/// Shows fingerprints, no keys.
impl fmt::Debug for TicketKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.keys).finish()
    }
}
