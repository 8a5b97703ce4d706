//! Hit ratios: a stream of requests through the engine, its peers, exact LRU and FIFO, and the
//! offline optimum. A request that misses, because its session is not kept or has ended, is a full
//! handshake, which inserts the session anew.

mod optimum;
mod policies;
mod streams;

use std::time::Duration;

use rand::SeedableRng;
use rand::rngs::StdRng;
use rekindle::{Clock, ManualClock, SessionId, Time};

pub use streams::{Request, Stream};

use self::policies::Policy;
use crate::record::{Measurement, Recorder, case};
use crate::scale::Scale;
use crate::workload::random_id;

/// What is run.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// Requests in each stream.
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u32).range(1_000..))]
    pub requests: u32,
    /// Capacities, in per cent of the sessions in the stream.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 5, 10, 25, 50], value_parser = clap::value_parser!(u32).range(1..=100))]
    pub capacities: Vec<u32>,
}

impl Options {
    /// For a run of everything.
    #[must_use]
    pub fn at(scale: Scale) -> Self {
        Self {
            requests: scale.pick(1_000_000, 300_000, 10_000),
            capacities: scale.pick(vec![1, 5, 10, 25, 50], vec![1, 10, 50], vec![10]),
        }
    }
}

/// Sends every stream through every policy at every capacity.
///
/// # Panics
///
/// As [`compare`].
pub fn run(options: &Options, recorder: &mut Recorder) {
    let bar = recorder.progress("hit-ratio", Stream::ALL.len() * options.capacities.len());
    for stream in Stream::ALL {
        let requests = stream.requests(options.requests as usize);
        let ids = ids_for(&requests);
        for percent in &options.capacities {
            let capacity = (ids.len() * *percent as usize / 100).max(1);
            let share = |hits: Hits| Measurement {
                part: "hit-ratio".into(),
                quantity: "hits".into(),
                unit: "%".into(),
                case: case([
                    ("stream", stream.to_string()),
                    ("capacity %", percent.to_string()),
                ]),
                contender: hits.policy.into(),
                samples: vec![100.0 * hits.hits as f64 / requests.len() as f64],
            };
            let compared = compare(&requests, stream.timeout(), &ids, capacity);
            recorder.add(compared.into_iter().map(share).collect());
            bar.inc(1);
        }
    }
}

/// The hits of one policy on one stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hits {
    /// Whose.
    pub policy: &'static str,
    /// Requests that found their session.
    pub hits: usize,
}

/// An id for each session that the requests name.
#[must_use]
pub fn ids_for(requests: &[Request]) -> Vec<SessionId> {
    let mut rng = StdRng::seed_from_u64(requests.len() as u64);
    let last = requests.iter().map(|request| request.session).max();
    let sessions = last.map_or(0, |last| last as usize + 1);
    (0..sessions).map(|_| random_id(&mut rng)).collect()
}

/// Sends a stream through every policy, each with room for `capacity` sessions, which live for
/// `timeout`; the optimum first. `ids` are those [`ids_for`] the requests.
///
/// # Panics
///
/// When one that is exact about its capacity beats the optimum: a wrong number is not printed.
#[must_use]
pub fn compare(
    requests: &[Request],
    timeout: Duration,
    ids: &[SessionId],
    capacity: usize,
) -> Vec<Hits> {
    let optimum = optimum::hits(requests, timeout, capacity);
    let mut all = vec![Hits {
        policy: "offline optimum",
        hits: optimum,
    }];
    for (name, mut policy) in policies::all(capacity) {
        all.push(Hits {
            policy: name,
            hits: through(&mut *policy, requests, timeout, ids),
        });
    }
    for one in &all[..4] {
        assert!(one.hits <= optimum, "{} beats the optimum", one.policy);
    }
    all
}

fn through(
    policy: &mut dyn Policy,
    requests: &[Request],
    timeout: Duration,
    ids: &[SessionId],
) -> usize {
    let start = ManualClock::new().now();
    let hit = |request: &&Request| {
        let now = start.saturating_add(Duration::from_millis(request.at.into()));
        let id = &ids[request.session as usize];
        policy.at(now);
        let found = policy.get(id).is_some_and(|ends: Time| ends >= now);
        if !found {
            policy.insert(id, now.saturating_add(timeout));
        }
        found
    };
    requests.iter().filter(hit).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(session: u32, at: u32) -> Request {
        Request { session, at }
    }

    #[test]
    fn everything_hits_where_everything_fits() {
        let requests: Vec<_> = (0..200).map(|i| at(i % 100, i)).collect();
        // Four times the ids: lines of eight, and the others' shards, overflow early here and there.
        let all = compare(&requests, Duration::from_secs(1), &ids_for(&requests), 400);
        for hits in all {
            assert_eq!(hits.hits, 100, "{}", hits.policy);
        }
    }

    #[test]
    fn a_session_ends_for_everybody_and_hits_do_not_prolong_it() {
        // Found at its very end; gone one later, and inserted anew; found; gone.
        let requests: Vec<_> = [0, 60, 100, 101, 150, 202].map(|time| at(0, time)).into();
        let all = compare(
            &requests,
            Duration::from_millis(100),
            &ids_for(&requests),
            8,
        );
        for hits in all {
            assert_eq!(hits.hits, 3, "{}", hits.policy);
        }
    }

    #[test]
    fn streams_of_one_seed_are_the_same() {
        for stream in Stream::ALL {
            assert_eq!(stream.requests(5_000), stream.requests(5_000));
            assert_eq!(stream.requests(5_000).len(), 5_000);
        }
    }
}
