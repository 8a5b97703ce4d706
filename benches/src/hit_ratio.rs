//! Hit ratios: a stream of requests through the engine, its peers, exact LRU and FIFO, and the
//! offline optimum. A request that misses, because its session is not kept or has ended, is a full
//! handshake, which inserts a session.

mod compare;
mod optimum;
mod policies;
mod streams;

use clap::{ValueEnum, value_parser};
use compare::{compare, ids_for};
use streams::Kind;

use crate::record::{Record, case};

/// What is run.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Options {
    /// Requests in each stream.
    #[arg(long, default_value_t = 1_000_000, value_parser = value_parser!(u32).range(1_000..))]
    requests: u32,
    /// Capacities, in per cent of the sessions in the stream (of the clients, where sessions are
    /// for a single use).
    #[arg(
        long, value_delimiter = ',', default_values_t = [1, 2, 5, 10, 50],
        value_parser = value_parser!(u32).range(1..=100)
    )]
    capacities: Vec<u32>,
}

/// Sends every stream through every policy at every capacity. There is one sample: only the keys of
/// the hashes change from run to run.
pub(crate) fn run(options: &Options, record: &mut Record) {
    for kind in Kind::value_variants() {
        let stream = kind.stream(options.requests as usize);
        let ids = ids_for(&stream);
        for percent in &options.capacities {
            let capacity = (stream.sessions() * *percent as usize / 100).max(1);
            let share_kept = ("capacity %", percent.to_string());
            let case = case([("stream", stream.name.clone()), share_kept]);
            let share = |hits: usize| vec![100.0 * hits as f64 / stream.requests.len() as f64];
            let compared = compare(&stream, &ids, capacity).into_iter();
            let shares = compared.map(|(policy, hits)| (policy, share(hits)));
            record.add_case(["hit-ratio", "hits", "%"], &case, shares);
        }
    }
}
