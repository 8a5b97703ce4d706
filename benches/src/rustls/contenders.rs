//! What is run, and the stores that are.

use std::sync::Arc;
use std::time::Duration;

use orbit_core::Fleet;
use orbit_rustls::{FleetServerSessions, SessionDomain};
use rekindle::rustls::{Resumption, Scope};
use rustls::server::{ServerSessionMemoryCache, StoresServerSessions};

use crate::engine::parse_in;

/// What is run.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Options {
    /// Sessions in a full store, for the calls alone.
    #[arg(
        long, value_delimiter = ',', default_values_t = [256, 20_000, 1_000_000],
        value_parser = parse_in::<256, 0xffff_ffff>
    )]
    pub(super) sessions: Vec<usize>,
    /// Threads that call the store or the ticketer.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 2], value_parser = parse_in::<1, 64>)]
    pub(super) threads: Vec<usize>,
    /// Threads that handshakes run on, client and server of each on the same one.
    #[arg(
        long, value_delimiter = ',', default_values_t = [1, 2, 16], value_parser = parse_in::<1, 64>
    )]
    pub(super) handshake_threads: Vec<usize>,
    /// Threads that put sessions at idle priority while takes are timed.
    #[arg(
        long, value_delimiter = ',', default_values_t = [4, 16], value_parser = parse_in::<0, 64>
    )]
    pub(super) writers: Vec<usize>,
    /// Rounds; each runs every contender once.
    #[arg(long, default_value_t = 15)]
    pub(super) rounds: usize,
    /// Length of one contender's turn in a round, in milliseconds.
    #[arg(long, default_value_t = 100)]
    millis: u64,
}

impl Options {
    pub(super) fn length(&self) -> Duration {
        Duration::from_millis(self.millis)
    }
}

pub(super) const STOCK: &str = "rustls memory cache";
pub(super) const ORBIT: &str = "orbit-rustls";
pub(super) const REKINDLE: &str = "rekindle";

pub(super) type Store = Arc<dyn StoresServerSessions>;

/// The stores; ratios are to the first.
pub(super) fn stores(stock: usize, ours: usize) -> [(&'static str, Store); 3] {
    [
        (STOCK, ServerSessionMemoryCache::new(stock)),
        (REKINDLE, resumption(ours).store(&scope())),
        (ORBIT, orbit()),
    ]
}

/// Orbit's store in the memory of this process, which is its faster one.
fn orbit() -> Store {
    let fleet = Arc::new(Fleet::join("benches", 1).expect("a fleet of one"));
    let sessions = FleetServerSessions::open(fleet).expect("a table");
    sessions.storage(SessionDomain::new("benches").expect("a name"))
}

pub(super) fn resumption(sessions: usize) -> Resumption {
    let builder = Resumption::builder().sessions(sessions);
    builder.build().expect("a valid configuration")
}

pub(super) fn scope() -> Scope {
    Scope::new("benches")
}
