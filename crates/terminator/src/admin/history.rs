//! Handshakes of the last minutes: the counters once a second, in a ring of fixed size.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval};

use super::metrics::Metrics;

/// How far back it goes, and how often it looks.
pub(super) const SPAN: Duration = Duration::from_secs(300);
const EVERY: Duration = Duration::from_secs(1);
const SAMPLES: usize = SPAN.as_secs() as usize + 1;

/// Handshakes up to a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sample {
    pub(super) at: Instant,
    pub(super) full: u64,
    pub(super) resumed: u64,
}

/// Handshakes a second, and when they ended.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Rate {
    /// Seconds before the last sample.
    pub(super) ago: f64,
    pub(super) full: f64,
    pub(super) resumed: f64,
}

#[derive(Debug, Default)]
pub(super) struct History(Mutex<VecDeque<Sample>>);

impl History {
    /// Takes a sample each second; for ever.
    pub(super) async fn run(&self, metrics: &Metrics) {
        let mut every = interval(EVERY);
        // What was missed is missed: a rate is divided by the time that it really took.
        every.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            let at = every.tick().await;
            let (full, resumed) = metrics.full_and_resumed();
            self.add(Sample { at, full, resumed });
        }
    }

    fn add(&self, sample: Sample) {
        let mut samples = self.lock();
        if samples.len() >= SAMPLES {
            samples.pop_front();
        }
        samples.push_back(sample);
    }

    /// The rates between each two samples, the oldest first.
    pub(super) fn rates(&self) -> Vec<Rate> {
        let samples = self.lock();
        let Some(last) = samples.back() else {
            return Vec::new();
        };
        let pairs = samples.iter().zip(samples.iter().skip(1));
        pairs
            .filter_map(|(from, to)| rate(from, to, last.at))
            .collect()
    }

    /// The rate over the last `span`, or over what there is of it.
    pub(super) fn rate_over(&self, span: Duration) -> Option<Rate> {
        let samples = self.lock();
        let last = samples.back()?;
        let from = samples.iter().find(|sample| last.at - sample.at <= span)?;
        rate(from, last, last.at)
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Sample>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Rate {
    /// The share resumed; `None` without a handshake.
    pub(super) fn share(&self) -> Option<f64> {
        let all = self.full + self.resumed;
        (all > 0.0).then(|| self.resumed / all)
    }
}

fn rate(from: &Sample, to: &Sample, now: Instant) -> Option<Rate> {
    let seconds = (to.at - from.at).as_secs_f64();
    let per_second = |from: u64, to: u64| to.saturating_sub(from) as f64 / seconds;
    (seconds > 0.0).then(|| Rate {
        ago: (now - to.at).as_secs_f64(),
        full: per_second(from.full, to.full),
        resumed: per_second(from.resumed, to.resumed),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_divided_by_the_time_that_passed() {
        let history = History::default();
        assert_eq!((history.rates(), history.rate_over(SPAN)), (vec![], None));
        let start = Instant::now();
        let after = |seconds| start + Duration::from_secs(seconds);
        for (seconds, full, resumed) in [(0, 5, 0), (1, 7, 2), (5, 7, 10)] {
            let at = after(seconds);
            history.add(Sample { at, full, resumed });
        }
        let rate = |ago, full, resumed| Rate { ago, full, resumed };
        assert_eq!(history.rates(), [rate(4.0, 2.0, 2.0), rate(0.0, 0.0, 2.0)]);
        assert_eq!(history.rate_over(SPAN), Some(rate(0.0, 0.4, 2.0)));
        let last = history.rate_over(Duration::from_secs(4));
        assert_eq!(last, Some(rate(0.0, 0.0, 2.0)));
        assert_eq!(last.and_then(|rate| rate.share()), Some(1.0));
        assert_eq!(rate(0.0, 0.0, 0.0).share(), None);
    }

    #[test]
    fn it_keeps_no_more_than_its_span() {
        let history = History::default();
        let start = Instant::now();
        for second in 0..2 * SPAN.as_secs() {
            let at = start + Duration::from_secs(second);
            history.add(Sample {
                at,
                full: second,
                resumed: 0,
            });
        }
        assert_eq!(history.rates().len(), SAMPLES - 1);
        assert_eq!(history.rates()[0].ago, SPAN.as_secs_f64() - 1.0);
    }
}
