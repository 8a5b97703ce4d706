//! Configures a ring of ticket keys.

use std::sync::Arc;

use thiserror::Error;

use super::clock_reading::ClockReading;
use super::error::TicketKeyError;
use super::inherited::InheritedRing;
use super::key_ring::KeyRing;
use super::key_set::TicketKeys;
use super::policy::{PolicyError, TicketPolicy};
use super::secret::{SecretError, TicketSecret};
use super::ticket_ring::TicketRing;
use crate::clock::{Clock, ClockSource};
use crate::state::StateError;

/// Configures a [`TicketRing`].
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct TicketRingBuilder {
    policy: TicketPolicy,
    clock: ClockSource,
    source: Source,
    inherited: Option<InheritedRing>,
}

/// Where the first keys come from.
#[derive(Clone, Debug, Default)]
enum Source {
    #[default]
    OwnKeys,
    Keys(TicketKeys),
    Secret(TicketSecret),
}

impl TicketRing {
    /// A ring of these keys, under the default policy and the machine's clock.
    ///
    /// # Errors
    ///
    /// [`TicketKeyError::NoRandomness`]: none of the keys may seal now, and the operating system
    /// gives no random bytes for a key of the ring's own.
    pub fn new(keys: &TicketKeys) -> Result<Self, TicketRingError> {
        Self::builder().keys(keys).build()
    }

    /// A ring that makes its own keys, under the default policy and the machine's clock.
    ///
    /// # Errors
    ///
    /// [`TicketKeyError::NoRandomness`] when the operating system gives none.
    pub fn random() -> Result<Self, TicketRingError> {
        Self::builder().build()
    }

    /// For a ring under another policy, by another clock, or of derived keys.
    pub fn builder() -> TicketRingBuilder {
        TicketRingBuilder::default()
    }
}

impl TicketRingBuilder {
    /// How long keys live; [`build`](Self::build) checks it.
    pub fn policy(mut self, policy: TicketPolicy) -> Self {
        self.policy = policy;
        self
    }

    /// Takes the time from `clock` instead of [`MonotonicClock`](crate::MonotonicClock). Its
    /// [`unix_time`](Clock::unix_time) serves keys that have times by the wall clock, and the age
    /// of tickets from other machines.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = ClockSource::Injected(clock);
        self
    }

    /// The ring makes its own keys, a new one each period. The default.
    pub fn own_keys(mut self) -> Self {
        self.source = Source::OwnKeys;
        self
    }

    /// The ring begins with these keys.
    pub fn keys(mut self, keys: &TicketKeys) -> Self {
        self.source = Source::Keys(keys.clone());
        self
    }

    /// The ring derives its keys from a secret and the wall clock. While that clock is off, so that
    /// the secret gives no key, the ring [falls back](super::RingStatus::fallback) to keys of its
    /// own.
    pub fn secret(mut self, secret: &TicketSecret) -> Self {
        self.source = Source::Secret(secret.clone());
        self
    }

    /// The ring goes on where that of another process of this machine stands, by the same clock:
    /// keys are as old as they were, and what that ring made opens until its tickets have ended. A
    /// ring of own keys makes the same later keys as the other one, if the policy's
    /// [`period`](TicketPolicy::period) is the same.
    pub fn inherit(mut self, ring: InheritedRing) -> Self {
        self.inherited = Some(ring);
        self
    }

    /// Builds the ring.
    ///
    /// # Errors
    ///
    /// [`TicketRingError`]: the policy has a value out of its range or does not fit the secret, the
    /// operating system gives no random bytes for a key that the ring makes, or the ring to
    /// [inherit](Self::inherit) is of another clock.
    pub fn build(self) -> Result<TicketRing, TicketRingError> {
        self.policy.check()?;
        let at = ClockReading::of(&self.clock);
        let policy = self.policy;
        if let Some(inherited) = &self.inherited {
            inherited.check_clock(at.now)?;
        }
        let before = |inherited: InheritedRing| inherited.before(policy, at);
        let first = match (self.source, self.inherited) {
            (Source::OwnKeys, None) => KeyRing::local(policy, at)?,
            (Source::OwnKeys, Some(inherited)) => inherited.own(policy, at)?,
            (Source::Keys(keys), inherited) => {
                KeyRing::given(&keys, inherited.map(before).as_ref(), policy, at)?
            }
            (Source::Secret(secret), inherited) => {
                KeyRing::derived(secret, inherited.map(before).as_ref(), policy, at)?
            }
        };
        Ok(TicketRing::start(first, self.clock))
    }
}

/// Why a ring could not be built.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum TicketRingError {
    /// The policy has a value out of its range.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// There is no key to seal with.
    #[error(transparent)]
    Keys(#[from] TicketKeyError),
    /// The secret gives no key at this time.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The ring to inherit is of another clock.
    #[error(transparent)]
    Inherited(#[from] StateError),
}
