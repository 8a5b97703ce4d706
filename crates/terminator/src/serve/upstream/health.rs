//! Whether an upstream is up, as its connections tell (passive health).
//!
//! An upstream that fails is down. It is passed over for a pause; then one connection tries it
//! again. The pause doubles with each such trial. A connection that succeeds makes it whole.
//!
//! ```text
//!        failed                  pause over: one trial, the pause doubles
//!   up ----------> down (1 s) ------------------------------------------> down (2 s) --> ...
//!    ^               |                                                      |
//!    +---------------+-------------------- connected -----------------------+
//! ```
//!
//! A trial is counted as failed when it begins. So it needs no end: the other connections pass the
//! upstream over meanwhile, and a trial whose client goes away blocks no later one.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// The pauses are 1, 2, 4, 8, 16 and 30 seconds.
const LONGEST_PAUSE_AT: u64 = 6;
/// The low bits of the word count failures, the others are a time.
const TIME_SHIFT: u32 = 8;

/// The state of one upstream in one word.
///
/// Up: no failures, and when the upstream came back. Down: failures in a row, and until when the
/// upstream is passed over. Times are milliseconds since the start of the pool.
#[derive(Debug, Default)]
pub(super) struct Health(AtomicU64);

/// Why a connection may try an upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Admission {
    /// It is up. Holds the state that the connection saw.
    Up(u64),
    /// The pause is over, and this connection is the one that tries.
    Trial,
    /// It is down, and no other upstream is left.
    LastResort,
}

impl Health {
    /// `None` while the upstream is to be passed over. An upstream that is up costs one load.
    pub(super) fn admit(&self, now: impl FnOnce() -> Duration) -> Option<Admission> {
        // Relaxed, here and below: a connection that sees an old state is admitted as a moment
        // before. What must be exact is decided by the compare-and-exchange.
        let seen = self.0.load(Ordering::Relaxed);
        let failures = failures(seen);
        if failures == 0 {
            return Some(Admission::Up(seen));
        }
        let now = now();
        if millis(now) < seen >> TIME_SHIFT {
            return None;
        }
        let failures = (failures + 1).min(LONGEST_PAUSE_AT);
        self.exchange(seen, down(now, failures))
            .then_some(Admission::Trial)
    }

    /// Whether the upstream is down by this failure, or still is after a trial. A failure is old
    /// news if another connection has changed the state since this one was admitted.
    pub(super) fn failed(&self, admission: Admission, now: Duration) -> bool {
        match admission {
            Admission::Up(seen) => self.exchange(seen, down(now, 1)),
            Admission::Trial => true,
            Admission::LastResort => false,
        }
    }

    /// Makes the upstream whole. An upstream that is up costs one load.
    pub(super) fn connected(&self, now: Duration) {
        let up = millis(now) << TIME_SHIFT;
        let (set, fetch) = (Ordering::SeqCst, Ordering::Relaxed);
        // Refused: it was up already.
        let _ = (self.0).fetch_update(set, fetch, |seen| (failures(seen) > 0).then_some(up));
    }

    pub(super) fn is_up(&self) -> bool {
        failures(self.0.load(Ordering::SeqCst)) == 0
    }

    /// Whether the next connection may try it: it is up, or its pause is over.
    pub(super) fn is_due(&self, now: Duration) -> bool {
        let seen = self.0.load(Ordering::Relaxed);
        failures(seen) == 0 || millis(now) >= seen >> TIME_SHIFT
    }

    /// `SeqCst`: see `Upstream::log_state`, which pairs this word with what the log has said.
    fn exchange(&self, seen: u64, new: u64) -> bool {
        let (set, fetch) = (Ordering::SeqCst, Ordering::Relaxed);
        self.0.compare_exchange(seen, new, set, fetch).is_ok()
    }
}

fn failures(word: u64) -> u64 {
    word & ((1 << TIME_SHIFT) - 1)
}

fn down(now: Duration, failures: u64) -> u64 {
    let pause = (FIRST_PAUSE * (1 << (failures - 1))).min(LONGEST_PAUSE);
    (millis(now + pause) << TIME_SHIFT) | failures
}

fn millis(time: Duration) -> u64 {
    time.as_millis() as u64
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::thread;

    use super::*;

    const START: Duration = Duration::from_secs(100);

    fn admit(health: &Health, now: Duration) -> Option<Admission> {
        health.admit(|| now)
    }

    /// Down since `START`.
    fn taken_down() -> Health {
        let health = Health::default();
        let admission = admit(&health, START).expect("it is up at first");
        assert!(health.failed(admission, START));
        assert!(!health.is_up());
        health
    }

    #[test]
    fn the_pause_doubles_from_one_second_to_thirty() {
        let health = taken_down();
        let mut now = START;
        for pause in [1, 2, 4, 8, 16, 30, 30, 30] {
            let over = now + Duration::from_secs(pause);
            assert_eq!(admit(&health, over - Duration::from_millis(1)), None);
            assert!(!health.is_due(over - Duration::from_millis(1)));
            assert!(health.is_due(over), "only a connection can tell");
            assert_eq!(admit(&health, over), Some(Admission::Trial));
            assert!(health.failed(Admission::Trial, over));
            now = over;
        }
    }

    #[test]
    fn a_success_makes_it_whole_and_the_next_pause_is_the_first_one() {
        let health = taken_down();
        let mut now = START + FIRST_PAUSE;
        assert_eq!(admit(&health, now), Some(Admission::Trial));
        now += Duration::from_secs(1);
        health.connected(now);
        assert!(health.is_up());
        let admission = admit(&health, now).expect("it is up again");
        assert!(health.failed(admission, now));
        assert_eq!(admit(&health, now + FIRST_PAUSE), Some(Admission::Trial));
    }

    #[test]
    fn while_it_is_down_failures_of_other_connections_change_nothing() {
        let health = Health::default();
        let admission = admit(&health, START).expect("it is up");
        assert!(health.failed(admission, START));
        assert!(!health.failed(admission, START), "one connection counts");
        assert!(!health.failed(Admission::LastResort, START));
        assert_eq!(admit(&health, START + FIRST_PAUSE), Some(Admission::Trial));
    }

    #[test]
    fn a_failure_from_before_it_came_back_is_old_news() {
        let health = Health::default();
        let slow = admit(&health, START).expect("it is up");
        assert!(health.failed(slow, START));
        health.connected(START + FIRST_PAUSE);
        assert!(!health.failed(slow, START + FIRST_PAUSE));
        assert!(health.is_up());
    }

    #[test]
    fn of_many_threads_exactly_one_tries_while_the_others_pass_over() {
        const ROUNDS: u32 = 5_000;
        let (health, together) = (taken_down(), Barrier::new(4));
        let trials = || {
            let mut admitted = Vec::new();
            for round in 1..=ROUNDS {
                together.wait();
                let now = START + LONGEST_PAUSE * round;
                admitted.extend(admit(&health, now).map(|admission| (round, admission)));
            }
            admitted
        };
        let mut admitted = thread::scope(|scope| {
            let threads = [(); 4].map(|()| scope.spawn(trials));
            threads
                .map(|thread| thread.join().expect("it ends"))
                .concat()
        });
        admitted.sort_by_key(|(round, _)| *round);
        let one_each = (1..=ROUNDS).map(|round| (round, Admission::Trial));
        assert!(admitted.into_iter().eq(one_each));
    }
}
