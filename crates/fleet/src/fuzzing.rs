//! What the fuzz target `hostile_store` drives: a machine without tasks and connections, and what
//! answers of a store mean. No part of the API.

use std::sync::Arc;
use std::time::Duration;

pub use redis::Value;
use rekindle::SessionId;
use rekindle::resume::Scope;
use rekindle::tickets::TicketSecret;

use crate::counters::FleetStats;
use crate::machine::{Machine, Stream};
use crate::outbox::Outbox;
use crate::queue::Queue;
use crate::schedule::Schedule;
use crate::seal::Sealer;
use crate::sessions::Sessions;
use crate::sharing::Sharing;
use crate::store::redis::answers;
use crate::store::{Position, Refusal, StoreError, Write};
use crate::tasks::take_note;

/// How much a machine remembers, and how much may wait.
const MOST: usize = 256;

/// A machine.
#[allow(missing_debug_implementations, reason = "it has keys")]
pub struct Node {
    machine: Machine,
    queue: Arc<Queue>,
    outbox: Outbox,
    scopes: Vec<Scope>,
}

impl Node {
    /// Of a fleet with that secret.
    pub fn new(
        sessions: impl Sessions,
        (secret, lifetime): (TicketSecret, Duration),
        scopes: &[Scope],
        sharing: Sharing,
    ) -> Self {
        let schedule = Schedule::new(secret, lifetime).expect("long periods");
        let sealer = Sealer::new().expect("random bytes");
        let machine = Machine::new(Box::new(sessions), schedule, sealer, MOST);
        let queue = Arc::new(Queue::with_endings(MOST, MOST));
        let (of_watcher, counters) = (Arc::clone(&queue), Arc::clone(&machine.counters));
        machine.sessions.watch(Box::new(move |change| {
            of_watcher.push(change, &counters);
        }));
        Self {
            machine,
            queue,
            outbox: Outbox::new(sharing, MOST, MOST),
            scopes: scopes.to_vec(),
        }
    }

    /// As [`Fleet::remove`](crate::Fleet::remove).
    pub fn remove(&mut self, id: &SessionId, left: Duration) {
        self.queue.remove(&*self.machine.sessions, id, left);
    }

    /// Takes note of what has happened here.
    pub fn take_note(&mut self) {
        take_note(&self.machine, &self.queue, &mut self.outbox);
    }

    /// Forgets what is over.
    pub fn maintain(&mut self) {
        self.machine.maintain();
    }

    /// What it has to tell. `answer` says what became of the writes; nothing if the connection
    /// broke.
    pub fn publish(
        &mut self,
        answer: impl FnOnce(&[Write]) -> Option<Vec<Result<Position, Refusal>>>,
    ) -> Vec<Write> {
        self.take_note();
        let batch = self.outbox.batch(&self.machine);
        let writes = batch.writes.clone();
        let results = answer(&writes);
        self.outbox.told(&self.machine, batch, results);
        writes
    }

    /// The store has lost what it was told.
    pub fn lost(&mut self) {
        self.outbox.lost();
    }

    /// How much it has to tell.
    pub fn waiting(&self) -> usize {
        self.queue.len() + self.outbox.waiting()
    }

    /// The names of its streams.
    pub fn streams(&self) -> Vec<String> {
        let names = self.all_streams().into_iter();
        names.map(|stream| stream.name.clone()).collect()
    }

    /// Takes what a stream has said. Whether it follows the stream.
    pub fn receive(&self, name: &str, value: &[u8], is_old: bool) -> bool {
        let streams = self.all_streams();
        let stream = streams.iter().find(|stream| stream.name == name);
        if let Some(stream) = stream {
            self.machine.receive(stream, value, is_old);
        }
        stream.is_some()
    }

    /// The names that a session may be under.
    pub fn entry_names(&self, id: &SessionId) -> Vec<Vec<u8>> {
        let names = self.machine.entry_names(id).unwrap_or_default();
        names.into_iter().map(|(_, name)| name).collect()
    }

    /// Takes what was under one of those names.
    pub fn receive_entry(&self, name: &[u8], (id, scope): (&SessionId, &Scope), value: &[u8]) {
        let names = self.machine.entry_names(id).unwrap_or_default();
        if let Some((period, _)) = names.into_iter().find(|(_, known)| known == name) {
            self.machine.receive_entry(period, (id, scope), value);
        }
    }

    /// Whether it knows that a session was removed.
    pub fn knows_removal_of(&self, id: &SessionId) -> bool {
        self.machine.state().removed.contains(id)
    }

    /// What was shared so far.
    pub fn stats(&self) -> FleetStats {
        self.machine.counters.stats()
    }

    fn all_streams(&self) -> Vec<Arc<Stream>> {
        self.machine.streams(&self.scopes).unwrap_or_default()
    }
}

/// A call of which a store's answer may be.
#[derive(Clone, Copy, Debug)]
pub enum Call {
    /// New values of streams.
    Follow,
    /// Old values of the first stream.
    ReadBack,
    /// The value of a key.
    Get,
}

/// The values in an answer, each with its stream's number.
///
/// # Errors
///
/// It makes no sense, or says that the store is away.
pub fn values(
    call: Call,
    answer: Value,
    streams: &[(String, Position)],
) -> Result<Vec<(usize, Vec<u8>)>, StoreError> {
    let of_first = |value| (0, value);
    Ok(match call {
        Call::Follow => {
            let parts = answers::of_follow(answer, streams)?.into_iter();
            let values =
                parts.map(|part| part.values.into_iter().map(move |(_, v)| (part.stream, v)));
            values.flatten().collect()
        }
        Call::ReadBack => {
            let values = answers::of_range(answer)?.into_iter();
            values.map(|(_, value)| of_first(value)).collect()
        }
        Call::Get => answers::of_get(answer)?.into_iter().map(of_first).collect(),
    })
}

/// What one write has come to.
///
/// # Errors
///
/// As [`values`].
pub fn written(answer: Value) -> Result<Result<Position, Refusal>, StoreError> {
    answers::of_write(answer)
}
