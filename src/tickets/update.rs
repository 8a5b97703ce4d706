//! What an update of the ring has done.

use super::key::Fingerprint;
use super::key_ring::{KeyLookup, KeyRing, RingKey};
use crate::clock::Time;

/// What an update has put in place.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Update {
    /// Number of keys in the ring now.
    pub keys: usize,
    /// Fingerprint of the key that seals now.
    pub sealing: Fingerprint,
    /// Bytes behind the last whole record, which were ignored: a text editor's newline, or a file
    /// that is not what it should be. Worth a warning unless zero.
    pub trailing_bytes: usize,
    /// Keys that are gone although tickets may live that they have sealed: clients that come back with
    /// those get a full handshake.
    pub dropped: usize,
    /// Whether none of the keys that were given may seal now, so that one of our own does.
    pub fallback: bool,
}

impl Update {
    pub(super) fn new(before: &KeyRing, ring: &KeyRing, now: Time) -> Self {
        let lifetime = before.policy().lifetime_of_tickets();
        let is_gone = |key: &&RingKey| {
            let times = key.times();
            let opened = times.seal_from <= now && now < times.open_until;
            let has_tickets = now < key.ceased(now).saturating_add(lifetime);
            opened
                && has_tickets
                && !matches!(ring.opening(key.key().name(), now), KeyLookup::Key(..))
        };
        let sealing = ring.sealing(now).unwrap_or(&ring.keys[0]);
        Self {
            keys: ring.len(),
            sealing: sealing.key().fingerprint(),
            trailing_bytes: 0,
            dropped: before.iter().filter(is_gone).count(),
            fallback: ring.is_fallback(now),
        }
    }
}
