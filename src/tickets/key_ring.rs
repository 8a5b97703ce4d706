//! The keys in force.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use zeroize::Zeroize;

use super::clock_reading::ClockReading;
use super::key::{Fingerprint, NAME, TicketKey};
use super::own_keys::OwnKeys;
use super::policy::TicketPolicy;
use super::schedule::{KeyPosition, Schedule, Validity};
use super::secret::TicketSecret;
use crate::clock::Time;
use crate::sync::{AtomicU64, Ordering};

/// A key in force. `Debug` shows the fingerprint, not the key.
#[derive(Clone, Debug)]
pub struct RingKey {
    pub(super) key: Arc<TicketKey>,
    /// When it seals and opens, by the ring's [clock](super::TicketRing::now).
    pub times: Validity<Time>,
    /// When this process first had it.
    pub first_seen: Time,
    /// It opens until then, however the wall clock steps: its tickets were issued on those terms.
    pub(super) open_at_least_until: Time,
    /// When it may have sealed last, as far as its times do not say: by another set, by another
    /// wall-clock time, or on another machine before this process had it.
    pub(super) last_sealed: Time,
    pub(super) origin: Origin,
}

/// Where a key comes from, and what its times are made from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// Made here: no other machine has it.
    Local,
    /// From a file or through the API.
    Given(Option<Validity>),
    /// From a secret, for the period with that number.
    Derived(u64, Validity),
}

impl Origin {
    /// Its times by the wall clock, if it has any.
    pub(super) fn validity(self) -> Option<Validity> {
        match self {
            Self::Local => None,
            Self::Given(validity) => validity,
            Self::Derived(_, validity) => Some(validity),
        }
    }
}

impl RingKey {
    /// The key.
    #[inline]
    pub fn key(&self) -> &TicketKey {
        &self.key
    }

    /// Whether it was made here, so that no other machine opens its tickets.
    pub fn is_local(&self) -> bool {
        self.origin == Origin::Local
    }
}

/// What provides the keys of a ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum KeySource {
    /// The ring itself: a new key each period, from a random secret.
    Local,
    /// A file, or the last caller of [`TicketRing::update`](super::TicketRing::update) or
    /// [`replace`](super::TicketRing::replace).
    Given,
    /// A secret and the wall clock.
    Derived,
}

impl KeySource {
    /// A stable name for metrics and logs, such as `local`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Given => "given",
            Self::Derived => "derived",
        }
    }
}

/// What makes the next keys.
#[derive(Clone)]
pub(super) enum Source {
    Local(Arc<OwnKeys>),
    Given,
    Derived(Arc<TicketSecret>),
}

/// A key that has left the ring, without its secrets.
#[derive(Clone, Copy)]
pub(super) struct Retired {
    pub(super) name: [u8; NAME],
    pub(super) fingerprint: Fingerprint,
    /// A key that comes back is as old as it was.
    pub(super) first_seen: Time,
    pub(super) local: bool,
}

/// The most retired keys of the ring's own that it remembers; of provided keys it remembers a set's
/// worth.
pub(super) const RETIRED: usize = 64;

/// The ring at some time. Its keys and their times do not change: its methods take the time, and
/// give the same answer for the same time.
pub struct KeyRing {
    /// In the schedule's order: keys that are to seal, the key that seals, keys that have sealed.
    pub(super) keys: Box<[RingKey]>,
    /// The keys' names, side by side: a search touches few cache lines.
    names: Box<[[u8; NAME]]>,
    pub(super) schedule: Schedule<Time>,
    pub(super) retired: Box<[Retired]>,
    pub(super) source: Source,
    pub(super) policy: TicketPolicy,
    /// When this ring was made, and its keys' times from the wall clock.
    pub(super) made_at: ClockReading,
    /// When a key is to be made or dropped.
    pub(super) renew_at: Time,
    /// Up to when its rotations by time are counted, in milliseconds. Relaxed: it orders nothing
    /// but itself.
    observed: AtomicU64,
}

/// What a name in a ticket stands for.
#[derive(Clone, Copy, Debug)]
pub enum KeyLookup<'a> {
    /// A key that opens.
    Key(&'a RingKey, KeyPosition),
    /// A key that no longer opens.
    Retired,
    /// No key that this ring remembers.
    Unknown,
}

impl KeyRing {
    pub(super) fn new(
        newest_first: Vec<RingKey>,
        retired: Vec<Retired>,
        source: Source,
        policy: TicketPolicy,
        made_at: ClockReading,
    ) -> Self {
        Self {
            names: newest_first.iter().map(|key| *key.key.name()).collect(),
            schedule: Schedule::new(newest_first.iter().map(|key| key.times).collect()),
            keys: newest_first.into(),
            retired: retired.into(),
            source,
            policy,
            made_at,
            renew_at: Time::NEVER,
            observed: AtomicU64::new(made_at.now.as_millis()),
        }
    }

    /// The key that seals at this time. `None` only if the ring was not maintained for longer than
    /// its keys seal.
    #[inline]
    pub fn sealing(&self, now: Time) -> Option<&RingKey> {
        self.schedule.sealing(now).map(|key| &self.keys[key])
    }

    /// The key that opens tickets with this name at this time.
    #[inline]
    pub fn opening(&self, name: &[u8; 16], now: Time) -> KeyLookup<'_> {
        let Some(key) = self.named(name) else {
            let is_retired = self.retired.iter().any(|retired| retired.name == *name);
            return match is_retired {
                true => KeyLookup::Retired,
                false => KeyLookup::Unknown,
            };
        };
        if !self.schedule.times()[key].opens(now) {
            return KeyLookup::Retired;
        }
        KeyLookup::Key(&self.keys[key], self.schedule.position(key, now))
    }

    #[inline]
    fn named(&self, name: &[u8; NAME]) -> Option<usize> {
        // Names are public: the comparison needs no constant time.
        self.names.iter().position(|ours| ours == name)
    }

    /// The index of the same key, name and secrets.
    pub(super) fn find(&self, key: &TicketKey) -> Option<usize> {
        let found = self.named(key.name())?;
        (self.keys[found].key.fingerprint() == key.fingerprint()).then_some(found)
    }

    /// When a key may have sealed last, up to now.
    pub(super) fn last_sealed(&self, key: usize, now: Time) -> Time {
        let last_sealed = self.keys[key].last_sealed;
        if self.keys[key].times.only_opens() {
            return last_sealed;
        }
        // Earlier rings may have had newer keys, which sealed instead: they have decided.
        let scheduled = self.schedule.last_sealed(key, now);
        let scheduled = scheduled.filter(|scheduled| self.made_at.now <= *scheduled);
        scheduled.map_or(last_sealed, |scheduled| scheduled.max(last_sealed))
    }

    /// A key as the ring after this one takes it over.
    pub(super) fn carried(&self, key: usize, now: Time) -> RingKey {
        let mut carried = self.keys[key].clone();
        carried.last_sealed = self.last_sealed(key, now);
        if carried.times.seal_from <= now {
            let open_until = carried.times.open_until;
            carried.open_at_least_until = carried.open_at_least_until.max(open_until);
        }
        carried
    }

    /// Number of keys that open now, at least one.
    #[allow(clippy::len_without_is_empty)]
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// The keys: those that are to seal, then the one that seals, then those that have sealed.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &RingKey> {
        self.keys.iter()
    }

    /// What provides the keys.
    pub fn source(&self) -> KeySource {
        match self.source {
            Source::Local(_) => KeySource::Local,
            Source::Given => KeySource::Given,
            Source::Derived(_) => KeySource::Derived,
        }
    }

    /// Whether a key of the ring's own seals because its provider has none that may.
    pub fn is_fallback(&self, now: Time) -> bool {
        !matches!(self.source, Source::Local(_)) && self.sealing(now).is_some_and(RingKey::is_local)
    }

    /// How long its keys live.
    pub fn policy(&self) -> TicketPolicy {
        self.policy
    }

    /// Moves the time up to which its rotations are counted on to `now`, if that is later. Returns
    /// the time before.
    pub(super) fn observe_until(&self, now: Time) -> Time {
        Time::from_millis(self.observed.fetch_max(now.as_millis(), Ordering::Relaxed))
    }

    /// As a key wipes its name, so does a ring wipe its copies.
    fn wipe_names(&mut self) {
        self.names.as_flattened_mut().zeroize();
        self.retired.iter_mut().for_each(|old| old.name.zeroize());
    }

    /// Whether it is time for maintenance.
    #[inline]
    pub(super) fn is_due(&self, now: Time) -> bool {
        now >= self.renew_at
    }

    /// Whether maintenance is so late that the next handshake that seals renews the ring.
    #[inline]
    pub(super) fn is_overdue(&self, now: Time) -> bool {
        // A thread that maintains the ring comes once a second or so.
        let patience = (self.policy.period / 2).min(Duration::from_secs(60));
        now >= self.renew_at.saturating_add(patience)
    }
}

impl Drop for KeyRing {
    fn drop(&mut self) {
        self.wipe_names();
    }
}

/// Shows fingerprints, no keys.
impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.keys).finish()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::clock::ClockSource;

    /// A search of freed memory is no sound test: it calls what the drop calls.
    #[test]
    fn a_ring_that_is_dropped_wipes_the_names_of_its_keys() {
        let at = ClockReading::of(&ClockSource::default());
        let mut ring = KeyRing::local(TicketPolicy::default(), at).expect("randomness");
        ring.retired = Box::new([Retired {
            name: ring.names[0],
            fingerprint: ring.keys[0].key.fingerprint(),
            first_seen: at.now,
            local: true,
        }]);
        ring.wipe_names();
        assert!(ring.names.iter().all(|name| *name == [0; NAME]));
        assert_eq!(ring.retired[0].name, [0; NAME]);
    }
}
