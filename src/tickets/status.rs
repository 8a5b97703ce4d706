//! What a ring is doing, without a secret.

use std::time::Duration;

use super::key::Fingerprint;
use super::key_ring::{KeyLookup, KeyPosition, KeyRing, KeySource, KeyTimes};
use super::{RingKey, TicketRing};
use crate::clock::Time;
use crate::sync::{AtomicBool, AtomicU64, Ordering};

/// What a ring is doing.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RingStatus {
    /// Who provides the keys.
    pub source: KeySource,
    /// Whether keys of our own seal since that provider's are too old, or have not come: this machine's
    /// tickets open nowhere else.
    pub fallback: bool,
    /// How often that has begun.
    pub fallbacks: u64,
    /// How often another key began to seal, by time or by an update.
    pub rotations: u64,
    /// Time until another key that is known already begins to seal, if one does.
    pub next_rotation: Option<Duration>,
    /// Time for which there is a key that seals, of those that are known already; `None` if it is for
    /// ever.
    pub seals_for: Option<Duration>,
    /// The keys: those to come first, then the one that seals, then those that have sealed.
    pub keys: Vec<KeyStatus>,
}

/// What a key is doing.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct KeyStatus {
    /// Tells it apart.
    pub fingerprint: Fingerprint,
    /// Whether it seals, or when.
    pub place: KeyPosition,
    /// Whether it was made here.
    pub local: bool,
    /// Time since it began to seal here or, if that is not known, since this process first had it; zero
    /// for one to come.
    pub age: Duration,
    /// Time for which it still opens.
    pub opens_for: Duration,
    /// When it does what, by the ring's clock.
    pub times: KeyTimes,
}

impl TicketRing {
    /// What the ring is doing now.
    #[must_use]
    pub fn status(&self) -> RingStatus {
        let (keys, now) = (self.load(), self.now());
        self.watch.observe(&keys, now);
        let until = |time: Time| (time != Time::NEVER).then(|| since(time, now));
        RingStatus {
            source: keys.source(),
            fallback: keys.is_fallback(now),
            fallbacks: self.watch.fallbacks.load(Ordering::Relaxed),
            rotations: self.watch.rotations.load(Ordering::Relaxed),
            next_rotation: keys.next_rotation(now).and_then(until),
            seals_for: until(keys.seals_until(now)),
            keys: keys.iter().filter_map(|key| of(key, &keys, now)).collect(),
        }
    }
}

fn of(key: &RingKey, ring: &KeyRing, now: Time) -> Option<KeyStatus> {
    let KeyLookup::Key(_, place) = ring.opening(key.key().name(), now) else {
        return None;
    };
    let times = key.times();
    Some(KeyStatus {
        fingerprint: key.key().fingerprint(),
        place,
        local: key.is_local(),
        age: since(now, began(key)),
        opens_for: since(times.open_until, now),
        times,
    })
}

/// When it began to seal, as far as that is known.
fn began(key: &RingKey) -> Time {
    let from = key.times().seal_from;
    let is_known = from != Time::from_millis(0) && from != Time::NEVER;
    if is_known { from } else { key.since() }
}

fn since(later: Time, earlier: Time) -> Duration {
    Duration::from_millis(later.as_millis().saturating_sub(earlier.as_millis()))
}

/// What was seen last, and how often it changed.
pub(super) struct RotationCounters {
    /// Of the key that sealed when somebody last looked: the beginning of its name.
    sealing: AtomicU64,
    fallback: AtomicBool,
    rotations: AtomicU64,
    fallbacks: AtomicU64,
}

impl RotationCounters {
    pub(super) fn new(first: &KeyRing, now: Time) -> Self {
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
    pub(super) fn observe(&self, ring: &KeyRing, now: Time) {
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
