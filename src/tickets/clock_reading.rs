//! The ring's clock and the wall clock, read together.

use std::time::Duration;

use super::schedule::Validity;
use crate::clock::{ClockSource, Time};

/// Both clocks when a ring is made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ClockReading {
    pub(crate) now: Time,
    /// The wall clock, since 1970.
    pub(crate) unix: Duration,
}

impl ClockReading {
    pub(crate) fn of(clock: &ClockSource) -> Self {
        Self {
            now: clock.now(),
            unix: clock.unix_time(),
        }
    }

    /// The wall clock less the ring's clock, in milliseconds.
    pub(crate) fn wall_offset(self) -> i128 {
        self.unix.as_millis() as i128 - i128::from(self.now.as_millis())
    }

    /// A wall-clock time by the ring's clock; that clock's beginning for an earlier time.
    pub(crate) fn time_of(self, unix: Duration) -> Time {
        let millis = unix.as_millis() as i128 - self.wall_offset();
        Time::from_millis(millis.clamp(0, i128::from(u64::MAX)) as u64)
    }

    pub(crate) fn times_of(self, validity: Validity) -> Validity<Time> {
        Validity {
            seal_from: self.time_of(validity.seal_from),
            seal_until: self.time_of(validity.seal_until),
            open_until: self.time_of(validity.open_until),
        }
    }
}
