//! Fetches sessions that clients name and that are not here.

use std::collections::HashMap;

use ahash::RandomState;
use rekindle::SessionId;
use rekindle::resume::Scope;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until, timeout};

use super::shared::{PATIENCE, Shared};
use crate::counters::count;
use crate::store::{Connection, StoreError};

/// A client that waits for a session.
pub(crate) struct Request {
    pub(crate) id: SessionId,
    pub(crate) scope: Scope,
    pub(crate) deadline: Instant,
    pub(crate) answer: oneshot::Sender<bool>,
}

pub(crate) type Requests = mpsc::Receiver<Request>;

/// Those who wait, by the session that they wait for.
type Waiting = HashMap<(SessionId, Scope), Vec<Request>, RandomState>;

/// Answers requests until there are none to come.
pub(crate) async fn fetch(shared: &Shared, requests: &mut Requests) {
    let mut connection = None;
    let mut waiting = Waiting::default();
    while let Some(first) = requests.recv().await {
        add(shared, &mut waiting, first);
        while let Ok(request) = requests.try_recv() {
            add(shared, &mut waiting, request);
        }
        let wanted: Vec<_> = waiting.keys().copied().collect();
        if wanted.is_empty() {
            continue;
        }
        let asked = ask(shared, &mut connection, &wanted);
        let answered = while_waiting(shared, asked, &wanted, &mut waiting, requests).await;
        match answered {
            Ok(()) => shared.breaker.answered(),
            Err(error) => {
                connection = None;
                shared.breaker.failed();
                if let Some(error) = error {
                    shared.is_down(error);
                }
            }
        }
        for key in &wanted {
            for request in waiting.remove(key).unwrap_or_default() {
                answer(shared, request);
            }
        }
    }
}

/// Lets requests for the same sessions join, and answers those that have waited long enough.
async fn while_waiting(
    shared: &Shared,
    asked: impl Future<Output = Result<(), Option<StoreError>>>,
    wanted: &[(SessionId, Scope)],
    waiting: &mut Waiting,
    requests: &mut Requests,
) -> Result<(), Option<StoreError>> {
    let mut asked = std::pin::pin!(asked);
    loop {
        let deadlines = waiting.values().flatten().map(|request| request.deadline);
        let next = deadlines.min().unwrap_or_else(|| Instant::now() + PATIENCE);
        tokio::select! {
            biased;
            answered = &mut asked => return answered,
            Some(request) = requests.recv() => {
                let is_wanted = wanted.contains(&(request.id, request.scope));
                match is_wanted || waiting.len() < MOST_WAITING {
                    true => add(shared, waiting, request),
                    false => answer(shared, request),
                }
            }
            () = sleep_until(next) => {
                let now = Instant::now();
                let late = |all| Vec::extract_if(all, .., |one: &mut Request| one.deadline <= now);
                for request in waiting.values_mut().flat_map(late) {
                    count(&shared.machine.counters.fetch_timeouts);
                    shared.breaker.failed();
                    let _ = request.answer.send(false);
                }
            }
        }
    }
}

/// Sessions that are waited for.
const MOST_WAITING: usize = 4096;

fn add(shared: &Shared, waiting: &mut Waiting, request: Request) {
    // It may have come meanwhile.
    match shared.machine.sessions.contains(&request.id) {
        true => answer(shared, request),
        false => {
            let key = (request.id, request.scope);
            waiting.entry(key).or_default().push(request);
        }
    }
}

fn answer(shared: &Shared, request: Request) {
    let machine = &shared.machine;
    let is_there = machine.sessions.contains(&request.id);
    count(match is_there {
        true => &machine.counters.fetched,
        false => &machine.counters.fetch_missed,
    });
    let _ = request.answer.send(is_there);
}

/// Asks the store for some sessions, all at once.
async fn ask(
    shared: &Shared,
    connection: &mut Option<Box<dyn Connection>>,
    wanted: &[(SessionId, Scope)],
) -> Result<(), Option<StoreError>> {
    let connection = match connection {
        Some(connection) => connection,
        None => connection.insert(shared.connect(PATIENCE).await.ok_or(None)?),
    };
    let machine = &shared.machine;
    let (mut keys, mut of) = (Vec::new(), Vec::new());
    for (id, scope) in wanted {
        for (period, name) in machine.entry_names(id).unwrap_or_default() {
            keys.push(name);
            of.push((period, id, scope));
        }
    }
    let values = timeout(PATIENCE, connection.get(&keys)).await;
    let values = values.unwrap_or(Err(StoreError::Timeout))?;
    shared.is_up();
    for (value, (period, id, scope)) in values.into_iter().zip(of) {
        if let Some(value) = value {
            machine.receive_entry(period, (id, scope), &value);
        }
    }
    Ok(())
}
