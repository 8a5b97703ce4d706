//! The time of a machine: it passes alike on all of them, and each has its own time of day.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use rekindle::{Clock, Time};

/// The time of day at which a world begins, in milliseconds since 1970.
const BEGIN: u64 = 1_700_000_000_000;

/// Milliseconds since a world has begun.
pub(super) type WorldTime = Arc<AtomicU64>;

#[derive(Debug)]
pub(super) struct MachineClock {
    pub(super) world: WorldTime,
    /// How far the time of day is ahead, in milliseconds.
    pub(super) ahead: AtomicI64,
}

impl Clock for MachineClock {
    fn now(&self) -> Time {
        // A day after its origin: there is a past.
        Time::from_millis(86_400_000 + self.world.load(Ordering::Relaxed))
    }

    fn unix_time(&self) -> Duration {
        let ahead = self.ahead.load(Ordering::Relaxed);
        Duration::from_millis(unix_millis(&self.world).saturating_add_signed(ahead))
    }
}

/// The right time of day.
pub(super) fn unix_millis(world: &WorldTime) -> u64 {
    BEGIN + world.load(Ordering::Relaxed)
}
