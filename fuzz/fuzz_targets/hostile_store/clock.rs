//! Time, the same on all machines, and the same for the same input.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rekindle::{Clock, Time};

/// At the beginning, in milliseconds since 1970.
const BEGIN: u64 = 1_700_000_000_000;

/// A clock that is told to move.
#[derive(Debug)]
pub(crate) struct WorldClock(AtomicU64);

impl WorldClock {
    pub(crate) fn new() -> Self {
        // Some time after its origin: there is a past.
        Self(AtomicU64::new(86_400_000))
    }

    pub(crate) fn advance(&self, by: Duration) {
        self.0.fetch_add(by.as_millis() as u64, Ordering::Relaxed);
    }
}

impl Clock for WorldClock {
    fn now(&self) -> Time {
        Time::from_millis(self.0.load(Ordering::Relaxed))
    }

    fn unix_time(&self) -> Duration {
        Duration::from_millis(BEGIN + self.0.load(Ordering::Relaxed))
    }
}
