//! Streams of requests, over a day: each names the session that a client offers. The same on every
//! run.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fmt;
use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use rand_distr::{Distribution, LogNormal, Zipf};

/// What a stream spans.
pub(super) const SPAN: Duration = Duration::from_secs(24 * 60 * 60);

/// A client that offers a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// Number of the session.
    pub session: u32,
    /// Milliseconds since the stream began.
    pub at: u32,
}

/// Where requests come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Some clients come far more often than others (Zipf, exponent 0.9), and who they are changes:
    /// at each thousandth of the stream, one rank in fifty is somebody new.
    Zipf,
    /// Visitors, of whom two in three come back, again and again, after a time whose logarithm is
    /// normal: the median is a hundredth of the stream, one in six takes over five times as long.
    Visitors,
    /// The same visitors, whose sessions live as long as the stream: capacity alone ends them.
    LongLived,
    /// As `Visitors`, but every second request is the only one of its session.
    Flood,
}

impl Stream {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Zipf, Self::Visitors, Self::LongLived, Self::Flood];

    /// How long a session lives from its insert on; being resumed does not prolong it.
    #[must_use]
    pub fn timeout(self) -> Duration {
        match self {
            Self::LongLived => SPAN,
            _ => Duration::from_secs(2 * 60 * 60),
        }
    }

    /// So many requests, evenly over a day. Sessions are numbered from zero, without gaps.
    ///
    /// # Panics
    ///
    /// For 2^32 requests or more.
    #[must_use]
    pub fn requests(self, count: usize) -> Vec<Request> {
        assert!(u32::try_from(count).is_ok(), "fewer than 2^32 requests");
        let mut rng = SmallRng::seed_from_u64(5);
        let sessions = match self {
            Self::Zipf => zipf(count, &mut rng),
            Self::Visitors | Self::LongLived => visitors(count, 0.0, &mut rng),
            Self::Flood => visitors(count, 0.5, &mut rng),
        };
        let request = |(number, session)| Request {
            session,
            at: (SPAN.as_millis() as u64 * number as u64 / count as u64) as u32,
        };
        sessions.into_iter().enumerate().map(request).collect()
    }
}

impl fmt::Display for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Zipf => "Zipf 0.9 with churn",
            Self::Visitors => "returning visitors",
            Self::LongLived => "returning visitors, sessions that live for a day",
            Self::Flood => "returning visitors in a flood of sessions that are never resumed",
        })
    }
}

fn zipf(count: usize, rng: &mut SmallRng) -> Vec<u32> {
    let ranks = (count / 10).max(1);
    let distribution = Zipf::new(ranks as f64, 0.9).expect("valid parameters");
    let mut numbers = Numbers::default();
    // Who holds a rank; named when first seen, so that numbers have no gaps.
    let mut holders: Vec<Option<u32>> = vec![None; ranks];
    let mut requests = Vec::with_capacity(count);
    for request in 0..count {
        if request % (count / 1_000).max(1) == 0 {
            for _ in 0..ranks / 50 {
                holders[rng.random_range(0..ranks)] = None;
            }
        }
        let rank = distribution.sample(rng) as usize - 1;
        requests.push(*holders[rank].get_or_insert_with(|| numbers.new_one()));
    }
    requests
}

fn visitors(count: usize, flood: f64, rng: &mut SmallRng) -> Vec<u32> {
    let median = (count as f64 / 100.0).max(1.0);
    let pause = LogNormal::new(median.ln(), 5f64.ln()).expect("valid parameters");
    let mut numbers = Numbers::default();
    let mut returning = BinaryHeap::new();
    let mut requests = Vec::with_capacity(count);
    for now in 0..count {
        if rng.random_bool(flood) {
            requests.push(numbers.new_one());
            continue;
        }
        let due = returning
            .peek()
            .is_some_and(|&Reverse((when, _))| when <= now);
        let visitor = match returning.pop() {
            Some(Reverse((_, visitor))) if due => visitor,
            other => {
                returning.extend(other);
                numbers.new_one()
            }
        };
        requests.push(visitor);
        if rng.random_ratio(2, 3) {
            let pause = pause.sample(rng).min(count as f64) as usize;
            returning.push(Reverse((now + 1 + pause, visitor)));
        }
    }
    requests
}

/// Hands out the numbers of sessions.
#[derive(Default)]
struct Numbers(u32);

impl Numbers {
    fn new_one(&mut self) -> u32 {
        self.0 += 1;
        self.0 - 1
    }
}
