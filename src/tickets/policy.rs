//! How long ticket keys live.

use std::ops::RangeInclusive;
use std::time::Duration;

use thiserror::Error;

use super::key_set::TicketKeys;

const HOUR: u64 = 60 * 60;
const DAY: u64 = 24 * HOUR;

/// How long ticket keys seal, and how long they open. Whole seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct TicketPolicy {
    /// See [`period`](Self::period).
    pub period: Duration,
    /// See [`lifetime`](Self::lifetime).
    pub lifetime: Duration,
    /// See [`max_age`](Self::max_age).
    pub max_age: Duration,
}

impl TicketPolicy {
    /// How long a key may seal: 1 second to 30 days.
    pub const PERIOD: RangeInclusive<u64> = 1..=30 * DAY;
    /// How long a ticket may open: 1 second to 7 days, the most that TLS 1.3 allows (RFC 8446,
    /// section 4.6.1).
    pub const LIFETIME: RangeInclusive<u64> = 1..=7 * DAY;
    /// How old a key may get: 2 seconds to 400 days.
    pub const MAX_AGE: RangeInclusive<u64> = 2..=400 * DAY;

    /// How long a key of the ring's own seals before a new one takes over. By default one hour.
    pub fn period(mut self, period: Duration) -> Self {
        self.period = period;
        self
    }

    /// How long a ticket opens after it was sealed, and how long a key of the ring's own opens
    /// after it stopped sealing. By default two hours. Clients are told no longer lifetime.
    pub fn lifetime(mut self, lifetime: Duration) -> Self {
        self.lifetime = lifetime;
        self
    }

    /// How old a key may get; a provided key, from when this process first had it. By default 30
    /// days.
    ///
    /// It must not be less than a period and a ticket lifetime together, for which a key of the
    /// ring's own lives. A provided key stops sealing one ticket [`lifetime`](Self::lifetime)
    /// earlier, so that its tickets live out their time. If its provider has given no other key by
    /// then, keys of the ring's own take over until it does.
    pub fn max_age(mut self, max_age: Duration) -> Self {
        self.max_age = max_age;
        self
    }

    /// Checks that each value is in its range.
    ///
    /// # Errors
    ///
    /// [`PolicyError`] for the first value that is out of its range.
    pub fn check(&self) -> Result<(), PolicyError> {
        let within = |range: RangeInclusive<u64>, value: Duration| {
            value.subsec_nanos() == 0 && range.contains(&value.as_secs())
        };
        if !within(Self::PERIOD, self.period) {
            return Err(PolicyError::Period(self.period));
        }
        if !within(Self::LIFETIME, self.lifetime) {
            return Err(PolicyError::Lifetime(self.lifetime));
        }
        if !within(Self::MAX_AGE, self.max_age) || self.max_age < self.lifetime + self.period {
            return Err(PolicyError::MaxAge(self.max_age));
        }
        let open = self.lifetime.as_secs() / self.period.as_secs();
        if open > TicketKeys::MAX_KEYS as u64 {
            return Err(PolicyError::TooManyKeys(open));
        }
        Ok(())
    }
}

impl Default for TicketPolicy {
    fn default() -> Self {
        Self {
            period: Duration::from_secs(HOUR),
            lifetime: Duration::from_secs(2 * HOUR),
            max_age: Duration::from_secs(30 * DAY),
        }
    }
}

/// A policy with a value out of its range.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum PolicyError {
    /// The period of keys is out of its range, or not in whole seconds.
    #[error("a period of {0:?} for ticket keys: {range}", range = must_be(TicketPolicy::PERIOD))]
    Period(Duration),
    /// The lifetime of tickets is.
    #[error(
        "a ticket lifetime of {0:?} for ticket keys: {range}",
        range = must_be(TicketPolicy::LIFETIME)
    )]
    Lifetime(Duration),
    /// The maximum age of keys is, or is no longer than a ticket's lifetime.
    #[error(
        "a maximum age of {0:?} for ticket keys: {range}, and no less than the period and the \
         ticket lifetime together",
        range = must_be(TicketPolicy::MAX_AGE)
    )]
    MaxAge(Duration),
    /// This many keys of that period would be open at one time: a lookup would take too long.
    #[error(
        "the period of ticket keys is too short for the ticket lifetime: {0} of them would be \
         open, more than {max}",
        max = TicketKeys::MAX_KEYS
    )]
    TooManyKeys(u64),
}

fn must_be(range: RangeInclusive<u64>) -> String {
    let (least, most) = range.into_inner();
    format!("it must be whole seconds, {least} to {most}")
}
