//! What an embedder holds.

use std::fmt;
use std::future::Future;
use std::io;
use std::sync::{Arc, Mutex, PoisonError, mpsc as std_mpsc};
use std::thread;
use std::time::Duration;

use rekindle::SessionId;
use rekindle::resume::Scope;
use rekindle::tickets::TicketSecret;
use thiserror::Error;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use crate::counters::{FleetStats, count};
use crate::machine::{GROUPS, Machine};
use crate::outbox::Outbox;
use crate::queue::Queue;
use crate::schedule::{MOST_PERIODS, Schedule};
use crate::seal::Sealer;
use crate::sessions::Sessions;
use crate::sharing::Sharing;
use crate::store::Store;
use crate::tasks::{Request, Requests, Shared, backfill, fetch, follow, maintain, publish};

/// The longest that sessions may live: seven days, as TLS 1.3 allows (RFC 8446, section 4.6.1).
const MAX_LIFETIME: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// Requests that wait for the fleet's thread.
const REQUESTS: usize = 4096;

/// Shares the sessions of one `Resumption` with the other machines of a fleet, for as long as it
/// lives.
pub struct Fleet {
    shared: Arc<Shared>,
    requests: Option<mpsc::Sender<Request>>,
    deadline: Duration,
    ended: Mutex<std_mpsc::Receiver<()>>,
}

/// Configures a [`Fleet`].
#[derive(Debug)]
#[must_use]
pub struct FleetBuilder {
    secret: TicketSecret,
    store: Arc<dyn Store>,
    scopes: Vec<Scope>,
    session_lifetime: Duration,
    sharing: Sharing,
    queue: usize,
    tombstones: usize,
    join_rate: u32,
    fetch_deadline: Duration,
}

impl Fleet {
    /// A fleet of the machines that have this secret and meet in this store. The secret may be that
    /// of the ticket keys: other keys are derived from it.
    pub fn builder(secret: TicketSecret, store: impl Store) -> FleetBuilder {
        FleetBuilder {
            secret,
            store: Arc::new(store),
            scopes: Vec::new(),
            session_lifetime: Duration::from_secs(7200),
            sharing: Sharing::default(),
            queue: 16_384,
            tombstones: 262_144,
            join_rate: 10_000,
            fetch_deadline: Duration::from_millis(20),
        }
    }

    /// Looks in the store for a session that a client names and that is not in the cache, and puts
    /// it there: `true` if it is there now. Ready within the
    /// [deadline](FleetBuilder::fetch_deadline); at once if the session is here, if this fleet does
    /// not [fetch](Sharing), or if the store is away.
    ///
    /// One request serves all clients that name the same session. Any runtime will do.
    pub fn fetch(
        &self,
        id: &SessionId,
        scope: &Scope,
    ) -> impl Future<Output = bool> + Send + use<> {
        let answer = self.request(*id, *scope);
        async move {
            match answer {
                Ok(waits) => waits.await.unwrap_or(false),
                Err(is_here) => is_here,
            }
        }
    }

    pub(crate) fn request(
        &self,
        id: SessionId,
        scope: Scope,
    ) -> Result<oneshot::Receiver<bool>, bool> {
        if self.shared.machine.sessions.contains(&id) {
            return Err(true);
        }
        let requests = self.requests.as_ref().ok_or(false)?;
        if !self.shared.breaker.lets_through() {
            count(&self.shared.machine.counters.fetch_skipped);
            return Err(false);
        }
        let (answer, waits) = oneshot::channel();
        let request = Request {
            id,
            scope,
            deadline: Instant::now() + self.deadline,
            answer,
        };
        if requests.try_send(request).is_err() {
            count(&self.shared.machine.counters.fetch_skipped);
            return Err(false);
        }
        Ok(waits)
    }

    /// The scopes whose sessions this machine resumes from now on. Sessions of the others that it
    /// has got stay until they end.
    pub fn set_scopes(&self, scopes: impl IntoIterator<Item = Scope>) {
        let scopes: Arc<[Scope]> = scopes.into_iter().collect();
        self.shared.scopes.send_if_modified(|before| {
            let differ = **before != *scopes;
            if differ {
                *before = scopes;
            }
            differ
        });
    }

    /// Removes a session here and on every other machine. (A removal by
    /// [`Cache::remove`](rekindle::Cache::remove) is this machine's own; one by a handshake is told
    /// to all.)
    pub fn remove(&self, id: &SessionId, left: Duration) {
        let Shared { machine, queue, .. } = &*self.shared;
        queue.remove(&*machine.sessions, id, left);
    }

    /// What was shared so far.
    #[must_use]
    pub fn stats(&self) -> FleetStats {
        let mut stats = self.shared.machine.counters.stats();
        stats.waiting += self.shared.queue.len() as u64;
        stats
    }

    /// Ends the sharing once the store has what waits, but within `limit`.
    pub fn close(&self, limit: Duration) {
        self.shared.stop.ask();
        let ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        // An error says that the thread has ended.
        let _ = ended.recv_timeout(limit);
    }
}

/// Its thread ends soon; what waits may be lost. See [`close`](Fleet::close).
impl Drop for Fleet {
    fn drop(&mut self) {
        self.shared.stop.ask();
    }
}

impl FleetBuilder {
    /// The scopes whose sessions this machine resumes: [`Resumption::install`] returns them. It
    /// follows these only; [`Fleet::set_scopes`] changes them.
    ///
    /// [`Resumption::install`]: rekindle::openssl::Resumption::install
    pub fn scopes(mut self, scopes: impl IntoIterator<Item = Scope>) -> Self {
        self.scopes = scopes.into_iter().collect();
        self
    }

    /// How long sessions live at most, one second to seven days, by default two hours; the same on
    /// all machines. The store forgets them then.
    pub fn session_lifetime(mut self, lifetime: Duration) -> Self {
        self.session_lifetime = lifetime;
        self
    }

    /// How sessions reach other machines; the same on all machines.
    pub fn sharing(mut self, sharing: Sharing) -> Self {
        self.sharing = sharing;
        self
    }

    /// Sessions that may wait to be written, by default 16,384. Further ones are not shared.
    pub fn queue(mut self, sessions: usize) -> Self {
        self.queue = sessions;
        self
    }

    /// Removed sessions that are remembered until they would have ended, by default 262,144, of 64
    /// bytes each. If there are more, sessions are refused that were announced before the first of
    /// them was removed, and a minute after.
    pub fn tombstones(mut self, sessions: usize) -> Self {
        self.tombstones = sessions;
        self
    }

    /// Sessions a second that a machine reads at most that joins, or that was away; by default
    /// 10,000.
    pub fn join_rate(mut self, sessions: u32) -> Self {
        self.join_rate = sessions;
        self
    }

    /// How long a client may wait for [`Fleet::fetch`], by default 20 ms.
    pub fn fetch_deadline(mut self, deadline: Duration) -> Self {
        self.fetch_deadline = deadline;
        self
    }

    /// Whether it would start with these settings.
    ///
    /// # Errors
    ///
    /// [`FleetError`].
    pub fn check(&self) -> Result<(), FleetError> {
        self.schedule().map(drop)
    }

    fn schedule(&self) -> Result<Schedule, FleetError> {
        let lifetime = self.session_lifetime;
        if lifetime < Duration::from_secs(1) || lifetime > MAX_LIFETIME {
            return Err(FleetError::SessionLifetime(lifetime));
        }
        Schedule::new(self.secret.clone(), lifetime).ok_or(FleetError::Period)
    }

    /// Starts to share, on a thread of its own, `rekindle-fleet`. It needs no runtime, and does not
    /// survive `fork`.
    ///
    /// # Errors
    ///
    /// [`FleetError`].
    pub fn start(self, sessions: impl Sessions) -> Result<Fleet, FleetError> {
        let schedule = self.schedule()?;
        let sealer = Sealer::new().map_err(|error| FleetError::NoRandomness(error.into()))?;
        let machine = Machine::new(Box::new(sessions), schedule, sealer, self.tombstones);
        let queue = Queue::new(self.queue);
        let shared = Arc::new(Shared::new(
            (machine, queue, self.store),
            (self.sharing, self.scopes.into(), self.join_rate),
        ));
        let (requests, received) = match self.sharing.fetches() {
            true => {
                let (requests, received) = mpsc::channel(REQUESTS);
                (Some(requests), Some(received))
            }
            false => (None, None),
        };
        let outbox = Outbox::new(self.sharing, self.queue, self.tombstones);
        let (ends, ended) = std_mpsc::channel();
        let of_thread = Arc::clone(&shared);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(FleetError::Thread)?;
        let run = move || {
            // Dropped when the thread ends, however it does.
            let _ends: std_mpsc::Sender<()> = ends;
            runtime.block_on(run(&of_thread, outbox, received));
        };
        let name = "rekindle-fleet".to_owned();
        thread::Builder::new()
            .name(name)
            .spawn(run)
            .map_err(FleetError::Thread)?;
        // The watcher keeps no session and no connection alive.
        let of_watcher = Arc::downgrade(&shared);
        shared.machine.sessions.watch(Box::new(move |change| {
            if let Some(shared) = of_watcher.upgrade() {
                shared.queue.push(change, &shared.machine.counters);
            }
        }));
        Ok(Fleet {
            shared,
            requests,
            deadline: self.fetch_deadline,
            ended: Mutex::new(ended),
        })
    }
}

/// All that the fleet's thread does.
async fn run(shared: &Shared, mut outbox: Outbox, requests: Option<Requests>) {
    let follow_all = async {
        match shared.store.is_split() {
            true => {
                let follow = |group| follow(shared, Some(group));
                tokio::join!(follow(0), follow(1), follow(2), follow(3));
            }
            false => follow(shared, None).await,
        }
    };
    let fetch_all = async {
        if let Some(mut requests) = requests {
            fetch(shared, &mut requests).await;
        }
        // The last of those who ask is gone.
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = publish(shared, &mut outbox) => {}
        () = follow_all => {}
        () = backfill(shared) => {}
        () = maintain(shared) => {}
        () = fetch_all => {}
    }
}

const _: () = assert!(GROUPS == 4, "as many as are followed");

/// Why a machine cannot share.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum FleetError {
    /// A lifetime of sessions below one second, or above seven days.
    #[error("a session lifetime of {0:?}: it must be one second to seven days")]
    SessionLifetime(Duration),
    /// The secret's period is too short for the lifetime of sessions.
    #[error(
        "the period of the secret is too short for the lifetime of sessions: these could end in \
         more than {MOST_PERIODS} periods"
    )]
    Period,
    /// The operating system gives no random bytes.
    #[error("the operating system gives no random bytes")]
    NoRandomness(#[source] io::Error),
    /// The operating system gives no thread.
    #[error("cannot start a thread: {0}")]
    Thread(#[source] io::Error),
}

impl fmt::Debug for Fleet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fleet")
            .field("store", &self.shared.store)
            .field("sharing", &self.shared.sharing)
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}
