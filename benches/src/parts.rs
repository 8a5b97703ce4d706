//! The parts of the harness, with their options at each scale.

use clap::{FromArgMatches, Subcommand};

use crate::record::Record;
use crate::scale::Scale;
use crate::{engine, handshake, hit_ratio, loopback, memory, tail, tickets};

/// A part, with its options.
#[derive(Debug, Subcommand)]
pub(crate) enum Part {
    /// Lookups, inserts and mixed loads, as ratios to an unsynchronised floor, beside peers.
    Engine(engine::Options),
    /// The latency of single lookups beside idle-priority writers, by quantile.
    Tail(tail::Options),
    /// The share of requests that find their session, beside peers, exact LRU, FIFO and the
    /// optimum.
    HitRatio(hit_ratio::Options),
    /// Bytes for each session, encoded bytes apart from overhead, beside peers.
    Memory(memory::Options),
    /// Tickets sealed and opened through OpenSSL's callback, beside its built-in key.
    Tickets(tickets::Options),
    /// Full and resumed handshakes in process, beside OpenSSL's internal cache and built-in key.
    Handshake(handshake::Options),
    /// Handshakes with real servers over loopback: rates, CPU time, latency, what was resumed.
    Loopback(loopback::Options),
}

/// In the order in which `all` runs them: a name, and the options for each scale (full, quick and
/// touch) where they are not the defaults.
const SCALES: [(&str, [&str; 3]); 7] = [
    ("engine", ["--scale full", "--scale quick", "--scale touch"]),
    (
        "tail",
        [
            "--millis 500",
            "--sessions 20000 --writers 0,16 --rounds 3 --millis 150",
            "--sessions 1000 --writers 4 --rounds 1 --millis 10",
        ],
    ),
    (
        "hit-ratio",
        [
            "",
            "--requests 100000 --capacities 1,5,50",
            "--requests 10000 --capacities 5",
        ],
    ),
    ("memory", ["", "--sessions 30000", "--sessions 2000"]),
    (
        "tickets",
        [
            "",
            "--rounds 5 --millis 30",
            "--threads 1 --rounds 1 --millis 5",
        ],
    ),
    (
        "handshake",
        [
            "",
            "--sessions 50000 --rounds 3 --millis 50",
            "--sessions 200 --threads 2 --rounds 1 --millis 5",
        ],
    ),
    (
        "loopback",
        [
            "--millis 600",
            "--sessions 256 --threads 1 --rounds 2 --millis 150",
            "--clients 4 --sessions 8 --threads 1 --rounds 1 --millis 30",
        ],
    ),
];

impl Part {
    /// All parts, in the order in which they are run.
    pub(crate) fn all(scale: Scale) -> Vec<Self> {
        SCALES
            .iter()
            .map(|(name, _)| Self::named(name, scale))
            .collect()
    }

    /// The part of this name, as `all` runs it.
    pub(crate) fn named(name: &str, scale: Scale) -> Self {
        let part = SCALES.iter().find(|(part, _)| *part == name);
        let (_, options) = part.expect("the name of a part");
        let arguments = options[scale as usize].split_whitespace();
        let command = Self::augment_subcommands(clap::Command::new("all"));
        let matches = command.get_matches_from(["all", name].into_iter().chain(arguments));
        Self::from_arg_matches(&matches).expect("the options of a part")
    }

    pub(crate) fn name(&self) -> &'static str {
        let index = match self {
            Self::Engine(_) => 0,
            Self::Tail(_) => 1,
            Self::HitRatio(_) => 2,
            Self::Memory(_) => 3,
            Self::Tickets(_) => 4,
            Self::Handshake(_) => 5,
            Self::Loopback(_) => 6,
        };
        SCALES[index].0
    }

    pub(crate) fn run(&self, record: &mut Record) {
        match self {
            Self::Engine(options) => engine::run(options, record),
            Self::Tail(options) => tail::run(options, record),
            Self::HitRatio(options) => hit_ratio::run(options, record),
            Self::Memory(options) => memory::run(options, record),
            Self::Tickets(options) => tickets::run(options, record),
            Self::Handshake(options) => handshake::run(options, record),
            Self::Loopback(options) => loopback::run(options, record),
        }
    }
}
