//! What is run in process.

use std::time::Duration;

#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Options {
    /// Sessions in the cache, where there is one.
    #[arg(
        long, value_delimiter = ',', default_values_t = [1_000, 50_000],
        value_parser = clap::value_parser!(u32).range(100..=1_000_000)
    )]
    pub(super) sessions: Vec<u32>,
    /// Threads that handshakes run on, client and server of each on the same one.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 2])]
    pub(super) threads: Vec<usize>,
    /// Rounds; each runs every contender once.
    #[arg(long, default_value_t = 15)]
    pub(super) rounds: usize,
    /// Length of one contender's turn in a round, in milliseconds.
    #[arg(long, default_value_t = 150)]
    millis: u64,
}

impl Options {
    pub(super) fn turn(&self) -> Duration {
        Duration::from_millis(self.millis)
    }

    /// Sessions that a server makes at most, at 10 for each millisecond of a thread.
    pub(super) fn made_by(&self, threads: usize) -> usize {
        10 * self.millis as usize * (self.rounds + 1) * threads
    }
}
