//! Fetches sessions that clients name and that are not here.

use std::collections::HashMap;
use std::time::Duration;

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

/// How long after each question the store is asked again: another machine may have made the session
/// just now.
const AGAIN: [Duration; 4] = [
    Duration::from_millis(2),
    Duration::from_millis(4),
    Duration::from_millis(6),
    Duration::from_millis(6),
];

/// Sessions that are waited for.
const MOST_WAITING: usize = 4096;

/// Sessions that are waited for, and by whom.
type Waiting = HashMap<(SessionId, Scope), Wanted, RandomState>;

struct Wanted {
    requests: Vec<Request>,
    asked: usize,
    next: Instant,
}

/// Answers requests until there are none to come.
pub(crate) async fn fetch(shared: &Shared, requests: &mut Requests) {
    let mut connection = None;
    let mut waiting = Waiting::default();
    loop {
        let now = Instant::now();
        let due = waiting.iter().filter(|(_, wanted)| wanted.next <= now);
        let due: Vec<_> = due.map(|(key, _)| *key).collect();
        if due.is_empty() {
            if !more(shared, &mut waiting, requests).await {
                return;
            }
            continue;
        }
        let asked = ask(shared, &mut connection, &due);
        let answered = while_asking(shared, asked, &mut waiting, requests).await;
        let has_answered = answered.is_ok();
        match answered {
            Ok(()) => shared.breaker.answered(),
            Err(error) => {
                connection = None;
                shared.breaker.failed();
                shared.is_down(error);
            }
        }
        for key in &due {
            settle(shared, &mut waiting, key, has_answered);
        }
    }
}

/// Waits for a request, or for the time of one. Whether there may be more.
async fn more(shared: &Shared, waiting: &mut Waiting, requests: &mut Requests) -> bool {
    let next = waiting.values().map(|wanted| wanted.next);
    let next = next.chain(deadlines(waiting)).min();
    tokio::select! {
        biased;
        request = requests.recv() => match request {
            Some(request) => add(shared, waiting, request),
            None => return false,
        },
        () = until(next) => give_up_late(shared, waiting),
    }
    while let Ok(request) = requests.try_recv() {
        add(shared, waiting, request);
    }
    true
}

/// Lets requests for the same sessions join, and answers those that have waited long enough.
async fn while_asking(
    shared: &Shared,
    asked: impl Future<Output = Result<(), StoreError>>,
    waiting: &mut Waiting,
    requests: &mut Requests,
) -> Result<(), StoreError> {
    let mut asked = std::pin::pin!(asked);
    loop {
        let next = deadlines(waiting).min();
        tokio::select! {
            biased;
            answered = &mut asked => return answered,
            Some(request) = requests.recv() => add(shared, waiting, request),
            () = until(next) => give_up_late(shared, waiting),
        }
    }
}

fn deadlines(waiting: &Waiting) -> impl Iterator<Item = Instant> {
    let requests = waiting.values().flat_map(|wanted| &wanted.requests);
    requests.map(|request| request.deadline)
}

async fn until(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time).await,
        None => std::future::pending().await,
    }
}

fn add(shared: &Shared, waiting: &mut Waiting, request: Request) {
    let key = (request.id, request.scope);
    // It may have come meanwhile.
    let is_there = shared.machine.sessions.contains(&request.id);
    if is_there || (waiting.len() >= MOST_WAITING && !waiting.contains_key(&key)) {
        return answer(shared, request);
    }
    let wanted = waiting.entry(key).or_insert_with(|| Wanted {
        requests: Vec::new(),
        asked: 0,
        next: Instant::now(),
    });
    wanted.requests.push(request);
}

fn give_up_late(shared: &Shared, waiting: &mut Waiting) {
    let now = Instant::now();
    waiting.retain(|_, wanted| {
        let is_late = |request: &mut Request| request.deadline <= now;
        for request in wanted.requests.extract_if(.., is_late) {
            count(&shared.machine.counters.fetch_timeouts);
            // What the store has answered was not there: that is not its fault.
            if wanted.asked == 0 {
                shared.breaker.failed();
            }
            let _ = request.answer.send(false);
        }
        !wanted.requests.is_empty()
    });
}

/// The store was asked: answers those who wait, or has it asked again.
fn settle(shared: &Shared, waiting: &mut Waiting, key: &(SessionId, Scope), has_answered: bool) {
    let Some(wanted) = waiting.get_mut(key) else {
        return;
    };
    let again = AGAIN.get(wanted.asked).filter(|_| has_answered);
    wanted.asked += 1;
    match again {
        Some(again) if !shared.machine.sessions.contains(&key.0) => {
            wanted.next = Instant::now() + *again;
        }
        _ => {
            let wanted = waiting.remove(key);
            let requests = wanted.into_iter().flat_map(|wanted| wanted.requests);
            requests.for_each(|request| answer(shared, request));
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
) -> Result<(), StoreError> {
    let connection = shared.connected(connection).await?;
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
