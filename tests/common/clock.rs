//! A clock for tests with both of its times: one that never steps, and a time of day that does.
#![allow(dead_code)] // each test uses a part

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use rekindle::{Clock, Time};

/// Stands still until it is told to move. In milliseconds.
#[derive(Debug)]
pub(crate) struct TwoClocks {
    up: AtomicU64,
    unix: AtomicI64,
}

impl TwoClocks {
    /// Up for so long; the time of day as a duration since 1970.
    pub(crate) fn new(up: Duration, unix: Duration) -> Self {
        Self {
            up: AtomicU64::new(up.as_millis() as u64),
            unix: AtomicI64::new(unix.as_millis() as i64),
        }
    }

    /// Time passes, by both.
    pub(crate) fn pass(&self, time: Duration) {
        let millis = time.as_millis() as u64;
        self.up.fetch_add(millis, Ordering::Relaxed);
        self.unix.fetch_add(millis as i64, Ordering::Relaxed);
    }

    /// Somebody sets the time of day.
    pub(crate) fn step(&self, seconds: i64) {
        self.unix.fetch_add(seconds * 1_000, Ordering::Relaxed);
    }
}

impl Clock for TwoClocks {
    fn now(&self) -> Time {
        Time::from_millis(self.up.load(Ordering::Relaxed))
    }

    fn unix_time(&self) -> Duration {
        // Before 1970 it is 1970.
        let millis = self.unix.load(Ordering::Relaxed);
        Duration::from_millis(u64::try_from(millis).unwrap_or(0))
    }
}
