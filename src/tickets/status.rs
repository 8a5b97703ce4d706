//! What a ring is doing, without a secret.

use std::time::Duration;

use super::key::Fingerprint;
use super::key_ring::{KeyLookup, KeyPosition, KeyRing, KeySource, KeyTimes, RingKey};
use super::ticket_ring::TicketRing;
use crate::clock::Time;
use crate::sync::Ordering;

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
        self.counters.observe(&keys, now);
        let until = |time: Time| (time != Time::NEVER).then(|| since(time, now));
        RingStatus {
            source: keys.source(),
            fallback: keys.is_fallback(now),
            fallbacks: self.counters.fallbacks.load(Ordering::Relaxed),
            rotations: self.counters.rotations.load(Ordering::Relaxed),
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
