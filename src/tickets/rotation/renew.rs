//! How one ring follows from another: by the time that has passed, or by new keys from their provider.
//!
//! Nothing here changes a ring: each step makes the next one, from the one in force and the time.

use std::sync::Arc;

use super::next_ring::NextRing;
use crate::clock::Time;
use crate::tickets::clock_reading::ClockReading;
use crate::tickets::error::TicketKeyError;
use crate::tickets::key::TicketKey;
use crate::tickets::key_ring::{KeyRing, Origin, RingKey, Source};
use crate::tickets::key_set::{TicketKeys, Validity};
use crate::tickets::policy::TicketPolicy;
use crate::tickets::secret::{SecretError, TicketSecret};

/// A step of the time of day below this is none: clocks are read one after the other.
const STEP: i128 = 500;

impl KeyRing {
    /// A ring that makes its own keys.
    pub(crate) fn local(policy: TicketPolicy, at: ClockReading) -> Result<Self, TicketKeyError> {
        let mut draft = NextRing::new(Source::Local, policy, at);
        draft.top_up()?;
        Ok(draft.finish())
    }

    /// A ring of keys that somebody provides, in place of `before`.
    pub(crate) fn given(
        keys: &TicketKeys,
        before: Option<&Self>,
        policy: TicketPolicy,
        at: ClockReading,
    ) -> Result<Self, TicketKeyError> {
        let mut draft = NextRing::new(Source::Given, policy, at);
        for given in keys.given() {
            draft.give(given, before);
        }
        // At the start there is nothing better; here there is.
        if before.is_some_and(|ring| !ring.is_fallback(at.now)) && keys.have_ended(at.unix) {
            return Err(TicketKeyError::NothingSeals);
        }
        draft.replace(before);
        draft.top_up()?;
        Ok(draft.finish())
    }

    /// A ring of keys that are derived from a secret, in place of `before`.
    pub(crate) fn derived(
        secret: TicketSecret,
        before: Option<&Self>,
        policy: TicketPolicy,
        at: ClockReading,
    ) -> Result<Self, SecretError> {
        secret.check_number(policy.lifetime_of_tickets())?;
        let lives = secret.period() + policy.lifetime_of_tickets();
        if lives > policy.max_age_of_keys() {
            return Err(SecretError::MaxAge);
        }
        // What it cannot give now is an error now; later it would be a fallback.
        let current = secret.index(at.unix);
        secret.key(current)?;
        let mut draft = NextRing::new(Source::Derived(Arc::new(secret)), policy, at);
        let failed = |e: TicketKeyError| SecretError::NoRandomness(e.to_string());
        draft.top_up().map_err(failed)?;
        draft.keep_derived(before);
        draft.replace(before);
        // Once more, now that keys of our own may be here that are to end.
        draft.top_up().map_err(failed)?;
        Ok(draft.finish())
    }

    /// The ring that follows from this one when some time has passed; none if it can stay.
    pub(crate) fn renewed(&self, at: ClockReading) -> Result<Option<Self>, TicketKeyError> {
        let stepped = (at.day() - self.day).abs() >= STEP;
        let by_day = matches!(self.source, Source::Derived(_))
            || self.keys.iter().any(|key| key.origin.table().is_some());
        if at.now < self.renew_at && !(stepped && by_day) {
            return Ok(None);
        }
        let mut draft = NextRing {
            keys: self.keys.to_vec(),
            retired: self.retired.to_vec(),
            source: self.source.clone(),
            policy: self.policy,
            at,
        };
        draft.follow_the_day();
        draft.expire();
        draft.top_up()?;
        Ok(Some(draft.finish()))
    }

    /// A key of this ring that is the same as `key`.
    pub(crate) fn here(&self, key: &TicketKey) -> Option<&RingKey> {
        let mut keys = self.keys.iter();
        let named = keys.find(|ours| ours.key.name() == key.name())?;
        (named.key.fingerprint() == key.fingerprint()).then_some(named)
    }

    /// When this process first had a key that has left the ring.
    pub(crate) fn was_here_since(&self, key: &TicketKey) -> Option<Time> {
        let fingerprint = key.fingerprint();
        let mut retired = self.retired.iter();
        let was = retired.find(|retired| retired.fingerprint == fingerprint)?;
        Some(was.since)
    }
}

impl Origin {
    pub(crate) fn table(self) -> Option<Validity> {
        match self {
            Self::Local | Self::Given(None) => None,
            Self::Given(table) => table,
            Self::Derived(_, table) => Some(table),
        }
    }
}

impl KeyRing {
    pub(crate) fn next_renewal(&self, at: ClockReading) -> Time {
        let first_end = self.keys.iter().map(|key| key.times.open_until).min();
        let own = self.keys.iter().filter(|key| key.is_local());
        let last_own = own.map(|key| key.times.seal_from).max();
        let more = match &self.source {
            Source::Local => last_own,
            _ if self.is_fallback(at.now) => last_own.map(|last| last.min(self.next_try(at))),
            Source::Given => Some(self.seals_until(at.now)),
            Source::Derived(_) => Some(self.next_try(at)),
        };
        let soonest = [first_end, more].into_iter().flatten().min();
        soonest.unwrap_or(at.now)
    }

    /// When a provider may have a key again, or the next one: the beginning of the next period.
    fn next_try(&self, at: ClockReading) -> Time {
        match &self.source {
            Source::Derived(secret) => {
                at.time_of(secret.start(secret.index(at.unix).saturating_add(1)))
            }
            _ => {
                let turns = self.keys.iter().filter(|key| !key.is_local());
                let to_come = turns.map(|key| key.times.seal_from);
                to_come
                    .filter(|from| *from > at.now)
                    .min()
                    .unwrap_or(Time::NEVER)
            }
        }
    }
}
