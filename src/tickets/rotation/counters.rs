//! How often the ring rotated and fell back.

use super::events;
use crate::clock::Time;
use crate::sync::{AtomicBool, AtomicU64, Ordering};
use crate::tickets::key_ring::KeyRing;

/// What was seen last, and how often it changed.
pub(crate) struct RotationCounters {
    /// Of the key that sealed at the last observation: its fingerprint, which covers the whole key.
    sealing: AtomicU64,
    fallback: AtomicBool,
    pub(crate) rotations: AtomicU64,
    pub(crate) fallbacks: AtomicU64,
}

impl RotationCounters {
    pub(crate) fn new(first: &KeyRing, now: Time) -> Self {
        let fallback = first.is_fallback(now);
        if fallback {
            events::fallback_began();
        }
        Self {
            sealing: AtomicU64::new(sealing(first, now)),
            fallback: AtomicBool::new(fallback),
            rotations: AtomicU64::new(0),
            fallbacks: AtomicU64::new(fallback.into()),
        }
    }

    /// Counts what has changed since the last observation. Relaxed: the counters order nothing, and
    /// a swap counts each change once.
    pub(crate) fn observe(&self, ring: &KeyRing, now: Time) {
        let (sealing, fallback) = (sealing(ring, now), ring.is_fallback(now));
        if self.sealing.swap(sealing, Ordering::Relaxed) != sealing {
            self.rotations.fetch_add(1, Ordering::Relaxed);
            events::rotated(ring.sealing(now));
        }
        match (self.fallback.swap(fallback, Ordering::Relaxed), fallback) {
            (false, true) => {
                self.fallbacks.fetch_add(1, Ordering::Relaxed);
                events::fallback_began();
            }
            (true, false) => events::fallback_ended(),
            _ => {}
        }
    }
}

fn sealing(ring: &KeyRing, now: Time) -> u64 {
    let sealing = ring.sealing(now);
    sealing.map_or(0, |key| key.key().fingerprint().as_u64())
}
