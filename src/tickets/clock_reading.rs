//! The time by the ring's clock and the time of day, read together.

use std::time::Duration;

use super::key_ring::KeyTimes;
use super::key_set::Validity;
use crate::clock::{ClockSource, Time};

/// The moment at which a ring is made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ClockReading {
    pub(crate) now: Time,
    /// The time of day, since 1970.
    pub(crate) unix: Duration,
}

impl ClockReading {
    pub(crate) fn of(clock: &ClockSource) -> Self {
        Self {
            now: clock.now(),
            unix: clock.unix_time(),
        }
    }

    /// The time of day less the clock's time, in milliseconds.
    pub(crate) fn day(self) -> i128 {
        self.unix.as_millis() as i128 - i128::from(self.now.as_millis())
    }

    /// A time of day by the clock; the clock's beginning if it was before that.
    pub(crate) fn time_of(self, unix: Duration) -> Time {
        let millis = unix.as_millis() as i128 - self.day();
        Time::from_millis(millis.clamp(0, i128::from(u64::MAX)) as u64)
    }

    pub(crate) fn times_of(self, table: Validity) -> KeyTimes {
        KeyTimes {
            seal_from: self.time_of(table.seal_from),
            seal_until: self.time_of(table.seal_until),
            open_until: self.time_of(table.open_until),
        }
    }
}
