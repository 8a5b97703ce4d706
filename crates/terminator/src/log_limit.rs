//! Bounds how often one kind of event is logged.
//!
//! An upstream that is down fails every connection. One line tells the operator; a line for each
//! connection would fill a disk.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// The time after a line in which no other line of its kind is logged.
const INTERVAL: Duration = Duration::from_secs(10);

/// Admits one log line of a kind every [`INTERVAL`] and counts the events between. Wait-free: a
/// thread that loses the race for a line does not try again.
#[derive(Debug)]
pub(crate) struct LogLimit {
    start: Instant,
    /// When the next line may be logged, in milliseconds since `start`.
    next: AtomicU64,
    suppressed: AtomicU64,
}

impl LogLimit {
    /// Whether an event may be logged. If so, how many events were suppressed since the last line.
    pub(crate) fn admit(&self) -> Option<u64> {
        self.admit_at(self.start.elapsed())
    }

    fn admit_at(&self, now: Duration) -> Option<u64> {
        let now = now.as_millis() as u64;
        // Relaxed: nothing is published by these numbers. An event that falls between the two
        // changes of a line is counted for this line or for the next one.
        let next = self.next.load(Ordering::Relaxed);
        let later = now + INTERVAL.as_millis() as u64;
        let exchange =
            || (self.next).compare_exchange(next, later, Ordering::Relaxed, Ordering::Relaxed);
        if now >= next && exchange().is_ok() {
            return Some(self.suppressed.swap(0, Ordering::Relaxed));
        }
        self.suppressed.fetch_add(1, Ordering::Relaxed);
        None
    }
}

impl Default for LogLimit {
    fn default() -> Self {
        Self {
            start: Instant::now(),
            next: AtomicU64::new(0),
            suppressed: AtomicU64::new(0),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn one_line_in_ten_seconds_says_how_many_were_suppressed_since_the_last_one() {
        let limit = LogLimit::default();
        let admitted = [0, 1, 9_999, 10_000, 10_001, 20_000, 60_000]
            .map(|now| limit.admit_at(Duration::from_millis(now)));
        let expected = [Some(0), None, None, Some(2), None, Some(1), Some(0)];
        assert_eq!(admitted, expected);
    }

    #[test]
    fn threads_at_the_same_time_get_one_line_and_every_event_is_counted() {
        let limit = LogLimit::default();
        let admit = || {
            (0..1_000)
                .filter_map(|_| limit.admit_at(INTERVAL))
                .collect()
        };
        let lines: Vec<Vec<u64>> = thread::scope(|scope| {
            let threads = [(); 4].map(|()| scope.spawn(admit));
            threads
                .map(|thread| thread.join().expect("it counts"))
                .into()
        });
        let lines = lines.concat();
        assert_eq!(lines.len(), 1);
        let rest = limit.admit_at(2 * INTERVAL).expect("a line is due");
        assert_eq!(lines[0] + rest, 3_999);
    }
}
