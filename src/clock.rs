//! Time inside the cache: monotonic, coarse, and injected.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

#[cfg(target_os = "linux")]
use rustix::time::ClockId;

use crate::sync::{AtomicU64, Ordering};

/// A point in a [`Clock`]'s time: milliseconds since an origin that only the clock knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Time(u64);

impl Time {
    /// Later than every time that a clock shows: what expires then, never does.
    pub const NEVER: Time = Time(u64::MAX);

    /// The point `millis` milliseconds after the clock's origin.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the clock's origin.
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// The point `duration` later (whole milliseconds), or [`Time::NEVER`] where that is too far.
    #[must_use]
    pub fn saturating_add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(whole_millis(duration)))
    }

    /// The point `duration` earlier (whole milliseconds), or the clock's origin.
    #[must_use]
    pub(crate) fn saturating_sub(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(whole_millis(duration)))
    }

    /// The time that has passed since `earlier`; zero where `earlier` is later.
    pub const fn duration_since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

/// The whole milliseconds of a duration, as far as they go.
pub(crate) fn whole_millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Where a cache takes its time from.
///
/// Called once for each lookup, so it has to be cheap, and must neither block nor allocate.
pub trait Clock: Send + Sync {
    /// The time now. Never goes back. A granularity of some milliseconds is fine.
    fn now(&self) -> Time;

    /// The time of day, as a duration since 1970-01-01 00:00 UTC. Asked when a TLS session is
    /// stored or opened, to learn how much of its life is left, and for ticket keys that go by it.
    /// May step, both ways.
    fn unix_time(&self) -> Duration {
        SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default()
    }
}

/// The machine's monotonic clock, at the granularity of the kernel's timer tick (1 to 10 ms).
///
/// On Linux that is `CLOCK_MONOTONIC_COARSE`: 3 ns a reading, no system call.
#[derive(Clone, Copy, Debug, Default)]
pub struct MonotonicClock;

impl Clock for MonotonicClock {
    #[inline]
    fn now(&self) -> Time {
        #[cfg(target_os = "linux")]
        let millis = coarse(ClockId::MonotonicCoarse).as_millis() as u64;
        #[cfg(not(target_os = "linux"))]
        let millis = coarse_millis();
        Time(millis)
    }

    #[cfg(target_os = "linux")]
    #[inline]
    fn unix_time(&self) -> Duration {
        coarse(ClockId::RealtimeCoarse)
    }
}

/// Zero for a negative time: before 1970 it is 1970.
#[cfg(target_os = "linux")]
#[inline]
fn coarse(clock: ClockId) -> Duration {
    Duration::try_from(rustix::time::clock_gettime(clock)).unwrap_or_default()
}

#[cfg(not(target_os = "linux"))]
fn coarse_millis() -> u64 {
    use std::sync::LazyLock;
    use std::time::Instant;

    static ORIGIN: LazyLock<Instant> = LazyLock::new(Instant::now);
    ORIGIN.elapsed().as_millis() as u64
}

/// A clock that stands still until it is told to move: for tests.
#[derive(Debug)]
pub struct ManualClock {
    millis: AtomicU64,
    /// The time of day at the clock's origin.
    unix_origin: Duration,
}

impl ManualClock {
    /// A clock that shows a time one day past its origin, so that there is a past, and the time of
    /// day at which it was made.
    pub fn new() -> Self {
        let day = Duration::from_secs(24 * 60 * 60);
        let unix = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
        Self {
            millis: AtomicU64::new(day.as_millis() as u64),
            unix_origin: unix.saturating_sub(day),
        }
    }

    /// Moves the clock forward by whole milliseconds of `by`.
    pub fn advance(&self, by: Duration) {
        self.millis
            .fetch_add(by.as_millis() as u64, Ordering::Relaxed);
    }
}

impl Default for ManualClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Time {
        Time(self.millis.load(Ordering::Relaxed))
    }

    fn unix_time(&self) -> Duration {
        self.unix_origin + Duration::from_millis(self.now().as_millis())
    }
}

/// The clock of a cache: the machine's own is called directly, any other through a pointer.
#[derive(Clone, Default)]
pub(crate) enum ClockSource {
    #[default]
    Monotonic,
    Injected(Arc<dyn Clock>),
}

impl ClockSource {
    #[inline]
    pub(crate) fn now(&self) -> Time {
        match self {
            Self::Monotonic => MonotonicClock.now(),
            Self::Injected(clock) => clock.now(),
        }
    }

    pub(crate) fn unix_time(&self) -> Duration {
        match self {
            Self::Monotonic => MonotonicClock.unix_time(),
            Self::Injected(clock) => clock.unix_time(),
        }
    }
}

impl fmt::Debug for ClockSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Monotonic => "MonotonicClock",
            Self::Injected(_) => "dyn Clock",
        })
    }
}
