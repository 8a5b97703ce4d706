//! All upstreams, shared by the threads: which one a connection gets.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{self, Duration};

use arc_swap::ArcSwap;
use tokio::time::Instant;
use tracing::warn;

use super::connection::Connection;
use super::error::ConnectError;
use super::health::Admission;
use super::peer::{Upstream, UpstreamStatus};
use crate::cli::UpstreamAddress;

/// The upstreams of the configuration. They take turns.
///
/// A connection takes no lock here. It reads the set, and draws a number if there are several
/// upstreams; it writes to an upstream's health only where that changes.
#[derive(Debug)]
pub(crate) struct Upstreams {
    set: ArcSwap<Vec<Arc<Upstream>>>,
    turns: Turns,
    start: time::Instant,
    /// Connections that reached no upstream.
    exhausted: AtomicU64,
}

/// Upstreams that take turns: those of one configuration.
#[derive(Debug, Clone, Default)]
pub(crate) struct UpstreamSet(Arc<Vec<Arc<Upstream>>>);

/// On cache lines of its own: each connection of each thread writes it, and reads what is around.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Turns(AtomicUsize);

impl Upstreams {
    pub(crate) fn new(addresses: Vec<UpstreamAddress>) -> Self {
        let upstreams = Self {
            set: ArcSwap::default(),
            turns: Turns::default(),
            start: time::Instant::now(),
            exhausted: AtomicU64::new(0),
        };
        upstreams.replace(upstreams.with_addresses(addresses));
        upstreams
    }

    /// The set in use.
    pub(crate) fn in_use(&self) -> UpstreamSet {
        UpstreamSet(self.set.load_full())
    }

    /// Puts another set in place. Connections that are open stay open.
    pub(crate) fn replace(&self, set: UpstreamSet) {
        self.set.store(set.0);
    }

    /// A set with other addresses. What is in use as well keeps its health and its count of
    /// failures.
    pub(crate) fn with_addresses(&self, addresses: Vec<UpstreamAddress>) -> UpstreamSet {
        let old = self.set.load();
        let mut names = HashSet::new();
        let mut set = Vec::with_capacity(addresses.len());
        for address in addresses {
            let name = address.to_string();
            match old.iter().find(|upstream| upstream.name() == name) {
                _ if names.contains(&name) => warn!("upstream {name} is named twice"),
                Some(upstream) => set.push(Arc::clone(upstream)),
                None => set.push(Arc::new(Upstream::new(address))),
            }
            names.insert(name);
        }
        UpstreamSet(Arc::new(set))
    }

    /// Connects to the next upstream of a set that is up, and to the others in turn where one
    /// fails.
    ///
    /// Upstreams that are down come last, in case they are back. All attempts together take at most
    /// `limit`, which those that are left share.
    pub(crate) async fn connect(
        &self,
        UpstreamSet(set): &UpstreamSet,
        limit: Duration,
    ) -> Result<Connection, ConnectError> {
        let deadline = Instant::now() + limit;
        let mut failed = ConnectError::default();
        while let Some((upstream, admission)) = self.choose(set, &failed) {
            let untried = set.len() - failed.len();
            match upstream.connect(admission, deadline, untried).await {
                Ok(stream) => {
                    upstream.connected(|| self.now());
                    return Ok(Connection::new(stream, Arc::clone(upstream)));
                }
                Err(error) => {
                    upstream.failed(&error, admission, self.now());
                    failed.push(upstream, error);
                }
            }
        }
        self.exhausted.fetch_add(1, Ordering::Relaxed);
        Err(failed)
    }

    /// How many upstreams are up, or due for a trial: a load balancer that sent no connections
    /// would never learn that one is back.
    pub(crate) fn healthy(&self) -> usize {
        let (set, now) = (self.set.load(), self.now());
        set.iter()
            .filter(|upstream| upstream.health.is_due(now))
            .count()
    }

    /// How many upstreams there are. The demo has none.
    pub(crate) fn total(&self) -> usize {
        self.set.load().len()
    }

    pub(crate) fn statuses(&self) -> Vec<UpstreamStatus> {
        let set = self.set.load();
        set.iter().map(|upstream| upstream.status()).collect()
    }

    /// How many connections reached no upstream.
    pub(crate) fn exhausted(&self) -> u64 {
        self.exhausted.load(Ordering::Relaxed)
    }

    /// The next upstream that has not failed yet: one that is up or is due for a trial, otherwise
    /// any.
    fn choose<'s>(
        &self,
        set: &'s [Arc<Upstream>],
        failed: &ConnectError,
    ) -> Option<(&'s Arc<Upstream>, Admission)> {
        // A number for each try, and not the neighbour of one that is down: its neighbour would get
        // its share of the connections as well.
        let drawn = set.iter().map(|_| &set[self.draw(set.len())]);
        // Other threads draw numbers in between, so some upstream may not have been drawn.
        let mut untried = drawn.chain(set).filter(|upstream| !failed.names(upstream));
        let admitted = untried.find_map(|upstream| {
            let admission = upstream.health.admit(|| self.now())?;
            Some((upstream, admission))
        });
        admitted.or_else(|| {
            let first = self.draw(set.len());
            let mut in_turn = set[first..].iter().chain(&set[..first]);
            let untried = in_turn.find(|upstream| !failed.names(upstream))?;
            Some((untried, Admission::LastResort))
        })
    }

    /// A position in a set of this size. One upstream needs no number that threads share.
    fn draw(&self, size: usize) -> usize {
        match size {
            0 | 1 => 0,
            // Relaxed: only the number counts.
            _ => self.turns.0.fetch_add(1, Ordering::Relaxed) % size,
        }
    }

    fn now(&self) -> Duration {
        self.start.elapsed()
    }
}

#[cfg(test)]
mod tests;
