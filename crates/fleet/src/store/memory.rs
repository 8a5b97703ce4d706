//! A store in this process, for tests.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::sync::Notify;

use super::contract::{Connection, Pending, Position, Refusal, Store, StreamPart, Write};

/// A store in this process, for tests of programs that share sessions. Clones are the same store.
#[derive(Clone, Debug, Default)]
pub struct MemoryStore(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    streams: HashMap<String, BTreeMap<Position, Vec<u8>>>,
    values: HashMap<Vec<u8>, (Vec<u8>, Duration)>,
    last: Position,
}

impl MemoryStore {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store for MemoryStore {
    fn connect(&self, _patience: Duration) -> Pending<'_, Box<dyn Connection>> {
        let connection = MemoryConnection(self.clone());
        Box::pin(async move { Ok(Box::new(connection) as _) })
    }
}

struct MemoryConnection(MemoryStore);

impl Connection for MemoryConnection {
    fn write<'a>(&'a mut self, writes: &'a [Write]) -> Pending<'a, Vec<Result<Position, Refusal>>> {
        let mut state = self.0.state();
        let results = writes.iter().map(|write| state.write(write)).collect();
        self.0.0.changed.notify_waiters();
        Box::pin(async move { Ok(results) })
    }

    fn follow<'a>(
        &'a mut self,
        from: &'a [(String, Position)],
        most: usize,
        wait: Duration,
    ) -> Pending<'a, Vec<StreamPart>> {
        Box::pin(async move {
            let deadline = tokio::time::Instant::now() + wait;
            loop {
                let changed = self.0.0.changed.notified();
                let mut changed = std::pin::pin!(changed);
                changed.as_mut().enable();
                let parts = self.0.state().parts(from, most);
                let waited = tokio::time::timeout_at(deadline, changed);
                if !parts.is_empty() || waited.await.is_err() {
                    return Ok(parts);
                }
            }
        })
    }

    fn read_back<'a>(
        &'a mut self,
        stream: &'a str,
        up_to: Position,
        most: usize,
    ) -> Pending<'a, Vec<(Position, Vec<u8>)>> {
        let state = self.0.state();
        let stream = state.streams.get(stream).into_iter();
        let values = stream.flat_map(|stream| stream.range(..=up_to).rev());
        let values = values.take(most).map(|(at, value)| (*at, value.clone()));
        let values = values.collect();
        Box::pin(async move { Ok(values) })
    }

    fn get<'a>(&'a mut self, keys: &'a [Vec<u8>]) -> Pending<'a, Vec<Option<Vec<u8>>>> {
        let state = self.0.state();
        let get = |key| state.values.get(key).filter(|(_, until)| *until > now());
        let values = keys
            .iter()
            .map(|key| get(key).map(|(value, _)| value.clone()));
        let values = values.collect();
        Box::pin(async move { Ok(values) })
    }
}

impl State {
    fn write(&mut self, write: &Write) -> Result<Position, Refusal> {
        match write {
            Write::Append {
                stream,
                value,
                oldest,
                ends_at: _,
            } => {
                self.last = self.last.next(now().as_millis() as u64);
                let stream = self.streams.entry(stream.clone()).or_default();
                stream.insert(self.last, value.clone());
                *stream = stream.split_off(oldest);
                Ok(self.last)
            }
            Write::Put {
                key,
                value,
                life,
                if_absent,
            } => {
                let before = self.values.get(key);
                if *if_absent && before.is_some_and(|(_, until)| *until > now()) {
                    return Err(Refusal::Present);
                }
                let value = (value.clone(), now() + *life);
                self.values.insert(key.clone(), value);
                Ok(Position::START)
            }
        }
    }

    fn parts(&self, from: &[(String, Position)], most: usize) -> Vec<StreamPart> {
        let part = |(stream, (name, after)): (usize, &(String, Position))| {
            let values = self.streams.get(name)?;
            let values = values.range((Bound::Excluded(*after), Bound::Unbounded));
            let values = values.take(most).map(|(at, value)| (*at, value.clone()));
            let values: Vec<_> = values.collect();
            (!values.is_empty()).then_some(StreamPart { stream, values })
        };
        from.iter().enumerate().filter_map(part).collect()
    }
}

fn now() -> Duration {
    SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default()
}
