//! The keys that a ring makes by itself: a chain from one random secret.
//!
//! Time by the ring's clock is cut into periods, numbered from the ring's beginning on. The secret
//! of one period gives its key and the secret of the next period, and no way leads back
//! (`secret.rs`, with a ratchet): what is in memory does not open tickets of keys that are gone.
//! Processes that fork inherit secret and clock, and so agree on later keys. So each of them keeps
//! the chain: one that neither seals nor maintains its ring still has the old secret.

use std::time::Duration;

use super::error::{KeyLocation, NoRandomness, TicketKeyError};
use super::key::{TicketCipher, TicketKey};
use super::policy::TicketPolicy;
use super::secret::TicketSecret;
use crate::clock::Time;

/// The secret of a period, and when the first period began.
#[derive(Clone)]
pub(super) struct OwnKeys {
    pub(super) secret: TicketSecret,
    pub(super) began: Time,
}

impl OwnKeys {
    pub(super) fn new(policy: TicketPolicy, now: Time) -> Result<Self, NoRandomness> {
        Ok(Self {
            secret: TicketSecret::of_own_keys(policy.period)?,
            began: now,
        })
    }

    /// When the first period begins whose key opens then.
    pub(super) fn oldest_open(&self, now: Time, lifetime: Duration) -> Time {
        let lifetime = lifetime.as_millis() as u64;
        let earliest = now.as_millis().saturating_sub(lifetime);
        self.start_of_period(Time::from_millis(earliest).max(self.began))
    }

    /// When the period that a time lies in begins.
    fn start_of_period(&self, at: Time) -> Time {
        let period = self.secret.period().as_millis() as u64;
        let passed = at.duration_since(self.began).as_millis() as u64;
        Time::from_millis(at.as_millis() - passed % period)
    }

    /// The key of the period that a time lies in, and what gives the keys after it.
    ///
    /// # Errors
    ///
    /// [`TicketKeyError::NoRandomness`]: after more than [`TicketSecret::MOST_STEPS`] periods
    /// without a key the chain begins anew, and the operating system gives no random bytes.
    pub(super) fn key(&self, at: Time) -> Result<(TicketKey, Self), TicketKeyError> {
        let index = self.secret.index(at.duration_since(self.began));
        let secret = match self.secret.ratcheted(index) {
            Ok(secret) => secret,
            Err(_) => TicketSecret::of_own_keys(self.secret.period())?.at(index),
        };
        let weak = |fault| TicketKeyError::Bad {
            at: KeyLocation::record(0),
            fault,
        };
        let key = secret.derive(TicketCipher::Aes128, index).map_err(weak)?;
        let next = Self {
            secret: secret.ratcheted(index + 1).unwrap_or(secret),
            began: self.began,
        };
        Ok((key, next))
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3_600);

    fn at(periods: u32) -> Time {
        Time::from_millis(500).saturating_add(HOUR * periods)
    }

    #[test]
    fn processes_that_fork_agree_on_every_later_key() {
        let own = OwnKeys::new(TicketPolicy::default().period(HOUR), at(0)).expect("randomness");
        let (mut busy, mut idle) = (own.clone(), own);
        for period in 0..20 {
            let now = at(period).saturating_add(HOUR / 3);
            assert_eq!(busy.start_of_period(now), at(period));
            let (key, next) = busy.key(now).expect("a key");
            busy = next;
            if period % 7 == 0 {
                let (theirs, next) = idle.key(now).expect("a key");
                idle = next;
                assert_eq!(key.fingerprint(), theirs.fingerprint(), "{period}");
            }
        }
    }

    #[test]
    fn a_key_that_was_given_cannot_be_had_again() {
        let own = OwnKeys::new(TicketPolicy::default().period(HOUR), at(0)).expect("randomness");
        let (key, next) = own.key(at(3)).expect("a key");
        let (again, _) = next.key(at(3)).expect("a key");
        assert_ne!(key.fingerprint(), again.fingerprint());
    }

    #[test]
    fn after_too_many_idle_periods_the_chain_begins_anew() {
        let policy = TicketPolicy::default().period(Duration::from_secs(1));
        let own = OwnKeys::new(policy, at(0)).expect("randomness");
        let late = at(0).saturating_add(Duration::from_secs(TicketSecret::MOST_STEPS + 1));
        let (key, next) = own.key(late).expect("a key");
        let (after, _) = next
            .key(late.saturating_add(Duration::from_secs(1)))
            .expect("a key");
        assert_ne!(key.fingerprint(), after.fingerprint());
    }
}
