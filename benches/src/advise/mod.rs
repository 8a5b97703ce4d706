//! How large should a cache be? From a recorded stream of requests, or from what a running terminator
//! has seen: the hit ratio that other capacities would give, and the smallest one that is enough.

mod curve;
mod distances;
mod error;
mod fetch;
mod hits_file;
mod openmetrics;
mod replay;
mod running;
mod table;

use std::io::{self, Write};
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::process::ExitCode;

use rekindle::{Cache, CacheBuilder, SessionId, Time};

pub use error::{Error, MetricsError};

/// A capacity is enough if it loses no more than this share of the requests to one without bounds.
const TOLERANCE: f64 = 0.01;
/// With fewer requests than this, or fewer lookups of sampled sessions, chance decides.
const ENOUGH: f64 = 1_000.0;
/// Encoded bytes of a TLS session without certificates.
const SESSION_BYTES: u32 = 200;
/// Bytes of the table for each entry of capacity, once all its pages are in use (`CacheBuilder::build`).
const TABLE_BYTES: f64 = 24.0;

/// What to look at.
#[derive(Clone, Debug, clap::Args)]
#[command(group(clap::ArgGroup::new("source").required(true).args(["hits_file", "metrics"])))]
pub struct Options {
    /// A stream of requests, `-` for standard input. A line for each: the session's id (hex or any
    /// word), or `TIME ID`, with seconds since 1970. A request that does not find its session makes it:
    /// name a session the same in every line.
    #[arg(long, value_name = "FILE")]
    pub hits_file: Option<PathBuf>,
    /// The metrics of a running terminator, http://HOST:PORT/metrics.
    #[arg(long, value_name = "URL")]
    pub metrics: Option<String>,
    /// Capacities to show besides those chosen by themselves, in sessions.
    #[arg(long, value_name = "N,..", value_delimiter = ',')]
    pub capacities: Vec<NonZeroU32>,
    /// Mean length of an encoded session, in bytes [default: what the terminator holds, or else 200].
    #[arg(long, value_name = "BYTES", value_parser = clap::value_parser!(u32).range(1..=1 << 20))]
    pub session_bytes: Option<u32>,
    /// How long a session can be resumed, in seconds; the requests need times [default: for ever].
    #[arg(long, value_name = "SECONDS", conflicts_with = "metrics", value_parser = clap::value_parser!(u32).range(1..))]
    pub session_timeout: Option<u32>,
}

/// Prints the advice, or why there is none.
#[must_use]
pub fn main(options: &Options) -> ExitCode {
    match advice(options) {
        Ok(text) => {
            // Whoever reads it may have left (`| head`).
            let _ = io::stdout().write_all(text.as_bytes());
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("advise: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The advice, as text.
///
/// # Errors
///
/// [`Error`]: what is wrong with the file, or with what the terminator answered.
pub fn advice(options: &Options) -> Result<String, Error> {
    match (&options.hits_file, &options.metrics) {
        (Some(file), _) => hits_file::advice(file, options),
        (None, Some(url)) => running::advice(url, options),
        (None, None) => Err(Error::NoSource),
    }
}

/// The cache's own memory for each session of so many encoded bytes.
fn bytes_each(encoded: u32) -> Result<f64, Error> {
    let builder = CacheBuilder::new(1).max_encoded_len(CacheBuilder::MAX_ENCODED_LEN);
    let cache: Cache<u64> = builder.build().map_err(|reason| Error::Cache {
        capacity: 1,
        reason,
    })?;
    let encoded = vec![0; encoded as usize];
    let id = SessionId::new(&[1]).expect("one byte");
    (cache.insert(&id, 0, &encoded, Time::NEVER)).map_err(|_| Error::Refused)?;
    Ok(cache.stats().bytes as f64 + TABLE_BYTES)
}

/// Rounded up to two digits: nobody needs more.
fn round_up(capacity: usize) -> usize {
    let mut unit = 1;
    while capacity / unit >= 100 {
        unit *= 10;
    }
    capacity.div_ceil(unit) * unit
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capacities_are_rounded_up_to_two_digits() {
        let rounded = [1, 99, 100, 101, 4_210, 99_001].map(round_up);
        assert_eq!(rounded, [1, 99, 100, 110, 4_300, 100_000]);
    }

    #[test]
    fn memory_grows_with_the_session() {
        let [small, large] = [200, 1 << 20].map(|bytes| bytes_each(bytes).unwrap());
        assert!((224.0..512.0).contains(&small), "{small}");
        assert!(large > f64::from(1 << 20), "{large}");
    }
}
