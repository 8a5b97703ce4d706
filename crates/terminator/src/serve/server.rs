//! The life of the process: start, serve, drain.

use std::env;
use std::future::Future;
use std::io::{self, Write};
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::Path;
use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::Instant;

use rekindle::openssl::{EarlyData, InheritedState, Resumption};
use rekindle::tickets::InheritedRing;
use tokio::net::TcpListener;
use tokio::signal::unix::Signal;
use tokio::sync::mpsc;
use tracing::{error, info, warn};

use super::background::{self, Asker, Turn};
use super::demo::instructions;
use super::fleet::SharedFleet;
use super::frontend::Frontend;
use super::listeners::{Listeners, bind_all};
use super::parts::Parts;
use super::reload::Reloader;
use super::signals::{Signals, StopSignals};
use super::sockets;
use super::upstream::Upstreams;
use super::watchdog::Watchdog;
use super::worker::{Runtimes, Workers};
use crate::admin::{Admin, AdminListener, Metrics, Observed, WriteAccess};
use crate::cli::{Address, Configuration, KeysFrom, Settings, TicketSettings};
use crate::error::RunError;
use crate::handover::{
    AcceptingState, GivenSocket, Inheritance, Predecessor, Purpose, Rendezvous, Sockets,
    start_successor,
};
use crate::key_source::{self, WatchedKeyFile};
use crate::sizing::ReuseEstimator;
use crate::systemd;

/// The exit code after a second interrupt: the shell's number for SIGINT.
const INTERRUPTED: i32 = 130;

pub(crate) async fn run(
    configuration: Configuration,
    settings: Settings,
    tickets: &TicketSettings,
    of_systemd: Vec<GivenSocket>,
) -> Result<(), RunError> {
    // Replaced by a package, it is the new program that a successor runs.
    let program = env::current_exe();
    // First of all, so that no SIGHUP or SIGTERM during the start is lost.
    let mut signals = Signals::install().map_err(RunError::Signals)?;
    let inheritance = Inheritance::find(settings.handover.as_deref(), settings.sessions)?;
    let (mut given, keys, rest) = match inheritance {
        Some(Inheritance {
            sockets,
            ring,
            state,
            rest,
        }) => (sockets, Some((ring, state)), Some(rest)),
        None => (Vec::new(), None, None),
    };
    given.extend(of_systemd);
    let (ticket_keys, resumption) = resumption(&settings, tickets, keys)?;
    let fleet = SharedFleet::start(&settings, &resumption)?;
    let rendezvous = settings.handover.as_deref().map(rendezvous).transpose()?;
    let start = Server::start(
        configuration,
        settings,
        ticket_keys,
        (resumption.clone(), fleet.clone()),
        given,
    );
    let Server {
        mut workers,
        frontend,
        sockets,
        reload,
        announcement,
    } = start.await?;
    workers.listening().await?;
    let taken_over = match rest {
        Some(mut rest) => {
            rest.take_sessions(&resumption)?;
            // Nothing may fail from here on.
            Some(rest.take_over(&resumption)?)
        }
        None => None,
    };
    frontend.accepting.set(AcceptingState::Open);
    let (done, mut handed_over) = mpsc::channel(1);
    let predecessor = Predecessor {
        resumption,
        accepting: Arc::clone(&frontend.accepting),
        sockets: Arc::clone(&sockets),
        done,
    };
    if let Some(rendezvous) = rendezvous {
        rendezvous.open(predecessor.clone());
    }
    announcement.make();
    if let Some(taken_over) = taken_over {
        taken_over.wait();
        // A SIGHUP that came while this process got ready was the other one's.
        reload.ask();
    }
    systemd::ready();
    tokio::spawn(forward(signals.reload, reload));

    let (why, ended) = loop {
        tokio::select! {
            signal = signals.stop.received() => break (signal, Ok(())),
            error = workers.failed() => break ("a worker has failed", Err(error.into())),
            Some(()) = handed_over.recv() => break ("a successor serves", Ok(())),
            Some(()) = signals.successor.recv() => match &program {
                Ok(program) => start_successor(predecessor.clone(), program),
                Err(error) => error!(%error, "cannot tell this program's file"),
            },
        }
    };
    let stop = &mut signals.stop;
    drain(why, &mut workers, &frontend, &sockets, stop).await;
    if let Some(fleet) = fleet {
        or_exit(fleet.close(), stop).await;
    }
    ended
}

/// Accepts no more, waits for the connections that are open, and cuts those that take too long.
async fn drain(
    because: &str,
    workers: &mut Workers,
    frontend: &Frontend,
    sockets: &Sockets,
    stop: &mut StopSignals,
) {
    let drain_timeout = frontend.live.load().drain_timeout;
    let (open, seconds) = (frontend.metrics.active(), drain_timeout.as_secs());
    info!(because, open, seconds, "draining");
    if frontend.accepting.drain() {
        systemd::stopping();
    }
    sockets.close();
    frontend.drain.cancel();
    let finished = tokio::time::timeout(drain_timeout, workers.ended());
    let finished = or_exit(finished, stop).await;
    if finished.is_err() {
        warn!(
            open = frontend.metrics.active(),
            "drain timeout: cutting the connections that are left"
        );
        workers.abort();
        or_exit(workers.ended(), stop).await;
    }
    info!("drained");
}

/// What serves, once it may accept.
struct Server {
    workers: Workers,
    frontend: Arc<Frontend>,
    sockets: Arc<Sockets>,
    reload: Asker,
    announcement: Announcement,
}

impl Server {
    /// Everything that can fail.
    async fn start(
        configuration: Configuration,
        settings: Settings,
        ticket_keys: Option<WatchedKeyFile>,
        (resumption, fleet): (Resumption, Option<SharedFleet>),
        given: Vec<GivenSocket>,
    ) -> Result<Self, RunError> {
        let observed = observe(&settings, &resumption, fleet.clone());
        let (metrics, upstreams) = (&observed.metrics, &observed.upstreams);
        let write = settings.admin_write().map(WriteAccess::load).transpose()?;
        let (hosts, write) = (settings.admin_hosts(), write.map(Arc::new));
        let (of_admin, given) = given
            .into_iter()
            .partition(|given| matches!(given.purpose, Purpose::Admin(_)));
        let admin = admin_listener(&settings, of_admin).await?;
        let admin_at = admin.as_ref().map(|(_, address)| *address);
        let parts = Parts::load(&settings, admin_at)?;
        parts.report(metrics);
        let sessions = (&resumption, fleet.as_ref());
        let live = parts.live(&settings, sessions, upstreams, upstreams.in_use())?;
        if let Some(fleet) = &fleet {
            fleet.set_scopes(live.sites.scopes());
        }

        let workers = settings.threads.map_or_else(cores, usize::from);
        let listeners = bind_all(settings.listen(), settings.backlog, workers, given)?;
        let sockets = for_a_successor(&listeners, admin.as_ref(), settings.admin.as_ref())?;
        let is_demo = settings.proxy().is_none();
        let max_connections = settings.max_connections as usize;
        let runtimes = Runtimes::new(workers).map_err(RunError::Runtime)?;
        // Counts what is open now.
        let files_each = if is_demo { 1 } else { 2 };
        let budget = sockets::raise_open_files(max_connections, files_each)?;

        let paused = AcceptingState::Paused;
        let frontend = Frontend::new(live, Arc::clone(metrics), budget.clients, paused);
        let announcement = Announcement {
            listening: listeners.bound.iter().map(|(_, local)| *local).collect(),
            admin: admin_at,
            is_demo,
        };
        let reloader = Reloader {
            configuration,
            settings,
            parts,
            upstreams: Arc::clone(upstreams),
            ticket_keys,
            admin_write: write.clone(),
            retried: Instant::now(),
            retry_error: None,
            resumption: resumption.clone(),
            fleet,
            frontend: Arc::clone(&frontend),
        };
        let reload = spawn_reloader(reloader).map_err(RunError::Thread)?;
        if let Some((admin, _)) = admin {
            let admin_service = Admin {
                observed,
                drain: frontend.drain.clone(),
                accepting: Arc::clone(&frontend.accepting),
                connections: budget.admin,
                hosts,
                write,
            };
            let admin = AdminListener::new(admin).map_err(RunError::Admin)?;
            tokio::spawn(admin_service.run(admin));
        }
        // A sweep of the cache takes milliseconds, for which no worker should stop.
        resumption.spawn_maintenance().map_err(RunError::Thread)?;
        let watchdog = Watchdog::start(workers);
        let workers = Workers::spawn(runtimes, listeners.groups, &frontend, watchdog);
        Ok(Self {
            workers: workers.map_err(RunError::Thread)?,
            frontend,
            sockets,
            reload,
            announcement,
        })
    }
}

/// What a successor is given.
fn for_a_successor(
    listeners: &Listeners,
    admin: Option<&(TcpListener, SocketAddr)>,
    address: Option<&Address>,
) -> Result<Arc<Sockets>, RunError> {
    let sockets = Arc::new(Sockets::default());
    listeners.share(&sockets).map_err(RunError::Descriptors)?;
    if let Some((admin, _)) = admin {
        let text = address.map(|address| address.as_str().into());
        let shared = sockets.add(Purpose::Admin(text), admin);
        shared.map_err(RunError::Descriptors)?;
    }
    Ok(sockets)
}

/// What the admin address shows.
fn observe(settings: &Settings, resumption: &Resumption, fleet: Option<SharedFleet>) -> Observed {
    let reuse = ReuseEstimator::watch(resumption, settings.session_timeout);
    let proxy = settings.proxy();
    let upstreams = proxy.map(|proxy| proxy.upstreams).unwrap_or_default();
    let upstreams = Arc::new(Upstreams::new(upstreams));
    let of_upstreams = Arc::clone(&upstreams);
    let metrics = Metrics::new(resumption, Arc::clone(&reuse), of_upstreams, fleet.as_ref());
    Observed {
        metrics: Arc::new(metrics),
        resumption: resumption.clone(),
        reuse,
        upstreams,
        fleet,
    }
}

fn rendezvous(path: &Path) -> Result<Rendezvous, RunError> {
    Rendezvous::new(path).map_err(|source| RunError::Handover {
        path: path.into(),
        source,
    })
}

/// The admin address's listener, and its address with the port that was chosen: the one that was
/// given if it is for the same address, or systemd's.
async fn admin_listener(
    settings: &Settings,
    given: Vec<GivenSocket>,
) -> Result<Option<(TcpListener, SocketAddr)>, RunError> {
    let Some(address) = &settings.admin else {
        return Ok(None);
    };
    for GivenSocket { purpose, socket } in given {
        let Purpose::Admin(text) = purpose else {
            continue;
        };
        let adopt = || {
            let socket = std::net::TcpListener::from(socket);
            socket.set_nonblocking(true)?;
            let local = socket.local_addr()?;
            let is_same = text.is_none_or(|text| text == address.as_str())
                || (address.as_str().to_socket_addrs()?).any(|address| address == local);
            match is_same {
                true => Ok(Some((TcpListener::from_std(socket)?, local))),
                false => Ok(None),
            }
        };
        if let Some(adopted) = adopt().map_err(RunError::Admin)? {
            return Ok(Some(adopted));
        }
    }
    bind("--admin", address).await.map(Some)
}

fn cores() -> usize {
    available_parallelism().map_or(1, usize::from)
}

/// The cache and the ring of ticket keys, with the file of the keys; of what another process has
/// handed over, if one has.
fn resumption(
    settings: &Settings,
    tickets: &TicketSettings,
    inherited: Option<(InheritedRing, InheritedState)>,
) -> Result<(Option<WatchedKeyFile>, Resumption), RunError> {
    let (ring, state) = inherited.unzip();
    let (ring, source) = key_source::open(tickets, ring)?;
    if !settings.stateless_tickets && !matches!(tickets.from, KeysFrom::Here) {
        warn!("ticket keys have no effect while --tickets is off");
    }
    let mut resumption = Resumption::builder()
        .keep_sessions(true)
        .sessions(settings.sessions as usize)
        .session_storage(settings.session_storage)
        .session_timeout(settings.session_timeout)
        .full_handshake_max_age(settings.full_handshake_max_age)
        .stateless_tickets(settings.stateless_tickets)
        .ticket_ring(Arc::new(ring));
    if let Some(bytes) = settings.tls.early_data {
        resumption = resumption.early_data(EarlyData::up_to(bytes));
    }
    if let Some(state) = state {
        resumption = resumption.inherit(state);
    }
    Ok((source, resumption.build()?))
}

/// A listener, and its address with the port that was chosen.
async fn bind(
    flag: &'static str,
    address: &Address,
) -> Result<(TcpListener, SocketAddr), RunError> {
    let bound = TcpListener::bind(address.as_str()).await;
    let bound = bound.and_then(|listener| {
        let local = listener.local_addr()?;
        Ok((listener, local))
    });
    bound.map_err(|source| RunError::Bind {
        flag,
        address: address.as_str().into(),
        source,
    })
}

/// The addresses, for scripts and operators.
struct Announcement {
    listening: Vec<SocketAddr>,
    admin: Option<SocketAddr>,
    is_demo: bool,
}

impl Announcement {
    /// Standard output may be closed.
    fn make(&self) {
        let mut out = io::stdout().lock();
        let (version, openssl) = (env!("CARGO_PKG_VERSION"), openssl::version::version());
        let _ = writeln!(out, "rekindle-terminator {version}, {openssl}");
        if let Some(admin) = self.admin {
            let _ = writeln!(out, "admin on {admin}");
        }
        for address in &self.listening {
            let _ = writeln!(out, "listening on {address}");
        }
        if self.is_demo {
            let _ = writeln!(out, "{}", instructions(self.listening[0], self.admin));
        }
        let _ = out.flush();
    }
}

/// Reloads when it is asked to, and looks at the files of ticket keys once a second.
fn spawn_reloader(mut reloader: Reloader) -> io::Result<Asker> {
    background::spawn("reload", move |turn| match turn {
        Turn::Asked => {
            systemd::reloading();
            reloader.reload();
            systemd::ready();
        }
        Turn::Tick => reloader.look_at_ticket_keys(),
    })
}

/// Tells a background thread of each signal.
async fn forward(mut signal: Signal, asker: Asker) {
    while signal.recv().await.is_some() && asker.ask() {}
}

/// A second SIGINT means now.
async fn or_exit<F: Future>(future: F, stop: &mut StopSignals) -> F::Output {
    tokio::select! {
        output = future => output,
        () = stop.interrupted() => {
            warn!("interrupted again: exit");
            std::process::exit(INTERRUPTED)
        }
    }
}
