//! Events for the feature `tracing`. They show fingerprints, never a secret.
#![cfg_attr(not(feature = "tracing"), allow(unused_variables))]

use std::fmt::Display;

use crate::tickets::key_ring::RingKey;

pub(super) fn rotated(sealing: Option<&RingKey>) {
    #[cfg(feature = "tracing")]
    if let Some(key) = sealing {
        let (fingerprint, local) = (key.key().fingerprint(), key.is_local());
        tracing::info!(key = %fingerprint, local, "another ticket key seals");
    }
}

pub(super) fn fallback_began() {
    #[cfg(feature = "tracing")]
    tracing::warn!("a ticket key of the ring's own seals: its provider has none that may");
}

pub(super) fn fallback_ended() {
    #[cfg(feature = "tracing")]
    tracing::info!("the provider's ticket keys seal again");
}

pub(crate) fn update_refused(error: &dyn Display) {
    #[cfg(feature = "tracing")]
    tracing::warn!(%error, "an update of the ticket keys is refused");
}
