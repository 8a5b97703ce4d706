//! Events for the feature `tracing`. They show fingerprints, never a secret.
#![cfg_attr(not(feature = "tracing"), allow(unused_imports, unused_variables))]

use std::fmt::Display;

use crate::clock::Time;
use crate::tickets::key_ring::{KeyRing, KeySource, RingKey};

pub(super) fn rotated(ring: &KeyRing, now: Time) {
    #[cfg(feature = "tracing")]
    if let Some(key) = ring.sealing(now) {
        let times = key.times;
        tracing::info!(
            key = %key.key().fingerprint(),
            local = key.is_local(),
            seals_for = seconds_left(times.seal_until, now),
            opens_for = seconds_left(times.open_until, now),
            "another ticket key seals"
        );
    }
}

pub(super) fn fallback_began(ring: &KeyRing, now: Time) {
    #[cfg(feature = "tracing")]
    tracing::error!(
        "ticket keys: {}; a key of this machine's own seals, whose tickets no other machine opens",
        why_none_seals(ring, now)
    );
}

pub(super) fn fallback_ended() {
    #[cfg(feature = "tracing")]
    tracing::info!("the provider's ticket keys seal again");
}

pub(crate) fn update_refused(error: &dyn Display) {
    #[cfg(feature = "tracing")]
    tracing::warn!(%error, "an update of the ticket keys is refused");
}

pub(crate) fn no_next_key(error: &dyn Display) {
    #[cfg(feature = "tracing")]
    tracing::error!(%error, "there is no next ticket key");
}

/// None for ever.
#[cfg(feature = "tracing")]
fn seconds_left(until: Time, now: Time) -> Option<u64> {
    let millis = until.as_millis().saturating_sub(now.as_millis());
    (until != Time::NEVER).then_some(millis / 1_000)
}

/// Why none of the provider's keys seals.
#[cfg(feature = "tracing")]
fn why_none_seals(ring: &KeyRing, now: Time) -> &'static str {
    if ring.source() == KeySource::Derived {
        return "the secret gives no key for this time of day";
    }
    let policy = ring.policy();
    let oldest = policy.max_age - policy.lifetime;
    let is_old = |key: &RingKey| key.first_seen.saturating_add(oldest) <= now;
    let mut given = ring.iter().filter(|key| !key.is_local()).peekable();
    if given.peek().is_none() || given.any(is_old) {
        "the keys that were given are too old"
    } else {
        "none of the keys that were given may seal now"
    }
}
