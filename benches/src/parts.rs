//! The parts of the harness, with their options at each scale.

use clap::{FromArgMatches, Subcommand};

use crate::record::{Record, Scale};
use crate::{engine, handshake, hit_ratio, loopback, memory, tail, tickets};

/// A part, with its options.
#[derive(Debug, Subcommand)]
pub(crate) enum Part {
    /// Lookups, inserts and mixed loads, as ratios to an unsynchronised floor, beside peers.
    Engine(engine::Options),
    /// The latency of single lookups and inserts beside idle-priority writers, by quantile.
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

/// In the order in which `all` runs them: a part, and its options at each scale (full, quick and
/// touch) where they are not the defaults.
const SCALES: &str = "\
engine | --scale full | --scale quick | --scale touch
tail | --millis 500 | --sessions 20000 --writers 0,16 --rounds 3 --millis 100 \
     | --sessions 1000 --writers 4 --rounds 1 --millis 10
hit-ratio | | --requests 100000 --capacities 1,5,50 | --requests 2000 --capacities 5
memory | | --sessions 30000 --tls-sessions 30000 | --sessions 500 --tls-sessions 100
tickets | | --rounds 5 --millis 30 | --threads 1 --rounds 1 --millis 5
handshake | | --sessions 50000 --rounds 3 --millis 50 \
     | --sessions 200 --threads 2 --rounds 1 --millis 5
loopback | --millis 600 | --sessions 256 --threads 1 --rounds 2 --millis 150 \
     | --clients 4 --sessions 8 --threads 1 --rounds 1 --millis 30
";

/// A part's name, and what it does.
pub(crate) type Job<'a> = (&'static str, Box<dyn FnOnce(&mut Record) + 'a>);

impl Part {
    /// All parts, in the order in which they are run.
    pub(crate) fn all(scale: Scale) -> Vec<Self> {
        let part = |line: &str| {
            let columns: Vec<_> = line.split('|').collect();
            let options = columns[1 + scale as usize].split_whitespace();
            let arguments = ["all", columns[0].trim()].into_iter().chain(options);
            let command = Self::augment_subcommands(clap::Command::new("all"));
            let matches = command.get_matches_from(arguments);
            Self::from_arg_matches(&matches).expect("the options of a part")
        };
        SCALES.lines().map(part).collect()
    }

    pub(crate) fn job(&self) -> Job<'_> {
        match self {
            Self::Engine(options) => ("engine", Box::new(|r| engine::run(options, r))),
            Self::Tail(options) => ("tail", Box::new(|r| tail::run(options, r))),
            Self::HitRatio(options) => ("hit-ratio", Box::new(|r| hit_ratio::run(options, r))),
            Self::Memory(options) => ("memory", Box::new(|r| memory::run(options, r))),
            Self::Tickets(options) => ("tickets", Box::new(|r| tickets::run(options, r))),
            Self::Handshake(options) => ("handshake", Box::new(|r| handshake::run(options, r))),
            Self::Loopback(options) => ("loopback", Box::new(|r| loopback::run(options, r))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_has_options_at_every_scale() {
        for scale in [Scale::Full, Scale::Quick, Scale::Touch] {
            let parts = Part::all(scale);
            let names: Vec<_> = parts.iter().map(|part| part.job().0).collect();
            let lines = SCALES.lines().map(|line| line.split(" |").next().unwrap());
            assert_eq!(names, lines.collect::<Vec<_>>());
        }
    }
}
