//! All of it, one after the other.

use rekindle_test_servers::RedisServer;

use super::{cost, follower, lateness, memory, returns};
use crate::record::Record;

/// How much is run.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Options {
    /// Rounds; each runs every machine once.
    #[arg(long, default_value_t = 15)]
    rounds: usize,
    /// Full handshakes of a machine in a round.
    #[arg(long, default_value_t = 3_000)]
    handshakes: usize,
    /// Sessions whose lateness is measured, and clients that come back.
    #[arg(long, default_value_t = 1_000)]
    clients: usize,
    /// Sessions that are followed, and whose memory is measured.
    #[arg(long, default_value_t = 100_000)]
    sessions: usize,
}

/// Runs all of it. Panics when a session does not come.
pub(crate) fn run(options: &Options, record: &mut Record) {
    if !RedisServer::is_installed("the fleet's benchmarks") {
        return record.note("no redis-server: the fleet was not measured");
    }
    cost::run(options.rounds, options.handshakes, record);
    lateness::run(options.clients, record);
    returns::run(options.clients, record);
    follower::run(options.sessions, options.rounds.min(5), record);
    memory::run(options.sessions, record);
}
