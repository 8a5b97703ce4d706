//! The keys in force, and what each of them may do at a moment.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::key::{Fingerprint, NAME, TicketKey};
use super::key_set::Validity;
use super::policy::TicketPolicy;
use super::secret::TicketSecret;
use crate::clock::Time;

/// When a key in force does what, by the ring's [clock](super::TicketRing::now): steps of the time of day
/// change nothing that was promised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyTimes {
    /// Seals from then on, unless a newer key does as well. [`Time::NEVER`] for one whose turn nobody has
    /// told yet.
    pub seal_from: Time,
    /// Seals before then.
    pub seal_until: Time,
    /// Opens before then, and from the beginning on.
    pub open_until: Time,
}

impl KeyTimes {
    fn seals(&self, now: Time) -> bool {
        self.seal_from <= now && now < self.seal_until
    }
}

/// A key in force.
#[derive(Clone)]
pub struct RingKey {
    pub(super) key: Arc<TicketKey>,
    pub(super) times: KeyTimes,
    /// When this process first had it.
    pub(super) since: Time,
    /// Until when it opens whatever the time of day does meanwhile: what it has sealed was promised that.
    pub(super) promise: Time,
    /// When it was last known to seal, as far as its times do not tell: by another set, or by another time
    /// of day. One that came to open only may have sealed elsewhere until then.
    pub(super) ceased: Time,
    pub(super) origin: Origin,
}

/// Where a key comes from, and what its times are made from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// Made here, nobody else has it.
    Local,
    /// From a file or through the API.
    Given(Option<Validity>),
    /// From a secret, for that period.
    Derived(u64, Validity),
}

impl RingKey {
    /// The key.
    #[inline]
    #[must_use]
    pub fn key(&self) -> &TicketKey {
        &self.key
    }

    /// When it does what.
    #[inline]
    #[must_use]
    pub fn times(&self) -> KeyTimes {
        self.times
    }

    /// Since when this process has it.
    #[must_use]
    pub fn since(&self) -> Time {
        self.since
    }

    /// Until when it opens at least, since it may have sealed.
    pub(super) fn promised(&self, now: Time) -> Time {
        if self.times.seal_from <= now {
            self.promise.max(self.times.open_until)
        } else {
            self.promise
        }
    }

    /// When it sealed for the last time, if that is not now.
    pub(super) fn ceased(&self, now: Time) -> Time {
        if self.times.seal_from <= now {
            self.ceased.max(self.times.seal_until.min(now))
        } else {
            self.ceased
        }
    }

    /// Whether it was made here, so that no other machine opens its tickets.
    #[must_use]
    pub fn is_local(&self) -> bool {
        self.origin == Origin::Local
    }
}

/// Shows the fingerprint, not the key.
impl fmt::Debug for RingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RingKey")
            .field("key", &self.key)
            .field("times", &self.times)
            .finish_non_exhaustive()
    }
}

/// Who provides the keys of a ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum KeySource {
    /// The ring itself: a new random key each period.
    Local,
    /// A file, or whoever called [`TicketRing::update`](super::TicketRing::update) or
    /// [`replace`](super::TicketRing::replace) last.
    Given,
    /// A secret and the time.
    Derived,
}

impl KeySource {
    /// A stable name for metrics and logs, such as `local`.
    #[must_use]
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
    Local,
    Given,
    Derived(Arc<TicketSecret>),
}

/// A key that has left the ring: nothing that opens a ticket.
#[derive(Clone, Copy)]
pub(super) struct Retired {
    pub(super) name: [u8; NAME],
    pub(super) fingerprint: Fingerprint,
    /// As [`RingKey::since`]: a key does not get younger by coming back.
    pub(super) since: Time,
    pub(super) local: bool,
}

/// How many of our own are remembered, the latest; of those that others provide, it is a set's worth.
pub(super) const RETIRED: usize = 64;

/// The ring as it is at some moment. Immutable; decisions take the time, and are the same for the same
/// time.
pub struct KeyRing {
    /// By the time from which they seal, the latest first: keys that are to come, the one that seals,
    /// those that have sealed.
    pub(super) keys: Box<[RingKey]>,
    pub(super) retired: Box<[Retired]>,
    pub(super) source: Source,
    pub(super) policy: TicketPolicy,
    /// The time of day less the clock's time, in milliseconds, when times were last made from it.
    pub(super) day: i128,
    /// When something is to be done: a key to be made, a key to be forgotten.
    pub(super) renew_at: Time,
}

/// What a name in a ticket stands for.
#[derive(Clone, Copy, Debug)]
pub enum KeyLookup<'a> {
    /// A key that opens.
    Key(&'a RingKey, KeyPosition),
    /// A key that did, and does not any more.
    Retired,
    /// No key that this ring knows of.
    Unknown,
}

/// Where a key stands in the ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyPosition {
    /// Its turn to seal is to come: a machine that is ahead seals with it.
    Next,
    /// It seals now.
    Sealing,
    /// It has sealed: 1 for the last one before that which seals now, and so on.
    Previous(usize),
}

impl KeyRing {
    /// The key that seals at this time; none only if the ring was left alone for longer than it can
    /// [plan for](Self::seals_until).
    #[inline]
    #[must_use]
    pub fn sealing(&self, now: Time) -> Option<&RingKey> {
        self.keys.iter().find(|key| key.times.seals(now))
    }

    /// The key that opens tickets with this name at this time.
    #[inline]
    #[must_use]
    pub fn opening(&self, name: &[u8; 16], now: Time) -> KeyLookup<'_> {
        // Names are public: comparing them needs no constant time.
        let mut sealing = None;
        for (i, key) in self.keys.iter().enumerate() {
            if sealing.is_none() && key.times.seals(now) {
                sealing = Some(i);
            }
            if key.key.name() == name {
                if now >= key.times.open_until {
                    return KeyLookup::Retired;
                }
                return KeyLookup::Key(key, self.place(i, sealing, now));
            }
        }
        if self.retired.iter().any(|retired| retired.name == *name) {
            return KeyLookup::Retired;
        }
        KeyLookup::Unknown
    }

    /// The place of the key at `i`, when that at `sealing`, if any up to `i`, is the one that seals.
    fn place(&self, i: usize, sealing: Option<usize>, now: Time) -> KeyPosition {
        match sealing {
            Some(sealing) if sealing == i => KeyPosition::Sealing,
            Some(sealing) => KeyPosition::Previous(i - sealing),
            None if self.keys[i].times.seal_from > now => KeyPosition::Next,
            // Nothing seals, or an older key does: this one has had its turn.
            None => KeyPosition::Previous(1),
        }
    }

    /// Number of keys that open something now or will, at least one.
    #[allow(clippy::len_without_is_empty)]
    #[must_use]
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// The keys: those to come first, then the one that seals, then those that have sealed.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &RingKey> {
        self.keys.iter()
    }

    /// Until when there is a key that seals at every moment, from `now` on, of those that are known
    /// already; `now` if there is none. The ring makes more long before that.
    #[must_use]
    pub fn seals_until(&self, now: Time) -> Time {
        let mut until = now;
        while let Some(key) = self.sealing(until) {
            until = key.times.seal_until;
        }
        until
    }

    /// When another key that is known already takes over, if one does.
    #[must_use]
    pub fn next_rotation(&self, now: Time) -> Option<Time> {
        let sealing = self.sealing(now)?;
        let newer = self.keys.iter().map(|key| key.times.seal_from);
        let newer = newer
            .filter(|from| *from > now && *from < sealing.times.seal_until)
            .min();
        let until = sealing.times.seal_until;
        newer.or_else(|| self.sealing(until).map(|_| until))
    }

    /// Who provides the keys.
    #[must_use]
    pub fn source(&self) -> KeySource {
        match self.source {
            Source::Local => KeySource::Local,
            Source::Given => KeySource::Given,
            Source::Derived(_) => KeySource::Derived,
        }
    }

    /// Whether a key of our own seals since who should provide one has not.
    #[must_use]
    pub fn is_fallback(&self, now: Time) -> bool {
        !matches!(self.source, Source::Local) && self.sealing(now).is_some_and(RingKey::is_local)
    }

    /// How long its keys live.
    pub fn policy(&self) -> TicketPolicy {
        self.policy
    }

    /// Whether somebody has missed to look after it for so long that the next who seals has to.
    #[inline]
    pub(super) fn is_overdue(&self, now: Time) -> bool {
        // Who looks after it comes once a second or so.
        let patience = (self.policy.period_of_keys() / 2).min(Duration::from_secs(60));
        now >= self.renew_at.saturating_add(patience)
    }
}

/// Shows fingerprints, no keys.
impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.keys).finish()
    }
}
