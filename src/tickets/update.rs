//! What an update of the ring has done.

use super::key::Fingerprint;
use super::key_ring::KeyRing;
use crate::clock::Time;

/// What an update has put in place.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Update {
    /// Number of keys in the ring now.
    pub keys: usize,
    /// Fingerprint of the key that seals now.
    pub sealing: Fingerprint,
    /// Keys that left the ring while tickets that they sealed may live: clients that return with
    /// those tickets get a full handshake.
    pub dropped: usize,
    /// Whether none of the keys that were given may seal now, so that a key of the ring's own does.
    pub fallback: bool,
}

impl Update {
    pub(super) fn new(before: &KeyRing, ring: &KeyRing, now: Time) -> Self {
        let lifetime = before.policy().lifetime;
        let is_dropped = |key: &usize| {
            let old = &before.keys[*key];
            let has_tickets = old.times.seal_from <= now
                && old.times.opens(now)
                && now < before.last_sealed(*key, now).saturating_add(lifetime);
            let kept = ring.find(&old.key);
            has_tickets && !kept.is_some_and(|kept| ring.keys[kept].times.opens(now))
        };
        let sealing = ring.sealing(now).unwrap_or(&ring.keys[0]);
        Self {
            keys: ring.len(),
            sealing: sealing.key().fingerprint(),
            dropped: (0..before.len()).filter(is_dropped).count(),
            fallback: ring.is_fallback(now),
        }
    }
}
