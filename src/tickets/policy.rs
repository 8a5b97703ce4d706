//! How long ticket keys live.

use std::error::Error;
use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

use super::key_set::TicketKeys;

const HOUR: u64 = 60 * 60;
const DAY: u64 = 24 * HOUR;

/// How long ticket keys seal, and how long they open. Whole seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct TicketPolicy {
    period: Duration,
    lifetime: Duration,
    max_age: Duration,
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

    /// See [`period`](Self::period).
    #[must_use]
    pub fn period_of_keys(&self) -> Duration {
        self.period
    }

    /// See [`lifetime`](Self::lifetime).
    #[must_use]
    pub fn lifetime_of_tickets(&self) -> Duration {
        self.lifetime
    }

    /// See [`max_age`](Self::max_age).
    #[must_use]
    pub fn max_age_of_keys(&self) -> Duration {
        self.max_age
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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PolicyError {
    /// The period of keys is out of its range, or not in whole seconds.
    Period(Duration),
    /// The lifetime of tickets is.
    Lifetime(Duration),
    /// The maximum age of keys is, or is no longer than a ticket's lifetime.
    MaxAge(Duration),
    /// This many keys of that period would be open at one time: a lookup would take too long.
    TooManyKeys(u64),
}

impl fmt::Display for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, given, range) = match self {
            Self::Period(given) => ("period", given, TicketPolicy::PERIOD),
            Self::Lifetime(given) => ("ticket lifetime", given, TicketPolicy::LIFETIME),
            Self::MaxAge(given) => ("maximum age", given, TicketPolicy::MAX_AGE),
            Self::TooManyKeys(open) => {
                return write!(
                    f,
                    "the period of ticket keys is too short for the ticket lifetime: {open} of \
                     them would be open, more than {}",
                    TicketKeys::MAX_KEYS
                );
            }
        };
        let (least, most) = range.into_inner();
        write!(
            f,
            "a {what} of {given:?} for ticket keys: it must be whole seconds, {least} to {most}"
        )?;
        match self {
            Self::MaxAge(_) => {
                f.write_str(", and no less than the period and the ticket lifetime together")
            }
            _ => Ok(()),
        }
    }
}

impl Error for PolicyError {}
