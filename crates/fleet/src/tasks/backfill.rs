//! Reads what was said before this machine listened: it has joined, or was away.

use std::time::Duration;

use tokio::time::timeout;

use super::backlog::Gap;
use super::backoff::Backoff;
use super::shared::{PATIENCE, Shared};
use crate::store::{Connection, StoreError};

/// Values that are read at once. One has some dozen sessions if the store was busy.
const PAGE: usize = 50;

/// Reads what is missing, the newest first. Never ends.
pub(crate) async fn backfill(shared: &Shared) {
    let mut connection = None;
    let mut backoff = Backoff::new();
    loop {
        let mut gap = shared.backlog.next().await;
        let mut endings = shared.backlog.has_read_endings.subscribe();
        // The sender lives as long as this.
        let _ = endings.wait_for(|has_read| *has_read).await;
        match read(shared, &mut connection, &mut gap).await {
            Ok(()) => backoff = Backoff::new(),
            Err(error) => {
                shared.is_down(error);
                connection = None;
                shared.backlog.add(gap);
                backoff.pause().await;
            }
        }
        if shared.backlog.is_empty() {
            // The next time is a long way off.
            connection = None;
        }
    }
}

/// Reads a page; what is left becomes a gap again.
async fn read(
    shared: &Shared,
    connection: &mut Option<Box<dyn Connection>>,
    gap: &mut Gap,
) -> Result<(), StoreError> {
    let connection = shared.connected(connection).await?;
    let reading = connection.read_back(&gap.stream.name, gap.up_to, PAGE);
    let page = timeout(PATIENCE, reading).await;
    let page = page.unwrap_or(Err(StoreError::Timeout))?;
    let mut taken = 0_usize;
    let (values, has_more) = gap.take(&page, PAGE);
    for (_, value) in values {
        // At least one, also if there is nothing in it.
        taken += shared.machine.receive(&gap.stream, value, true).max(1);
    }
    if shared.machine.sessions.room() == 0 {
        // Older ones would take the places of newer ones.
        shared.backlog.clear();
    } else if has_more {
        shared.backlog.add(gap.clone());
    }
    let pause = f64::from(taken as u32) / f64::from(shared.join_rate.max(1));
    tokio::time::sleep(Duration::from_secs_f64(pause)).await;
    Ok(())
}
