//! The life of the process: start, serve, drain.

use std::future::Future;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rekindle::openssl::Resumption;
use tokio::net::TcpListener;
use tokio::signal::unix::Signal;
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;
use tracing::{info, warn};

use super::accept::{Frontend, LogLimits, Service};
use super::background::{self, Asker, Turn};
use super::context::ContextSettings;
use super::demo::{Demo, instructions};
use super::identity::{Identity, IdentityFiles};
use super::reload::Reloader;
use super::signals::{Shutdown, Signals, StopSignals};
use super::sockets;
use super::tls::TlsFront;
use super::tunnel::Tunnel;
use super::validity;
use crate::admin::{Admin, AdminListener, Metrics};
use crate::cli::{Address, KeysFrom, Settings, TicketSettings};
use crate::error::StartError;
use crate::key_source::{self, WatchedKeyFile};
use crate::sizing::ReuseEstimator;

/// The exit code after a second interrupt: the shell's number for SIGINT.
const INTERRUPTED: i32 = 130;

pub(crate) async fn run(settings: &Settings, tickets: &TicketSettings) -> Result<(), StartError> {
    // First of all, so that no SIGHUP or SIGTERM during the start is lost.
    let signals = Signals::install().map_err(StartError::Signals)?;
    let (ticket_keys, resumption) = resumption(settings, tickets)?;
    let reuse = ReuseEstimator::watch(&resumption, settings.session_timeout);
    let metrics = Arc::new(Metrics::new(&resumption, reuse));
    let (identity, files, service) = service(settings, &resumption, &metrics)?;
    validity::report(&identity, &metrics);
    let demo = matches!(service, Service::Demo(_));
    let context = ContextSettings {
        resumption: resumption.clone(),
        session_id_context: settings.session_id_context.clone(),
        groups: settings.tls.groups(),
        ciphers: settings.tls.ciphers(),
        cipher_suites: settings.tls.cipher_suites(),
        tickets_per_handshake: settings.tls.tickets_per_handshake.into(),
    };
    let tls = TlsFront::new(&identity, context, settings.handshake_timeout)?;
    let tls = Arc::new(tls);
    let reloader = Reloader {
        identity,
        files,
        ticket_keys,
        retried: Instant::now(),
        retry_error: None,
        tls: Arc::clone(&tls),
        metrics: Arc::clone(&metrics),
    };

    let (listener, listening) = bind("--listen", settings.listen()).await?;
    let admin = match &settings.admin {
        Some(address) => Some(bind("--admin", address).await?),
        None => None,
    };
    let max_connections = settings.max_connections as usize;
    let files_each = if demo { 1 } else { 2 };
    let budget = sockets::raise_open_files(max_connections, files_each)?;

    let shutdown = Shutdown::default();
    let connections = TaskTracker::new();
    let frontend = Frontend {
        tls,
        service,
        metrics: Arc::clone(&metrics),
        slots: Arc::new(Semaphore::new(budget.clients)),
        connections: connections.clone(),
        shutdown: shutdown.clone(),
        log_limits: LogLimits::default(),
    };

    let reload = spawn_reloader(reloader).map_err(StartError::Thread)?;
    tokio::spawn(forward(signals.reload, reload));
    // A sweep of the cache takes milliseconds, for which no worker of the runtime should stop.
    resumption.spawn_maintenance().map_err(StartError::Thread)?;
    let admin_at = admin.as_ref().map(|(_, address)| *address);
    if let Some((admin, _)) = admin {
        let drain = shutdown.drain.clone();
        let resumption = resumption.clone();
        let admin_service = Admin {
            metrics,
            drain,
            resumption,
            connections: budget.admin,
            upstreams: Box::new(|| (1, 1)),
        };
        let admin = AdminListener::new(admin).map_err(StartError::Admin)?;
        tokio::spawn(admin_service.run(admin));
    }
    let accepting = tokio::spawn(Arc::new(frontend).run(listener));
    announce(listening, admin_at, demo);

    let mut stop = signals.stop;
    let signal = stop.received().await;
    info!(
        signal,
        open = connections.len(),
        seconds = settings.drain_timeout.as_secs(),
        "draining"
    );
    shutdown.drain.cancel();
    // Once this has ended, the listener is closed and no connection can be added.
    let _ = accepting.await;
    connections.close();
    drain(&connections, &shutdown, settings.drain_timeout, &mut stop).await;
    Ok(())
}

/// The cache and the ring of ticket keys, with the file of the keys.
fn resumption(
    settings: &Settings,
    tickets: &TicketSettings,
) -> Result<(Option<WatchedKeyFile>, Resumption), StartError> {
    let (ring, source) = key_source::open(tickets)?;
    if !settings.stateless_tickets && !matches!(tickets.from, KeysFrom::Here) {
        warn!("ticket keys have no effect while --tickets is off");
    }
    let resumption = Resumption::builder()
        .keep_sessions(true)
        .sessions(settings.sessions as usize)
        .session_storage(settings.session_storage)
        .session_timeout(settings.session_timeout)
        .full_handshake_max_age(settings.full_handshake_max_age)
        .stateless_tickets(settings.stateless_tickets)
        .ticket_ring(Arc::new(ring))
        .build()?;
    Ok((source, resumption))
}

/// The certificate, its files, and what answers the decrypted bytes.
fn service(
    settings: &Settings,
    resumption: &Resumption,
    metrics: &Arc<Metrics>,
) -> Result<(Identity, Option<IdentityFiles>, Service), StartError> {
    let Some((upstream, files)) = settings.proxy() else {
        let demo = Service::Demo(Demo(resumption.clone()));
        return Ok((Identity::self_signed()?, None, demo));
    };
    let tunnel = Service::Tunnel(Tunnel::new(upstream, Arc::clone(metrics)));
    Ok((Identity::load(&files)?, Some(files), tunnel))
}

/// A listener, and its address with the port that was chosen.
async fn bind(
    flag: &'static str,
    address: &Address,
) -> Result<(TcpListener, SocketAddr), StartError> {
    let bound = TcpListener::bind(address.as_str()).await;
    let bound = bound.and_then(|listener| {
        let local = listener.local_addr()?;
        Ok((listener, local))
    });
    bound.map_err(|source| StartError::Bind {
        flag,
        address: address.as_str().into(),
        source,
    })
}

/// Tells scripts and operators the addresses. Standard output may be closed.
fn announce(listening: SocketAddr, admin: Option<SocketAddr>, demo: bool) {
    let mut out = io::stdout().lock();
    let (version, openssl) = (env!("CARGO_PKG_VERSION"), openssl::version::version());
    let _ = writeln!(out, "rekindle-terminator {version}, {openssl}");
    if let Some(admin) = admin {
        let _ = writeln!(out, "admin on {admin}");
    }
    let _ = writeln!(out, "listening on {listening}");
    if demo {
        let _ = writeln!(out, "{}", instructions(listening, admin));
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

async fn drain(
    connections: &TaskTracker,
    shutdown: &Shutdown,
    limit: Duration,
    stop: &mut StopSignals,
) {
    let finished = tokio::time::timeout(limit, connections.wait());
    let finished = or_exit(finished, stop).await;
    if finished.is_err() {
        warn!(
            open = connections.len(),
            "drain timeout: cutting the connections that are left"
        );
        shutdown.abort.cancel();
        or_exit(connections.wait(), stop).await;
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
