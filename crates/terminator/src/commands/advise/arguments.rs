//! The flags of `advise`.

use std::num::NonZeroU32;
use std::path::PathBuf;

use clap::{ArgGroup, Args, value_parser};

/// What to read, and which capacities to show.
#[derive(Clone, Debug, Args)]
#[command(group(ArgGroup::new("source").required(true).args(["hits_file", "metrics"])))]
pub(crate) struct Advise {
    /// A stream of requests, `-` for standard input. A line for each request: the session's id (hex
    /// or any word), or `TIME ID`, with seconds since 1970. A request that does not find its
    /// session creates it, so the id of a session is the same in every line.
    #[arg(long, value_name = "FILE")]
    pub(super) hits_file: Option<PathBuf>,
    /// The metrics of a running terminator, http://HOST:PORT/metrics.
    #[arg(long, value_name = "URL")]
    pub(super) metrics: Option<String>,
    /// More capacities to show, in sessions.
    #[arg(long, value_name = "N,..", value_delimiter = ',')]
    pub(super) capacities: Vec<NonZeroU32>,
    /// Mean length of an encoded session, in bytes [default: that of the terminator's sessions, or
    /// else 200].
    #[arg(long, value_name = "BYTES", value_parser = value_parser!(u32).range(1..=1 << 20))]
    pub(super) session_bytes: Option<u32>,
    /// How long a session can be resumed, in seconds; the requests need times [default: for ever].
    #[arg(long, value_name = "SECONDS", conflicts_with = "metrics")]
    #[arg(value_parser = value_parser!(u32).range(1..))]
    pub(super) session_timeout: Option<u32>,
}
