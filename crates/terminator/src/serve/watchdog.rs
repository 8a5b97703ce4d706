//! Whether the workers go on: systemd's watchdog hears of this process while they do.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::systemd;

/// When each worker was seen last. A worker that is stuck in one task is not.
#[derive(Debug, Clone)]
pub(super) struct Watchdog {
    began: Instant,
    /// Milliseconds since then.
    seen: Arc<[AtomicU64]>,
    /// Within which time systemd wants to hear.
    time: Duration,
}

impl Watchdog {
    /// Reports from now on. None if nothing watches this process.
    pub(super) fn start(workers: usize) -> Option<Self> {
        let watchdog = Self {
            time: systemd::watchdog()?,
            began: Instant::now(),
            seen: (0..workers).map(|_| AtomicU64::new(0)).collect(),
        };
        tokio::spawn(watchdog.clone().report());
        Some(watchdog)
    }

    /// For the runtime of that worker.
    pub(super) async fn beat(self, worker: usize) {
        loop {
            let now = self.began.elapsed().as_millis() as u64;
            self.seen[worker].store(now, Ordering::Relaxed);
            tokio::time::sleep(self.time / 4).await;
        }
    }

    /// Tells systemd, for as long as each worker is seen.
    async fn report(self) {
        loop {
            if self.all_are_well(self.began.elapsed()) {
                systemd::alive();
            }
            tokio::time::sleep(self.time / 4).await;
        }
    }

    fn all_are_well(&self, now: Duration) -> bool {
        let seen = |worker: &AtomicU64| Duration::from_millis(worker.load(Ordering::Relaxed));
        let is_well = |worker: &AtomicU64| now.saturating_sub(seen(worker)) < self.time;
        self.seen.iter().all(is_well)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_worker_that_is_stuck_is_enough() {
        let dog = Watchdog {
            began: Instant::now(),
            seen: (0..3).map(|_| AtomicU64::new(5_000)).collect(),
            time: Duration::from_secs(10),
        };
        assert!(dog.all_are_well(Duration::from_secs(14)));
        assert!(!dog.all_are_well(Duration::from_secs(15)));
        for worker in [0, 2] {
            dog.seen[worker].store(20_000, Ordering::Relaxed);
        }
        assert!(!dog.all_are_well(Duration::from_secs(20)));
        dog.seen[1].store(20_000, Ordering::Relaxed);
        assert!(dog.all_are_well(Duration::from_secs(20)));
    }
}
