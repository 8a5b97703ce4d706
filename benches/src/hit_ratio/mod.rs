//! Hit ratios: a stream of requests through the engine, its peers, exact LRU and FIFO, and the
//! offline optimum. A request that misses is a full handshake, which inserts its session.

mod optimum;
mod streams;

use std::collections::{HashSet, VecDeque};

use rand::SeedableRng;
use rand::rngs::StdRng;
use rekindle::{CacheBuilder, SessionId};

pub use streams::Stream;

use crate::peers::{LockedLru, Moka, Peer, QuickCache, Rekindle, RustlsMemory, Tiny};
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
            let compared = compare(&requests, &ids, capacity);
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
pub fn ids_for(requests: &[u32]) -> Vec<SessionId> {
    let mut rng = StdRng::seed_from_u64(requests.len() as u64);
    let sessions = requests.iter().max().map_or(0, |last| *last as usize + 1);
    (0..sessions).map(|_| random_id(&mut rng)).collect()
}

/// Sends a stream through every policy, each with room for `capacity` sessions; the optimum first.
/// `ids` are those [`ids_for`] the requests.
///
/// # Panics
///
/// When one that is exact about its capacity beats the optimum: a wrong number is not printed.
#[must_use]
pub fn compare(requests: &[u32], ids: &[SessionId], capacity: usize) -> Vec<Hits> {
    let through = |policy, peer: &dyn Peer| Hits {
        policy,
        hits: through(peer, requests, ids),
    };
    let cache = CacheBuilder::new(capacity).build().expect("valid");
    let optimum = optimum::hits(requests, capacity);
    let all = vec![
        Hits {
            policy: "offline optimum",
            hits: optimum,
        },
        through("rekindle", &Rekindle::new(cache.into())),
        through("exact LRU", &LockedLru::new(capacity)),
        Hits {
            policy: "FIFO",
            hits: fifo(requests, capacity),
        },
        through("quick_cache", &QuickCache::new(capacity)),
        through("moka", &Moka::new(capacity)),
        through("TinyUFO", &Tiny::new(capacity)),
        through("rustls memory cache", &RustlsMemory::new(capacity)),
    ];
    for one in &all[..4] {
        assert!(one.hits <= optimum, "{} beats the optimum", one.policy);
    }
    all
}

fn through(peer: &dyn Peer, requests: &[u32], ids: &[SessionId]) -> usize {
    let value = [0; 200];
    let hit = |request: &&u32| {
        let id = &ids[**request as usize];
        let found = peer.get(id).is_some();
        if !found {
            peer.insert(id, &value);
        }
        found
    };
    requests.iter().filter(hit).count()
}

/// First in, first out: what Traffic Server's cache does.
fn fifo(requests: &[u32], capacity: usize) -> usize {
    let (mut kept, mut order) = (HashSet::new(), VecDeque::new());
    let mut hits = 0;
    for request in requests {
        if !kept.insert(*request) {
            hits += 1;
            continue;
        }
        order.push_back(*request);
        if order.len() > capacity
            && let Some(oldest) = order.pop_front()
        {
            kept.remove(&oldest);
        }
    }
    hits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fifo_evicts_what_came_first_although_it_was_used() {
        assert_eq!(fifo(&[0, 1, 0, 2, 0, 1], 2), 1);
    }

    #[test]
    fn everything_hits_where_everything_fits() {
        let requests: Vec<u32> = (0..100).chain(0..100).collect();
        // Four times the ids: lines of eight, and the others' shards, overflow early here and there.
        for hits in compare(&requests, &ids_for(&requests), 400) {
            assert_eq!(hits.hits, 100, "{}", hits.policy);
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
