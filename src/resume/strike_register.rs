//! Which flights of early data there were: each is accepted once.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

#[cfg(feature = "openssl")]
use crate::EntryView;
use crate::clock::{Clock, ClockSource};
#[cfg(feature = "openssl")]
use crate::state::{Reader, StateError, Writer};
use crate::{Cache, ConfigError, Refused, SessionId};

/// Remembers for some time, exactly, which flights of early data were accepted (RFC 8446, section
/// 8.2). It never forgets one within that time: when there is no room for another, it says so.
///
/// To ask for a flight that is known is wait-free; to add one is lock-free. For each thousand
/// flights a second, and half a minute, it takes 7 MB, and 11 MB when it is full.
///
/// ```
/// use std::time::Duration;
/// use rekindle::SessionId;
/// use rekindle::resume::{Strike, StrikeRegister};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let register = StrikeRegister::new(1_000, Duration::from_secs(30))?;
/// let client_random = [7; 32]; // no two flights have the same
/// let flight = SessionId::new(&client_random)?;
/// assert_eq!(register.strike(&flight), Strike::First);
/// assert_eq!(register.strike(&flight), Strike::Again);
/// # Ok(())
/// # }
/// ```
pub struct StrikeRegister {
    flights: Cache<()>,
    window: Duration,
}

/// What a register says of a flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Strike {
    /// It was not there before. Of any number of callers with one flight, one is told this.
    First,
    /// It was.
    Again,
    /// It was not, but cannot be remembered: there is no room. It must not be accepted.
    Full,
}

/// Entries of capacity for each flight that is expected. At a quarter of its capacity, the table
/// has no room for one flight in 150,000 (`CacheBuilder::refuse_when_full`).
const ROOM: usize = 4;

impl StrikeRegister {
    /// A register that remembers flights for `window`, with room for that many a second, and for
    /// four times as many before most are refused.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Capacity`] if that is zero flights or too many, or
    /// [`ConfigError::OutOfMemory`].
    pub fn new(flights_per_second: usize, window: Duration) -> Result<Self, ConfigError> {
        Self::with_source(flights_per_second, window, ClockSource::default())
    }

    /// As [`new`](Self::new), with the caller's clock in place of
    /// [`MonotonicClock`](crate::MonotonicClock).
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    pub fn with_clock(
        flights_per_second: usize,
        window: Duration,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, ConfigError> {
        Self::with_source(flights_per_second, window, ClockSource::Injected(clock))
    }

    pub(crate) fn with_source(
        flights_per_second: usize,
        window: Duration,
        clock: ClockSource,
    ) -> Result<Self, ConfigError> {
        let seconds = usize::try_from(window.as_millis().div_ceil(1_000)).unwrap_or(usize::MAX);
        let flights = flights_per_second.saturating_mul(seconds);
        let flights = Cache::builder()
            .capacity(flights.saturating_mul(ROOM))
            .max_encoded_len(1)
            .refuse_when_full()
            .clock_source(clock)
            .build()?;
        Ok(Self { flights, window })
    }

    /// Says whether a flight is the first of its kind, and remembers it.
    pub fn strike(&self, flight: &SessionId) -> Strike {
        let flights = &self.flights;
        let until = flights.now().saturating_add(self.window);
        match flights.insert_if_absent(flight, (), &[], until) {
            Ok(true) => Strike::First,
            Ok(false) => Strike::Again,
            Err(Refused::Full | Refused::ReclamationHeldBack) => Strike::Full,
            Err(Refused::TooLarge { .. } | Refused::OverBudget) => {
                unreachable!("an entry without bytes, and no limit of bytes")
            }
        }
    }

    /// The flights, and until when each is remembered.
    #[cfg(feature = "openssl")]
    pub(crate) fn write(&self, out: &mut Writer) {
        let guard = self.flights.pin();
        let now = self.flights.now();
        let live = |flight: &EntryView<'_, ()>| flight.expires_at() >= now;
        for flight in guard.iter().filter(live) {
            out.bytes(flight.id().as_bytes());
            out.time(flight.expires_at());
        }
    }

    /// Remembers what [`write`](Self::write) has written, up to the end of the bytes, in a process
    /// with the same clock. Whether there was room for all.
    #[cfg(feature = "openssl")]
    pub(crate) fn add(&self, mut from: Reader<'_>) -> Result<bool, StateError> {
        let mut had_room = true;
        while !from.is_empty() {
            let flight = SessionId::new(from.bytes()?);
            let flight = flight.map_err(|_| StateError::Invalid("flight"))?;
            let added = self
                .flights
                .insert_if_absent(&flight, (), &[], from.time()?);
            had_room &= added.is_ok();
        }
        Ok(had_room)
    }

    /// Makes room of flights that are no longer remembered: to be called once a second.
    pub fn maintain(&self) {
        self.flights.maintain();
    }

    /// How many flights are remembered, those included that need not be any more.
    #[must_use]
    pub fn len(&self) -> usize {
        self.flights.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl fmt::Debug for StrikeRegister {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StrikeRegister")
            .field("flights", &self.len())
            .field("window", &self.window)
            .finish_non_exhaustive()
    }
}
