//! A set of ticket keys, as a provider gives it: from a file, through the API, in any format.

use std::cmp::{Ordering, Reverse};
use std::sync::Arc;
use std::time::Duration;

use super::error::{KeyLocation, MAX_KEYS, TicketKeyError};
use super::key::{TicketCipher, TicketKey};
use super::schedule::{KeyRole, Schedule};

/// A key and what it is for. `Debug` shows the fingerprint, not the key.
#[derive(Clone, Debug)]
pub struct KeyEntry {
    pub(super) key: Arc<TicketKey>,
    /// What it is for.
    pub role: KeyRole,
    /// Where it was found.
    pub location: KeyLocation,
}

impl KeyEntry {
    /// A key with that role, found at that location.
    pub fn new(key: TicketKey, role: KeyRole, location: KeyLocation) -> Self {
        Self {
            key: Arc::new(key),
            role,
            location,
        }
    }

    /// The same key with another role.
    #[must_use]
    pub fn with_role(&self, role: KeyRole) -> Self {
        Self {
            role,
            ..self.clone()
        }
    }

    /// The key.
    pub fn key(&self) -> &TicketKey {
        &self.key
    }
}

/// A set of ticket keys: never empty, and with at least one that seals. All names differ, and so do
/// all secrets. `Debug` shows fingerprints, no keys.
#[derive(Clone, Debug)]
pub struct TicketKeys {
    entries: Vec<KeyEntry>,
}

impl TicketKeys {
    /// The most keys in a set. A ticket that names none of them is compared with all.
    pub const MAX_KEYS: usize = MAX_KEYS;

    /// A set of one key of random bytes, for AES-128.
    ///
    /// # Errors
    ///
    /// [`TicketKeyError::NoRandomness`] when the operating system gives none.
    pub fn random() -> Result<Self, TicketKeyError> {
        let key = TicketKey::random(TicketCipher::Aes128)?;
        let entry = KeyEntry::new(key, KeyRole::Seal, KeyLocation::record(0));
        Self::new(vec![entry])
    }

    /// A set of these keys.
    ///
    /// # Errors
    ///
    /// [`DuplicateName`](TicketKeyError::DuplicateName),
    /// [`DuplicateMaterial`](TicketKeyError::DuplicateMaterial),
    /// [`NothingSeals`](TicketKeyError::NothingSeals), [`TooMany`](TicketKeyError::TooMany).
    pub fn new(entries: Vec<KeyEntry>) -> Result<Self, TicketKeyError> {
        if entries.len() > Self::MAX_KEYS {
            return Err(TicketKeyError::TooMany);
        }
        if let Some([first, second]) = duplicates(&entries, |a, b| a.name().cmp(b.name())) {
            return Err(TicketKeyError::DuplicateName { first, second });
        }
        if let Some([first, second]) = duplicates(&entries, TicketKey::cmp_secrets) {
            return Err(TicketKeyError::DuplicateMaterial { first, second });
        }
        let seals = |entry: &KeyEntry| matches!(entry.role, KeyRole::Seal | KeyRole::Timed(_));
        if !entries.iter().any(seals) {
            return Err(TicketKeyError::NothingSeals);
        }
        Ok(Self { entries })
    }

    /// Whether one of them seals at this wall-clock time or later.
    pub(super) fn will_seal(&self, unix: Duration) -> bool {
        let times = |entry: &KeyEntry| entry.role.times(unix, |validity| validity);
        self.entries.iter().any(|e| times(e).will_seal(unix))
    }

    /// What the keys may do when they are put in place at `unix`, a duration since 1970: the keys
    /// in the schedule's order, with their indices in the set. A ring orders them in the same way.
    pub fn schedule(&self, unix: Duration) -> (Vec<(usize, &KeyEntry)>, Schedule) {
        let times = |entry: &KeyEntry| entry.role.times(unix, |validity| validity);
        let mut keys: Vec<_> = self.entries.iter().enumerate().collect();
        // Stable: of keys that seal from the same time on, the first one seals.
        keys.sort_by_key(|(_, entry)| Reverse(times(entry).seal_from));
        let schedule = Schedule::new(keys.iter().map(|(_, entry)| times(entry)).collect());
        (keys, schedule)
    }

    /// Number of keys: at least one.
    #[allow(clippy::len_without_is_empty)]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// The keys and their roles, in the order in which they came.
    pub fn entries(&self) -> impl ExactSizeIterator<Item = &KeyEntry> + DoubleEndedIterator {
        self.entries.iter()
    }

    /// The keys, in the order in which they came.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &TicketKey> + DoubleEndedIterator {
        self.entries.iter().map(KeyEntry::key)
    }
}

/// Two keys that `order` finds equal, as the file has them.
fn duplicates(
    entries: &[KeyEntry],
    order: impl Fn(&TicketKey, &TicketKey) -> Ordering,
) -> Option<[KeyLocation; 2]> {
    let mut sorted: Vec<_> = entries.iter().collect();
    sorted.sort_by(|a, b| order(&a.key, &b.key));
    let is_equal = |pair: &&[&KeyEntry]| order(&pair[0].key, &pair[1].key).is_eq();
    let pair = sorted.windows(2).find(is_equal)?;
    // A format that begins with the oldest key gives the set in reverse order.
    let mut found = [pair[0].location, pair[1].location];
    found.sort_by_key(|location| location.record);
    Some(found)
}
