//! Hit ratios: a stream of requests through the engine, its peers, exact LRU and FIFO, and the
//! offline optimum. A request that misses, because its session is not kept or has ended, is a full
//! handshake, which inserts a session.

mod compare;
mod optimum;
mod policies;
mod streams;
mod trace;

use std::time::Duration;

use rekindle::SessionId;

pub use compare::{Hits, compare, ids_for};
pub use streams::{Kind, Request, Stream, TIMEOUT};
pub use trace::Trace;

use crate::record::{Measurement, Recorder, case};
use crate::scale::Scale;

/// What is run.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// Requests in each stream.
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u32).range(1_000..))]
    pub requests: u32,
    /// Capacities, in per cent of the sessions in the stream (of the clients, where sessions are for
    /// a single use).
    #[arg(long, value_delimiter = ',', default_values_t = [1, 2, 5, 10, 50], value_parser = clap::value_parser!(u32).range(1..=100))]
    pub capacities: Vec<u32>,
    /// Run a recorded stream instead: a file with the id of a session on each line, as for `rekindle-terminator advise`.
    #[arg(long = "trace", value_name = "FILE", value_parser = trace::Load)]
    pub traces: Vec<Trace>,
    /// Hours over which a recorded stream is spread, evenly.
    #[arg(long, default_value_t = 24, value_parser = clap::value_parser!(u32).range(1..=1_000), requires = "traces")]
    pub hours: u32,
    /// Seconds that the sessions of a recorded stream live.
    #[arg(long, default_value_t = TIMEOUT.as_secs(), requires = "traces")]
    pub timeout: u64,
}

impl Options {
    /// For a run of everything.
    #[must_use]
    pub fn at(scale: Scale) -> Self {
        Self {
            requests: scale.pick(1_000_000, 100_000, 10_000),
            capacities: scale.pick(vec![1, 2, 5, 10, 50], vec![1, 5, 50], vec![5]),
            traces: Vec::new(),
            hours: 24,
            timeout: TIMEOUT.as_secs(),
        }
    }

    fn count(&self) -> usize {
        match self.traces.len() {
            0 => Kind::ALL.len(),
            traces => traces,
        }
    }

    /// Made when their turn comes: they are large.
    fn streams(&self) -> impl Iterator<Item = Stream> {
        let kinds = Kind::ALL.iter().filter(|_| self.traces.is_empty());
        let made = kinds.map(|kind| kind.stream(self.requests as usize));
        let timeout = Duration::from_secs(self.timeout);
        let recorded = self.traces.iter();
        made.chain(recorded.map(move |trace| trace.stream(self.hours, timeout)))
    }
}

/// Sends every stream through every policy at every capacity.
///
/// # Panics
///
/// As [`compare`].
pub fn run(options: &Options, recorder: &mut Recorder) {
    let bar = recorder.progress("hit-ratio", options.count() * options.capacities.len());
    for stream in options.streams() {
        let ids = ids_for(&stream);
        for percent in &options.capacities {
            recorder.add(measure(&stream, &ids, *percent));
            bar.inc(1);
        }
    }
}

/// The share of requests that hit, for everybody. There is one sample: only the keys of the hashes
/// change from run to run.
fn measure(stream: &Stream, ids: &[SessionId], percent: u32) -> Vec<Measurement> {
    let capacity = (stream.sessions() * percent as usize / 100).max(1);
    let share = |hits: Hits| Measurement {
        part: "hit-ratio".into(),
        quantity: "hits".into(),
        unit: "%".into(),
        case: case([
            ("stream", stream.name.clone()),
            ("capacity %", percent.to_string()),
        ]),
        contender: hits.policy.into(),
        samples: vec![100.0 * hits.hits as f64 / stream.requests.len() as f64],
    };
    let compared = compare(stream, ids, capacity);
    compared.into_iter().map(share).collect()
}
