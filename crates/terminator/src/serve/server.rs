//! The life of the process: start, serve, drain.

use std::future::Future;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use rekindle::openssl::{EarlyData, Resumption};
use tokio::net::TcpListener;
use tokio::signal::unix::Signal;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::background::{self, Asker, Turn};
use super::demo::instructions;
use super::frontend::{Frontend, LogLimits};
use super::listeners::bind_all;
use super::parts::Parts;
use super::reload::Reloader;
use super::signals::{Signals, StopSignals};
use super::sockets;
use super::upstream::Upstreams;
use super::worker::{Runtimes, Workers};
use crate::admin::{Admin, AdminListener, Metrics};
use crate::cli::{Address, Configuration, KeysFrom, Settings, TicketSettings};
use crate::error::RunError;
use crate::key_source::{self, WatchedKeyFile};
use crate::sizing::ReuseEstimator;

/// The exit code after a second interrupt: the shell's number for SIGINT.
const INTERRUPTED: i32 = 130;

pub(crate) async fn run(
    configuration: Configuration,
    settings: Settings,
    tickets: &TicketSettings,
) -> Result<(), RunError> {
    // First of all, so that no SIGHUP or SIGTERM during the start is lost.
    let signals = Signals::install().map_err(RunError::Signals)?;
    let (ticket_keys, resumption) = resumption(&settings, tickets)?;
    let reuse = ReuseEstimator::watch(&resumption, settings.session_timeout);
    let proxy = settings.proxy();
    let upstreams = proxy.map(|proxy| proxy.upstreams).unwrap_or_default();
    let upstreams = Arc::new(Upstreams::new(upstreams));
    let metrics = Arc::new(Metrics::new(&resumption, reuse, Arc::clone(&upstreams)));
    let parts = Parts::load(&settings)?;
    parts.report(&metrics);
    let live = parts.live(&settings, &resumption, &upstreams, upstreams.in_use())?;

    let workers = settings.threads.map_or_else(cores, usize::from);
    let (listeners, listening) = bind_all(settings.listen(), settings.backlog, workers)?;
    let admin = match &settings.admin {
        Some(address) => Some(bind("--admin", address).await?),
        None => None,
    };
    let is_demo = settings.proxy().is_none();
    let max_connections = settings.max_connections as usize;
    let runtimes = Runtimes::new(listeners.len()).map_err(RunError::Runtime)?;
    // Counts what is open now.
    let files_each = if is_demo { 1 } else { 2 };
    let budget = sockets::raise_open_files(max_connections, files_each)?;

    let drain = CancellationToken::new();
    let frontend = Arc::new(Frontend {
        live: ArcSwap::from_pointee(live),
        metrics: Arc::clone(&metrics),
        max_connections: budget.clients,
        drain: drain.clone(),
        log_limits: LogLimits::default(),
    });
    let reloader = Reloader {
        configuration,
        settings,
        parts,
        upstreams: Arc::clone(&upstreams),
        ticket_keys,
        retried: Instant::now(),
        retry_error: None,
        resumption: resumption.clone(),
        frontend: Arc::clone(&frontend),
    };
    let reload = spawn_reloader(reloader).map_err(RunError::Thread)?;
    tokio::spawn(forward(signals.reload, reload));
    // A sweep of the cache takes milliseconds, for which no worker should stop.
    resumption.spawn_maintenance().map_err(RunError::Thread)?;
    let admin_at = admin.as_ref().map(|(_, address)| *address);
    if let Some((admin, _)) = admin {
        let admin_service = Admin {
            metrics: Arc::clone(&metrics),
            drain: drain.clone(),
            resumption,
            connections: budget.admin,
            upstreams: Box::new(move || (upstreams.healthy(), upstreams.total())),
        };
        let admin = AdminListener::new(admin).map_err(RunError::Admin)?;
        tokio::spawn(admin_service.run(admin));
    }
    let mut workers = Workers::spawn(runtimes, listeners, &frontend).map_err(RunError::Thread)?;
    announce(&listening, admin_at, is_demo);

    let mut stop = signals.stop;
    let (signal, failure) = tokio::select! {
        signal = stop.received() => (signal, Ok(())),
        error = workers.failed() => ("a worker has failed", Err(error.into())),
    };
    let drain_timeout = frontend.live.load().drain_timeout;
    let seconds = drain_timeout.as_secs();
    info!(signal, open = metrics.active(), seconds, "draining");
    drain.cancel();
    end(&mut workers, &metrics, drain_timeout, &mut stop).await;
    failure
}

fn cores() -> usize {
    available_parallelism().map_or(1, usize::from)
}

/// The cache and the ring of ticket keys, with the file of the keys.
fn resumption(
    settings: &Settings,
    tickets: &TicketSettings,
) -> Result<(Option<WatchedKeyFile>, Resumption), RunError> {
    let (ring, source) = key_source::open(tickets)?;
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

/// Tells scripts and operators the addresses. Standard output may be closed.
fn announce(listening: &[SocketAddr], admin: Option<SocketAddr>, demo: bool) {
    let mut out = io::stdout().lock();
    let (version, openssl) = (env!("CARGO_PKG_VERSION"), openssl::version::version());
    let _ = writeln!(out, "rekindle-terminator {version}, {openssl}");
    if let Some(admin) = admin {
        let _ = writeln!(out, "admin on {admin}");
    }
    for address in listening {
        let _ = writeln!(out, "listening on {address}");
    }
    if demo {
        let _ = writeln!(out, "{}", instructions(listening[0], admin));
    }
    let _ = out.flush();
}

/// Reloads when it is asked to, and looks at the files of ticket keys once a second.
fn spawn_reloader(mut reloader: Reloader) -> io::Result<Asker> {
    background::spawn("reload", move |turn| match turn {
        Turn::Asked => reloader.reload(),
        Turn::Tick => reloader.look_at_ticket_keys(),
    })
}

/// Tells a background thread of each signal.
async fn forward(mut signal: Signal, asker: Asker) {
    while signal.recv().await.is_some() && asker.ask() {}
}

/// Waits for the connections to end, and cuts those that take too long.
async fn end(workers: &mut Workers, metrics: &Metrics, limit: Duration, stop: &mut StopSignals) {
    let finished = tokio::time::timeout(limit, workers.ended());
    let finished = or_exit(finished, stop).await;
    if finished.is_err() {
        warn!(
            open = metrics.active(),
            "drain timeout: cutting the connections that are left"
        );
        workers.abort();
        or_exit(workers.ended(), stop).await;
    }
    info!("drained");
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
