//! A clock for tests whose wall clock steps on its own.
#![allow(dead_code)] // each test uses a part

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use rekindle::{Clock, Time};

/// Time since the machine came up, and the wall clock. Both stand still until told to move.
#[derive(Debug)]
pub(crate) struct TwoClocks {
    now: AtomicU64,
    unix: AtomicU64,
}

impl TwoClocks {
    /// A machine that came up `up` ago, when it is `unix` after 1970.
    pub(crate) fn new(up: Duration, unix: Duration) -> Self {
        Self {
            now: AtomicU64::new(up.as_millis() as u64),
            unix: AtomicU64::new(unix.as_millis() as u64),
        }
    }

    /// Time passes.
    pub(crate) fn pass(&self, time: Duration) {
        let millis = time.as_millis() as u64;
        self.now.fetch_add(millis, Ordering::SeqCst);
        self.unix.fetch_add(millis, Ordering::SeqCst);
    }

    /// The operator sets the wall clock, by that many seconds either way.
    pub(crate) fn step(&self, seconds: i64) {
        let millis = (seconds * 1_000) as u64; // two's complement: adding wraps
        self.unix.fetch_add(millis, Ordering::SeqCst);
    }
}

/// Of a machine that came up a day ago, with the right time.
pub(crate) fn clock() -> Arc<TwoClocks> {
    let unix = SystemTime::UNIX_EPOCH.elapsed().unwrap();
    Arc::new(TwoClocks::new(Duration::from_secs(86_400), unix))
}

impl Clock for TwoClocks {
    fn now(&self) -> Time {
        Time::from_millis(self.now.load(Ordering::SeqCst))
    }

    fn unix_time(&self) -> Duration {
        Duration::from_millis(self.unix.load(Ordering::SeqCst))
    }
}
