//! How one ring follows from another: as time passes, or by new keys from their provider.
//!
//! Nothing here changes a ring: each step makes the next one, from the one in force and the time.

use std::sync::Arc;

use super::next_ring::NextRing;
use crate::clock::Time;
use crate::tickets::clock_reading::ClockReading;
use crate::tickets::error::TicketKeyError;
use crate::tickets::key_ring::{KeyRing, Source};
use crate::tickets::key_set::TicketKeys;
use crate::tickets::own_keys::OwnKeys;
use crate::tickets::policy::TicketPolicy;
use crate::tickets::secret::{SecretError, TicketSecret};

/// A difference below this, in milliseconds, is no step of the wall clock: the two clocks are read
/// one after the other.
const STEP: i128 = 500;

/// The most rotations on demand within one lifetime: each ticket is looked for among all keys.
const MOST_ROTATIONS: u64 = 256;

impl KeyRing {
    /// A ring that makes its own keys.
    pub(crate) fn local(policy: TicketPolicy, at: ClockReading) -> Result<Self, TicketKeyError> {
        let own = OwnKeys::new(policy, at.now)?;
        let mut next = NextRing::new(Source::Local(Arc::new(own)), policy, at);
        next.top_up()?;
        Ok(next.finish())
    }

    /// A ring of keys that a provider gives, in place of `before`.
    pub(crate) fn given(
        keys: &TicketKeys,
        before: Option<&Self>,
        policy: TicketPolicy,
        at: ClockReading,
    ) -> Result<Self, TicketKeyError> {
        // At the start there is no better set; later there is the one in force.
        if before.is_some_and(|ring| !ring.is_fallback(at.now)) && !keys.will_seal(at.unix) {
            return Err(TicketKeyError::NothingSeals);
        }
        let mut next = NextRing::new(Source::Given, policy, at);
        for entry in keys.entries() {
            next.give(entry, before);
        }
        next.replace(before);
        next.top_up()?;
        Ok(next.finish())
    }

    /// A ring of keys that are derived from a secret, in place of `before`.
    pub(crate) fn derived(
        secret: TicketSecret,
        before: Option<&Self>,
        policy: TicketPolicy,
        at: ClockReading,
    ) -> Result<Self, SecretError> {
        secret.check_number(policy.lifetime)?;
        let lives = secret.period() + policy.lifetime;
        if lives > policy.max_age {
            return Err(SecretError::MaxAge);
        }
        // A key that the secret cannot give now is an error. At the start and later it is a
        // fallback, for the clock may be wrong, and right again soon.
        let current = secret.key(secret.index(at.unix));
        let is_clock = matches!(current, Err(SecretError::Past | SecretError::TooFar));
        if before.is_some() || !is_clock {
            current?;
        }
        let mut next = NextRing::new(Source::Derived(Arc::new(secret)), policy, at);
        next.top_up()?;
        next.keep_derived(before);
        next.replace(before);
        // Once more: the ring's own keys, which `replace` may have kept, are to stop sealing.
        next.top_up()?;
        Ok(next.finish())
    }

    /// A ring whose key of its own is a new one, of a secret that is new as well.
    pub(crate) fn rotated(&self, at: ClockReading) -> Result<Self, TicketKeyError> {
        if !matches!(self.source, Source::Local(_)) {
            return Err(TicketKeyError::Provided);
        }
        let by_time = self.policy.lifetime.as_secs() / self.policy.period.as_secs().max(1);
        if self.len() as u64 > by_time + MOST_ROTATIONS {
            return Err(TicketKeyError::TooManyRotations);
        }
        let own = OwnKeys::new(self.policy, at.now)?;
        let mut next = self.carried_over(Source::Local(Arc::new(own)), at);
        next.expire();
        next.end_own();
        next.top_up()?;
        Ok(next.finish())
    }

    /// The ring that follows from this one as time passes; `None` if this one can stay.
    pub(crate) fn renewed(&self, at: ClockReading) -> Result<Option<Self>, TicketKeyError> {
        let stepped = (at.wall_offset() - self.made_at.wall_offset()).abs() >= STEP;
        let by_wall_clock = matches!(self.source, Source::Derived(_))
            || self.keys.iter().any(|key| key.origin.validity().is_some());
        if at.now < self.renew_at && !(stepped && by_wall_clock) {
            return Ok(None);
        }
        let mut next = self.carried_over(self.source.clone(), at);
        next.follow_wall_clock();
        next.expire();
        next.top_up()?;
        Ok(Some(next.finish()))
    }

    /// A ring in the making, of the keys of this one.
    fn carried_over(&self, source: Source, at: ClockReading) -> NextRing {
        let mut next = NextRing::new(source, self.policy, at);
        next.keys = (0..self.len())
            .map(|key| self.carried(key, at.now))
            .collect();
        next.retired = self.retired.to_vec();
        next
    }

    pub(crate) fn next_renewal(&self, at: ClockReading) -> Time {
        let first_end = self.keys.iter().map(|key| key.times.open_until).min();
        let own = self.keys.iter().filter(|key| key.is_local());
        let last_own = own.map(|key| key.times.seal_from).max();
        let more = match &self.source {
            Source::Local(_) => last_own,
            _ if self.is_fallback(at.now) => last_own.map(|last| last.min(self.next_try(at))),
            Source::Given => Some(self.schedule.seals_until(at.now)),
            Source::Derived(_) => Some(self.next_try(at)),
        };
        let soonest = [first_end, more].into_iter().flatten().min();
        soonest.unwrap_or(at.now)
    }

    /// When the provider may have a key again, or the next key.
    fn next_try(&self, at: ClockReading) -> Time {
        if let Source::Derived(secret) = &self.source {
            return at.time_of(secret.start(secret.index(at.unix).saturating_add(1)));
        }
        let provided = self.keys.iter().filter(|key| !key.is_local());
        let starts = provided.map(|key| key.times.seal_from);
        let to_come = starts.filter(|from| *from > at.now).min();
        to_come.unwrap_or(Time::NEVER)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::time::Duration;

    use super::*;

    fn at(minutes: u64) -> ClockReading {
        let passed = Duration::from_secs(60 * minutes);
        ClockReading {
            now: Time::from_millis(500).saturating_add(passed),
            unix: passed,
        }
    }

    /// It once made keys from the present on only, and did not know those that its siblings had
    /// sealed with meanwhile.
    #[test]
    fn a_ring_that_was_idle_has_the_keys_of_its_siblings() {
        let lifetime = Duration::from_secs(4 * 3_600);
        let policy = TicketPolicy::default().lifetime(lifetime);
        let forked = KeyRing::local(policy, at(0)).expect("randomness");
        let keys = |ring: &KeyRing| -> Vec<_> {
            let keys = ring.iter().map(|key| (key.key.fingerprint(), key.times));
            keys.collect()
        };
        let mut busy = None;
        for minutes in (0..20 * 60).step_by(7) {
            let now = at(minutes);
            let before = busy.as_ref().unwrap_or(&forked);
            busy = before.renewed(now).expect("randomness").or(busy);
            let idle = forked.renewed(now).expect("randomness");
            let [busy, idle] = [&busy, &idle].map(|ring| ring.as_ref().unwrap_or(&forked));
            assert_eq!(keys(busy), keys(idle), "after {minutes} minutes");
        }
    }
}
