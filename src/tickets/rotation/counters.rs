//! How often the ring rotated and fell back.

use crate::clock::Time;
use crate::sync::{AtomicBool, AtomicU64, Ordering};
use crate::tickets::key_ring::KeyRing;

/// What was seen last, and how often it changed.
pub(crate) struct RotationCounters {
    /// Of the key that sealed when somebody last looked: the beginning of its name.
    sealing: AtomicU64,
    fallback: AtomicBool,
    pub(crate) rotations: AtomicU64,
    pub(crate) fallbacks: AtomicU64,
}

impl RotationCounters {
    pub(crate) fn new(first: &KeyRing, now: Time) -> Self {
        let fallback = first.is_fallback(now);
        Self {
            sealing: AtomicU64::new(mark(first, now)),
            fallback: AtomicBool::new(fallback),
            rotations: AtomicU64::new(0),
            fallbacks: AtomicU64::new(fallback.into()),
        }
    }

    /// Notes what has changed since somebody last looked. Relaxed: counters, of which each change is
    /// counted once.
    pub(crate) fn observe(&self, ring: &KeyRing, now: Time) {
        let (sealing, fallback) = (mark(ring, now), ring.is_fallback(now));
        if self.sealing.swap(sealing, Ordering::Relaxed) != sealing {
            self.rotations.fetch_add(1, Ordering::Relaxed);
        }
        if !self.fallback.swap(fallback, Ordering::Relaxed) && fallback {
            self.fallbacks.fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn mark(ring: &KeyRing, now: Time) -> u64 {
    let name = ring.sealing(now).map(|key| *key.key().name());
    let name = name.unwrap_or_default();
    u64::from_ne_bytes(*name.first_chunk().expect("16 bytes"))
}
