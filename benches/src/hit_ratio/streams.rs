//! Streams of requests: each names the client's session, and comes at its time. They are the same
//! on every run.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use clap::ValueEnum;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use rand_distr::{Distribution, LogNormal, Zipf};

use crate::record::named;

/// What a stream spans, in milliseconds: a day.
const SPAN: u32 = 24 * 60 * 60 * 1_000;

/// How long a session lives unless its stream says otherwise: two hours, OpenSSL's default for
/// TLS 1.3 and the usual setting of servers.
const TIMEOUT: Duration = Duration::from_secs(2 * 60 * 60);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Request {
    /// Number of the session; of the client, where sessions are for a single use.
    pub(super) session: u32,
    pub(super) at: u32,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stream {
    pub(super) name: String,
    /// In the order of their time. Sessions are numbered from zero, without gaps.
    pub(super) requests: Vec<Request>,
    /// How long a session lives from its insert on; being resumed does not prolong it.
    pub(super) timeout: Duration,
    /// As in TLS 1.3: to resume takes the session out, and leaves the client with a new one.
    pub(super) single_use: bool,
}

impl Stream {
    /// Numbers of sessions in use: from zero to before this.
    pub(super) fn sessions(&self) -> usize {
        let last = self.requests.iter().map(|request| request.session).max();
        last.map_or(0, |last| last as usize + 1)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Kind {
    /// Some clients come far more often than others (Zipf, exponent 0.9), and which ones changes:
    /// at each thousandth of the stream, one rank in fifty passes to a new client.
    Zipf,
    /// Visitors: two in three come back, again and again, after a time whose logarithm is
    /// normal: the median is a hundredth of the stream, one in six takes over five times as long.
    Visitors,
    /// The same visitors, whose sessions live as long as the stream: capacity alone ends them.
    LongLived,
    /// As `Visitors`, but every second request is the only one of its session.
    Flood,
    /// Visitors, and from half of the day on, for a tenth of it, ten times their usual rate: nine
    /// requests in ten are then the only ones of their sessions.
    Burst,
    /// As `Visitors`, with sessions for a single use.
    SingleUse,
}

impl Kind {
    /// A stream of `count` requests over a day: evenly, but for `Burst`.
    pub(super) fn stream(self, count: usize) -> Stream {
        assert!(u32::try_from(count).is_ok(), "fewer than 2^32 requests");
        let mut rng = SmallRng::seed_from_u64(5);
        let requests = match self {
            Self::Zipf => evenly(zipf(count, &mut rng), 0..SPAN),
            Self::Flood => evenly(visitors(count, 0.5, &mut rng), 0..SPAN),
            Self::Burst => burst(count, &mut rng),
            _ => evenly(visitors(count, 0.0, &mut rng), 0..SPAN),
        };
        Stream {
            name: self.to_string(),
            requests,
            timeout: match self {
                Self::LongLived => Duration::from_millis(SPAN.into()),
                _ => TIMEOUT,
            },
            single_use: self == Self::SingleUse,
        }
    }
}

named!(Kind {
    Zipf => "Zipf 0.9 with churn",
    Visitors => "returning visitors",
    LongLived => "returning visitors, sessions that live for a day",
    Flood => "returning visitors in a flood of sessions that are never resumed",
    Burst => "returning visitors and a burst of sessions that are never resumed",
    SingleUse => "returning visitors, sessions for a single use",
});

/// Requests for these sessions, one after the other, at even distances within some milliseconds.
fn evenly(
    sessions: impl IntoIterator<Item = u32, IntoIter: ExactSizeIterator>,
    within: std::ops::Range<u32>,
) -> Vec<Request> {
    let sessions = sessions.into_iter();
    let (length, count) = (u64::from(within.end - within.start), sessions.len() as u64);
    let request = |(number, session)| Request {
        session,
        at: within.start + (length * number / count) as u32,
    };
    (0..).zip(sessions).map(request).collect()
}

const ENDLESS: &str = "fewer than 2^32";

fn zipf(count: usize, rng: &mut SmallRng) -> Vec<u32> {
    let ranks = (count / 10).max(1);
    let distribution = Zipf::new(ranks as f64, 0.9).expect("valid parameters");
    let mut numbers = 0_u32..;
    // The client at each rank; named when first seen, so that numbers have no gaps.
    let mut holders: Vec<Option<u32>> = vec![None; ranks];
    let mut requests = Vec::with_capacity(count);
    for request in 0..count {
        if request % (count / 1_000).max(1) == 0 {
            for _ in 0..ranks / 50 {
                holders[rng.random_range(0..ranks)] = None;
            }
        }
        let rank = distribution.sample(rng) as usize - 1;
        requests.push(*holders[rank].get_or_insert_with(|| numbers.next().expect(ENDLESS)));
    }
    requests
}

fn visitors(count: usize, flood: f64, rng: &mut SmallRng) -> Vec<u32> {
    let median = (count as f64 / 100.0).max(1.0);
    let pause = LogNormal::new(median.ln(), 5f64.ln()).expect("valid parameters");
    let mut numbers = 0_u32..;
    let mut returning = BinaryHeap::new();
    let mut requests = Vec::with_capacity(count);
    for now in 0..count {
        if rng.random_bool(flood) {
            requests.extend(numbers.next());
            continue;
        }
        let due = (returning.peek()).is_some_and(|&Reverse((when, _))| when <= now);
        let visitor = match returning.pop() {
            Some(Reverse((_, visitor))) if due => visitor,
            other => {
                returning.extend(other);
                numbers.next().expect(ENDLESS)
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

/// Nine tenths of a day at the usual rate and one tenth at ten times that: nineteen tenths.
fn burst(count: usize, rng: &mut SmallRng) -> Vec<Request> {
    let mut requests = evenly(visitors(count * 10 / 19, 0.0, rng), 0..SPAN);
    let visitors = requests.iter().map(|request| request.session + 1);
    let first = visitors.max().unwrap_or(0);
    let others = first..first + (count - requests.len()) as u32;
    requests.extend(evenly(others, SPAN / 2..SPAN / 10 * 6));
    requests.sort_by_key(|request| request.at);
    requests
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    #[test]
    fn streams_are_whole_in_order_and_the_same_each_time() {
        for &kind in Kind::value_variants() {
            let stream = kind.stream(5_000);
            assert_eq!(stream, kind.stream(5_000));
            assert_eq!(stream.requests.len(), 5_000);
            assert!(stream.requests.is_sorted_by_key(|request| request.at));
            assert!(stream.requests.iter().all(|request| request.at < SPAN));
            let mut seen = vec![false; stream.sessions()];
            for request in &stream.requests {
                seen[request.session as usize] = true;
            }
            assert!(seen.iter().all(|seen| *seen), "{kind} has gaps");
        }
    }

    #[test]
    fn a_burst_is_ten_times_the_usual_rate_and_none_of_its_clients_comes_back() {
        let stream = Kind::Burst.stream(19_000);
        let within = |from, to| {
            let requests = stream.requests.iter();
            requests.filter(move |request| (from..to).contains(&request.at))
        };
        assert_eq!(within(0, SPAN / 10).count(), 1_000);
        assert_eq!(within(SPAN / 2, SPAN / 10 * 6).count(), 10_000);
        let mut visits = HashMap::new();
        for request in &stream.requests {
            *visits.entry(request.session).or_insert(0) += 1;
        }
        let once = |from, to| within(from, to).filter(|r| visits[&r.session] == 1).count();
        assert!(once(SPAN / 2, SPAN / 10 * 6) >= 9_000);
        assert!(once(0, SPAN / 10) < 500);
    }
}
