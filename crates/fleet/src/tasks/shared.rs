//! What all tasks have.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rekindle::resume::Scope;
use tokio::sync::watch;
use tracing::{info, warn};

use super::backlog::Backlog;
use super::breaker::Breaker;
use super::stop::Stop;
use crate::counters::{count, set};
use crate::machine::Machine;
use crate::queue::Queue;
use crate::sharing::Sharing;
use crate::store::{Connection, Store, StoreError};

/// How long the store may take to answer.
pub(super) const PATIENCE: Duration = Duration::from_secs(1);

/// What all tasks have.
pub(crate) struct Shared {
    pub(crate) machine: Machine,
    pub(crate) queue: Queue,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) sharing: Sharing,
    pub(crate) scopes: watch::Sender<Arc<[Scope]>>,
    pub(crate) backlog: Backlog,
    /// Sessions a second that a machine that joins reads at most.
    pub(crate) join_rate: u32,
    pub(crate) breaker: Breaker,
    /// When to end, and until when what waits may be told.
    pub(crate) stop: Stop,
    last_error: Mutex<Option<StoreError>>,
}

impl Shared {
    pub(crate) fn new(
        (machine, queue, store): (Machine, Queue, Arc<dyn Store>),
        (sharing, scopes, join_rate): (Sharing, Arc<[Scope]>, u32),
    ) -> Self {
        set(&machine.counters.store_since, machine.unix_time().as_secs());
        Self {
            machine,
            queue,
            store,
            sharing,
            scopes: watch::Sender::new(scopes),
            backlog: Backlog::default(),
            join_rate,
            breaker: Breaker::default(),
            stop: Stop::default(),
            last_error: Mutex::new(None),
        }
    }

    /// A new connection.
    pub(super) async fn connect(
        &self,
        patience: Duration,
    ) -> Result<Box<dyn Connection>, StoreError> {
        let connecting = self.store.connect(patience);
        // A store may forget the time.
        let connected = tokio::time::timeout(2 * PATIENCE, connecting).await;
        connected.unwrap_or(Err(StoreError::Timeout))
    }

    /// The connection that is there, or else a new one.
    pub(super) async fn connected<'c>(
        &self,
        connection: &'c mut Option<Box<dyn Connection>>,
    ) -> Result<&'c mut Box<dyn Connection>, StoreError> {
        match connection {
            Some(connection) => Ok(connection),
            None => Ok(connection.insert(self.connect(PATIENCE).await?)),
        }
    }

    pub(super) fn is_down(&self, error: StoreError) {
        count(&self.machine.counters.store_errors);
        let was_up = self
            .machine
            .counters
            .store_up
            .swap(false, Ordering::Relaxed);
        if was_up {
            self.changes_now();
        }
        let mut last = self
            .last_error
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if was_up || last.as_ref() != Some(&error) {
            warn!(%error, "the fleet's store is away; sessions stay on this machine");
        }
        *last = Some(error);
    }

    pub(super) fn is_up(&self) {
        if !self.machine.counters.store_up.swap(true, Ordering::Relaxed) {
            self.changes_now();
            info!("the fleet's store answers");
        }
    }

    fn changes_now(&self) {
        let now = self.machine.unix_time().as_secs();
        set(&self.machine.counters.store_since, now);
    }
}
