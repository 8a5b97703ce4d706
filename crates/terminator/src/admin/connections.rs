//! The open connections of the admin address: a new one is always taken, if need be in the place of
//! one that waits.

use std::future::Future;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::sleep_until;

use super::phase::Phase;

/// The least time for a request to come before its connection is closed for a new one. Without it,
/// two clients that come at the same time could close each other's.
const GRACE: Duration = Duration::from_millis(50);

#[derive(Debug)]
pub(super) struct Connections {
    limit: usize,
    tasks: JoinSet<()>,
    open: Vec<Connection>,
}

#[derive(Debug)]
struct Connection {
    task: AbortHandle,
    phase: watch::Receiver<Phase>,
}

impl Connections {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            limit,
            tasks: JoinSet::new(),
            open: Vec::new(),
        }
    }

    /// Runs a connection, as soon as fewer than the limit are open.
    pub(super) async fn add<C>(&mut self, phase: watch::Receiver<Phase>, connection: C)
    where
        C: Future<Output = ()> + Send + 'static,
    {
        while self.is_full() && self.close_one().await {}
        let task = self.tasks.spawn(connection);
        self.open.push(Connection { task, phase });
    }

    /// Closes the connection that has waited longest, if none ends by itself within [`GRACE`] of
    /// that one's wait. Whether there was one.
    pub(super) async fn close_one(&mut self) -> bool {
        self.forget_ended();
        let Some(first) = first_to_close(&self.open) else {
            return false;
        };
        let until = first.phase.borrow().since + GRACE;
        let one_ended = tokio::select! {
            () = sleep_until(until) => false,
            _ = self.tasks.join_next() => true,
        };
        // Another one than before, if a request came on that.
        if !one_ended && let Some(first) = first_to_close(&self.open) {
            first.task.abort();
            while !first.task.is_finished() && self.tasks.join_next().await.is_some() {}
        }
        true
    }

    fn is_full(&mut self) -> bool {
        self.forget_ended();
        self.open.len() >= self.limit
    }

    fn forget_ended(&mut self) {
        while self.tasks.try_join_next().is_some() {}
        self.open
            .retain(|connection| !connection.task.is_finished());
    }
}

fn first_to_close(open: &[Connection]) -> Option<&Connection> {
    let open = open.iter();
    open.min_by_key(|connection| connection.phase.borrow().closing_order())
}
