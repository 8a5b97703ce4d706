//! Hit ratios: a stream of requests through the engine, its peers, exact LRU and FIFO, and the
//! offline optimum. A request that misses, because its session is not kept or has ended, is a full
//! handshake, which inserts a session.

mod compare;
mod optimum;
mod policies;
mod streams;

use std::time::Duration;

use clap::ValueEnum;
use compare::{compare, ids_for};
use streams::{Kind, Stream, TIMEOUT, Trace};

use crate::record::{Record, case};

/// What is run.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Options {
    /// Requests in each stream.
    #[arg(
        long, default_value_t = 1_000_000,
        value_parser = clap::value_parser!(u32).range(1_000..)
    )]
    requests: u32,
    /// Capacities, in per cent of the sessions in the stream (of the clients, where sessions are
    /// for a single use).
    #[arg(
        long, value_delimiter = ',', default_values_t = [1, 2, 5, 10, 50],
        value_parser = clap::value_parser!(u32).range(1..=100)
    )]
    capacities: Vec<u32>,
    /// Run a recorded stream instead: a file with the id of a session on each line, as for
    /// `rekindle-terminator advise`.
    #[arg(long = "trace", value_name = "FILE", value_parser = Trace::load)]
    traces: Vec<Trace>,
    /// Hours over which a recorded stream is spread, evenly.
    #[arg(
        long, default_value_t = 24,
        value_parser = clap::value_parser!(u32).range(1..=1_000), requires = "traces"
    )]
    hours: u32,
    /// Seconds that the sessions of a recorded stream live.
    #[arg(long, default_value_t = TIMEOUT.as_secs(), requires = "traces")]
    timeout: u64,
}

impl Options {
    /// Made when their turn comes: they are large.
    fn streams(&self) -> impl Iterator<Item = Stream> {
        let made = self.traces.is_empty();
        let kinds = Kind::value_variants().iter().filter(move |_| made);
        let made = kinds.map(|kind| kind.stream(self.requests as usize));
        let timeout = Duration::from_secs(self.timeout);
        let recorded = self.traces.iter();
        made.chain(recorded.map(move |trace| trace.stream(self.hours, timeout)))
    }
}

/// Sends every stream through every policy at every capacity. There is one sample: only the keys of
/// the hashes change from run to run.
pub(crate) fn run(options: &Options, record: &mut Record) {
    for stream in options.streams() {
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
