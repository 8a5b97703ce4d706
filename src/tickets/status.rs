//! What a ring is doing, without a secret.

use std::time::Duration;

use super::key::Fingerprint;
use super::key_ring::{KeySource, RingKey};
use super::schedule::{KeyPosition, TimePoint, Validity};
use super::ticket_ring::TicketRing;
use crate::clock::Time;
use crate::sync::Ordering;

/// What a ring is doing.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RingStatus {
    /// What provides the keys.
    pub source: KeySource,
    /// Whether keys of the ring's own seal because its provider has none that may: no other machine
    /// opens their tickets.
    pub fallback: bool,
    /// How often such a fallback has begun.
    pub fallbacks: u64,
    /// How often another key began to seal, by time or by an update.
    pub rotations: u64,
    /// Time until another key that is in the ring already begins to seal, if one does.
    pub next_rotation: Option<Duration>,
    /// Time for which one of the keys that are in the ring already seals; `None` without an end.
    pub seals_for: Option<Duration>,
    /// The keys: those that are to seal, then the one that seals, then those that have sealed.
    pub keys: Vec<KeyStatus>,
}

/// What a key is doing.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct KeyStatus {
    /// Tells keys apart without showing them.
    pub fingerprint: Fingerprint,
    /// Whether it seals, is to seal, or has sealed.
    pub position: KeyPosition,
    /// Whether it was made here.
    pub local: bool,
    /// Time since it began to seal here or, if that is not known, since this process first had it;
    /// zero for a key that is to seal.
    pub age: Duration,
    /// Time for which it still opens.
    pub opens_for: Duration,
    /// When it seals and opens, by the ring's clock.
    pub times: Validity<Time>,
}

impl RingStatus {
    /// The keys around the one that seals, as many as `most`: a file may hold thousands.
    pub fn nearest(&self, most: usize) -> &[KeyStatus] {
        let mut positions = self.keys.iter().map(|key| key.position);
        let sealing = positions.position(|position| position == KeyPosition::Sealing);
        let first = sealing.unwrap_or(0).saturating_sub(most / 2);
        let end = self.keys.len().min(first + most);
        &self.keys[end.saturating_sub(most)..end]
    }
}

impl TicketRing {
    /// What the ring is doing now.
    pub fn status(&self) -> RingStatus {
        let (ring, now) = (self.load(), self.now());
        self.counters.observe(&ring, now);
        let until = |time: Time| (time != Time::NEVER).then(|| time.duration_since(now));
        let keys = ring.iter().zip(ring.schedule.positions(now));
        let open = keys.filter(|(key, _)| key.times.opens(now));
        RingStatus {
            source: ring.source(),
            fallback: ring.is_fallback(now),
            fallbacks: self.counters.fallbacks.load(Ordering::Relaxed),
            rotations: self.counters.rotations.load(Ordering::Relaxed),
            next_rotation: ring.schedule.next_rotation(now).and_then(until),
            seals_for: until(ring.schedule.seals_until(now)),
            keys: open.map(|(key, position)| of(key, position, now)).collect(),
        }
    }
}

fn of(key: &RingKey, position: KeyPosition, now: Time) -> KeyStatus {
    let times = key.times;
    let is_known = ![Time::BEGINNING, Time::NEVER].contains(&times.seal_from);
    let began = if is_known {
        times.seal_from
    } else {
        key.first_seen
    };
    KeyStatus {
        fingerprint: key.key().fingerprint(),
        position,
        local: key.is_local(),
        age: now.duration_since(began),
        opens_for: times.open_until.duration_since(now),
        times,
    }
}
