//! Tells the store what has happened here.

use std::future::Future;
use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::backoff::Backoff;
use super::pace::{APART, Pace};
use super::shared::{PATIENCE, Shared};
use crate::counters::set;
use crate::machine::Machine;
use crate::outbox::{Event, Outbox};
use crate::queue::Queue;
use crate::store::{Connection, StoreError};

/// While the store is away, what has happened is taken note of this often.
const NOTE_TAKING: Duration = Duration::from_millis(100);

/// Between two looks at what time changes.
const TICK: Duration = Duration::from_secs(1);

/// Ticks between two looks whether the store has lost anything, while there is nothing to tell.
const LOOK_FOR_LOSS: u32 = 10;

/// Runs until it is told to stop, and what waits has been told.
pub(crate) async fn publish(shared: &Shared, outbox: &mut Outbox) {
    let mut backoff = Backoff::new();
    loop {
        let connected = draining(shared, outbox, shared.connect(PATIENCE)).await;
        match connected {
            Ok(mut connection) => match publish_on(shared, outbox, &mut *connection).await {
                Ok(()) => return,
                Err((error, has_worked)) => {
                    shared.is_down(error);
                    if has_worked {
                        backoff = Backoff::new();
                    }
                }
            },
            Err(error) => shared.is_down(error),
        }
        if shared.stop.is_asked() {
            return;
        }
        draining(shared, outbox, backoff.pause()).await;
    }
}

/// Takes note of what happens while it waits for something else.
async fn draining<T>(shared: &Shared, outbox: &mut Outbox, other: impl Future<Output = T>) -> T {
    let mut other = std::pin::pin!(other);
    loop {
        tokio::select! {
            biased;
            done = &mut other => return done,
            () = tokio::time::sleep(NOTE_TAKING) => drain(shared, outbox),
        }
    }
}

fn drain(shared: &Shared, outbox: &mut Outbox) {
    take_note(&shared.machine, &shared.queue, outbox);
}

pub(crate) fn take_note(machine: &Machine, queue: &Queue, outbox: &mut Outbox) {
    if queue.has_lost_endings() {
        let at = machine.unix_time();
        machine.sessions.revoke(None, at);
        outbox.push(machine, Event::Revoked { scope: None, at });
    }
    while let Some(event) = queue.pop() {
        outbox.push(machine, event);
    }
    set(&machine.counters.waiting, outbox.waiting() as u64);
}

async fn publish_on(
    shared: &Shared,
    outbox: &mut Outbox,
    connection: &mut dyn Connection,
) -> Result<(), (StoreError, bool)> {
    let mut has_worked = false;
    // A session that a client waits for is to be there before it gives up.
    let mut pace = Pace::new(match shared.sharing.fetches() {
        true => APART / 2,
        false => APART,
    });
    let mut ticks = LOOK_FOR_LOSS;
    let mut next_tick = Instant::now();
    loop {
        if Instant::now() >= next_tick {
            next_tick = Instant::now() + TICK;
            ticks += 1;
        }
        if outbox.is_empty() {
            tokio::select! {
                biased;
                () = shared.queue.wait() => {}
                () = shared.stop.wait() => return Ok(()),
                () = tokio::time::sleep_until(next_tick) => {}
            }
        }
        drain(shared, outbox);
        // Before an ending takes the place of the one that is looked for.
        if ticks > LOOK_FOR_LOSS || outbox.has_endings() {
            let looked = look_for_loss(&shared.machine, outbox, connection).await;
            looked.map_err(|error| (error, has_worked))?;
            shared.is_up();
            ticks = 0;
        }
        let batch = outbox.batch(&shared.machine);
        if batch.writes.is_empty() {
            let is_empty = batch.is_empty();
            outbox.told(&shared.machine, batch, Some(Vec::new()));
            if is_empty && !outbox.is_empty() {
                // There are no keys for it now, or no random bytes.
                if shared.stop.is_asked() {
                    return Ok(());
                }
                draining(shared, outbox, tokio::time::sleep(TICK)).await;
            }
            continue;
        }
        let messages = batch.messages();
        let written = timeout(PATIENCE, connection.write(&batch.writes)).await;
        match written.unwrap_or(Err(StoreError::Timeout)) {
            Ok(results) => {
                has_worked = true;
                shared.is_up();
                let is_told = outbox.told(&shared.machine, batch, Some(results));
                if !is_told {
                    // The store has no room for endings: they wait.
                    if shared.stop.is_asked() {
                        return Ok(());
                    }
                    draining(shared, outbox, tokio::time::sleep(TICK)).await;
                }
            }
            Err(error) => {
                outbox.told(&shared.machine, batch, None);
                return Err((error, has_worked));
            }
        }
        set(&shared.machine.counters.waiting, outbox.waiting() as u64);
        if !shared.stop.is_asked() {
            pace.turn(messages).await;
        }
    }
}

/// Whether the store still has what it was told last; if not, it is told all endings again.
async fn look_for_loss(
    machine: &Machine,
    outbox: &mut Outbox,
    connection: &mut dyn Connection,
) -> Result<(), StoreError> {
    for (stream, ending) in outbox.newest_endings(machine.unix_time()) {
        let reading = timeout(PATIENCE, connection.read_back(&stream, ending.0, 1));
        let found = reading.await.unwrap_or(Err(StoreError::Timeout))?;
        if found.first() != Some(&ending) {
            outbox.lost();
            return Ok(());
        }
    }
    Ok(())
}

/// Forgets what is over, whether or not the store is there. Never ends.
pub(crate) async fn maintain(shared: &Shared) {
    loop {
        shared.machine.maintain();
        tokio::time::sleep(TICK).await;
    }
}
