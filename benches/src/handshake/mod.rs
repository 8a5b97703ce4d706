//! Handshakes, full and resumed, with rekindle beside what OpenSSL brings along.

mod batch;
mod ffi;
mod in_process;
mod internal_cache;
mod servers;
mod tls;

use std::time::Duration;

use crate::record::Recorder;
use crate::scale::Scale;

pub(crate) use ffi::{count_opened, offer, opened, request_ticket, thread_cpu_time, ticket_of};
pub(crate) use in_process::Contender;
pub(crate) use servers::{Keeper, Server, Way};
pub(crate) use tls::{Pipe, client_builder, new_ssl, step};

/// What is run in process.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// Sessions in the cache, where there is one.
    #[arg(long, value_delimiter = ',', default_values_t = [1_000, 50_000], value_parser = clap::value_parser!(u32).range(100..=1_000_000))]
    pub sessions: Vec<u32>,
    /// Threads that handshakes run on, client and server of each on the same one.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 2])]
    pub threads: Vec<usize>,
    /// Rounds; each runs every contender once.
    #[arg(long, default_value_t = 15)]
    pub rounds: usize,
    /// Length of one contender's turn in a round, in milliseconds.
    #[arg(long, default_value_t = 150)]
    pub millis: u64,
}

impl Options {
    /// For a run of everything.
    #[must_use]
    pub fn at(scale: Scale) -> Self {
        Self {
            sessions: scale.pick(vec![1_000, 50_000], vec![50_000], vec![200]),
            threads: scale.pick(vec![1, 2], vec![1, 2], vec![2]),
            rounds: scale.pick(15, 3, 1),
            millis: scale.pick(150, 50, 5),
        }
    }

    fn turn(&self) -> Duration {
        Duration::from_millis(self.millis)
    }

    /// Sessions that a server makes at most, at 10 for each millisecond of a thread.
    fn made_by(&self, threads: usize) -> usize {
        10 * self.millis as usize * (self.rounds + 1) * threads
    }
}

/// Runs handshakes of every kind, and inserts into OpenSSL's session cache beside ours.
///
/// # Panics
///
/// When a handshake fails, or one that should resume does not.
pub fn run(options: &Options, recorder: &mut Recorder) {
    in_process::run(options, recorder);
    internal_cache::run(options, recorder);
}
