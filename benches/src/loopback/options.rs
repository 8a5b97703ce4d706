//! What is run.

use std::path::PathBuf;

use clap::ValueEnum;
use clap::builder::RangedI64ValueParser;
use clap::value_parser;

use super::servers::Contender;
use crate::tls::HandshakeKind;

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Measure {
    /// Rate and latency of handshakes, all clients busy all the time.
    Handshakes,
    /// Bytes a second of large answers.
    Downloads,
    /// Latency of handshakes whose clients connect at the same moment.
    Burst,
    /// Memory of connections that do nothing.
    Idle,
}

/// What is run.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Options {
    /// Measures [default: all].
    #[arg(long, value_enum, value_delimiter = ',')]
    measures: Vec<Measure>,
    /// Servers; ratios are to the first [default: all but those of a fleet].
    #[arg(long, value_enum, value_delimiter = ',')]
    servers: Vec<Contender>,
    /// Kinds of handshakes, for the measure of that name [default: all].
    #[arg(long, value_enum, value_delimiter = ',')]
    kinds: Vec<HandshakeKind>,
    /// Connections at a time, for handshakes.
    #[arg(long, default_value_t = 16, value_parser = value_parser!(u16).range(1..=1_000))]
    pub(super) clients: u16,
    /// Sessions that all clients together have, and offer in turn.
    #[arg(long, default_value_t = 1_024, value_parser = value_parser!(u16).range(1..=10_000))]
    pub(super) sessions: u16,
    /// Worker threads, or processes, of each server.
    #[arg(
        long, value_delimiter = ',', default_values_t = [1, 2],
        value_parser = value_parser!(u16).range(1..=64)
    )]
    pub(super) threads: Vec<u16>,
    /// Rounds, in each of which every server has its turn.
    #[arg(long, default_value_t = 5, value_parser = value_parser!(u32).range(1..))]
    pub(super) rounds: u32,
    /// Length of each turn with handshakes or downloads, in milliseconds.
    #[arg(long, default_value_t = 1_000, value_parser = value_parser!(u64).range(1..=60_000))]
    pub(super) millis: u64,
    /// Downloads at a time.
    #[arg(long, default_value_t = 50, value_parser = value_parser!(u16).range(1..=1_000))]
    pub(super) downloads: u16,
    /// Bytes of each download.
    #[arg(long, value_name = "BYTES", default_value_t = 10_000_000)]
    #[arg(value_parser = value_parser!(u64).range(1..=1_000_000_000))]
    pub(super) download_bytes: u64,
    /// Clients that connect at the same moment.
    #[arg(long, value_name = "CLIENTS", default_value_t = 1_000, value_parser = connections())]
    pub(super) burst: u16,
    /// Connections that do nothing.
    #[arg(long, value_name = "CLIENTS", default_value_t = 2_000, value_parser = connections())]
    pub(super) idle: u16,
    /// Measures this terminator, instead of building the one of this source tree.
    #[arg(long, value_name = "FILE")]
    pub(super) terminator: Option<PathBuf>,
}

/// As many as every server is configured for: nginx has two in its table for each.
fn connections() -> RangedI64ValueParser<u16> {
    value_parser!(u16).range(1..=4_000)
}

impl Options {
    pub(super) fn measures(&self, measure: Measure) -> bool {
        chosen(&self.measures).contains(&measure)
    }

    pub(super) fn servers(&self) -> Vec<Contender> {
        let mut servers = chosen(&self.servers);
        let is_named = !self.servers.is_empty();
        servers.retain(|server| is_named || server.is_usual());
        servers
    }

    /// The kinds of handshakes that are measured with tickets that carry sessions, or without.
    pub(super) fn kinds(&self, stateless: bool) -> Vec<HandshakeKind> {
        let mut kinds = chosen(&self.kinds);
        kinds.retain(|kind| kind.looks_up() != stateless && self.measures(Measure::Handshakes));
        kinds
    }
}

/// What was chosen, or everything.
fn chosen<T: ValueEnum + Clone>(chosen: &[T]) -> Vec<T> {
    match chosen {
        [] => T::value_variants().to_vec(),
        some => some.to_vec(),
    }
}
