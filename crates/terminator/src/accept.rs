//! Takes connections, bounds their number, runs the handshake, and hands each to the service behind.

use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Duration;

use openssl::ssl::SslRef;
use rekindle::openssl::{ResumedBy, Resumption};
use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, warn};

use crate::demo::Demo;
use crate::metrics::Metrics;
use crate::tls::{TlsFront, TlsStream};
use crate::tunnel::Tunnel;

/// A peer that vanished without a word is noticed after about two minutes, and its slot is free again.
const KEEPALIVE: TcpKeepalive = TcpKeepalive::new()
    .with_time(Duration::from_secs(60))
    .with_interval(Duration::from_secs(15))
    .with_retries(4);

const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Everything that a connection needs. There is one for the whole process.
#[derive(Debug)]
pub(crate) struct Frontend {
    pub(crate) tls: Arc<TlsFront>,
    pub(crate) service: Service,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) slots: Arc<Semaphore>,
    pub(crate) connections: TaskTracker,
    pub(crate) lifecycle: Lifecycle,
}

/// Who answers the decrypted bytes.
#[derive(Debug)]
pub(crate) enum Service {
    Tunnel(Tunnel),
    Demo(Demo),
}

/// How far the process is on its way to the end.
#[derive(Debug, Clone, Default)]
pub(crate) struct Lifecycle {
    /// No new connections, open ones finish what they do.
    pub(crate) drain: CancellationToken,
    /// Open connections are cut.
    pub(crate) abort: CancellationToken,
}

impl Frontend {
    /// Accepts until the drain begins, then closes the listener.
    pub(crate) async fn run(self: Arc<Self>, listener: TcpListener) {
        // Once here rather than on each connection: Linux hands them down.
        if let Err(error) = prepare(&listener) {
            warn!(%error, "cannot set socket options");
        }
        let mut pause = FIRST_PAUSE;
        loop {
            let accepted = tokio::select! {
                biased;
                () = self.lifecycle.drain.cancelled() => return,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((tcp, peer)) => {
                    pause = FIRST_PAUSE;
                    self.admit(tcp, peer);
                }
                Err(error) if concerns_one_connection(&error) => {
                    debug!(%error, "connection lost before accept")
                }
                Err(error) => {
                    // Out of files or memory: trying again at once would only burn the processor.
                    self.metrics.accept_errors.inc();
                    warn!(%error, pause_ms = pause.as_millis() as u64, "cannot accept connections");
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
        }
    }

    fn admit(self: &Arc<Self>, tcp: TcpStream, peer: SocketAddr) {
        let Ok(slot) = Arc::clone(&self.slots).try_acquire_owned() else {
            self.metrics.connections_refused.inc();
            debug!(%peer, "refused: --max-connections reached");
            return;
        };
        self.metrics.connections_accepted.inc();
        self.connections
            .spawn(Arc::clone(self).serve(tcp, peer, slot));
    }

    async fn serve(self: Arc<Self>, tcp: TcpStream, peer: SocketAddr, _slot: OwnedSemaphorePermit) {
        let _active = self.metrics.active();
        let handshake = tokio::select! {
            handshake = self.tls.accept(tcp) => handshake,
            () = self.lifecycle.abort.cancelled() => return,
        };
        let stream = match handshake {
            Ok(stream) => stream,
            Err(error) => {
                self.metrics.handshake_failed(&error);
                debug!(%peer, %error, "handshake failed");
                return;
            }
        };
        let resumed = Resumption::resumed_by(stream.ssl());
        self.metrics
            .handshake_done(stream.ssl().version_str(), kind(resumed));
        trace_handshake(peer, stream.ssl(), resumed);
        self.hand_over(stream, peer, resumed).await;
    }

    async fn hand_over(&self, stream: TlsStream, peer: SocketAddr, resumed: Option<ResumedBy>) {
        let outcome = match &self.service {
            Service::Tunnel(tunnel) => tunnel
                .serve(stream, &self.lifecycle.abort)
                .await
                .map_err(|e| e.to_string()),
            Service::Demo(demo) => demo
                .serve(stream, resumed, &self.lifecycle)
                .await
                .map_err(|e| e.to_string()),
        };
        match outcome {
            Ok(()) => debug!(%peer, "connection finished"),
            Err(error) => debug!(%peer, error, "connection broken off"),
        }
    }
}

/// How a handshake went, as the metrics and the demo name it.
pub(crate) fn kind(resumed: Option<ResumedBy>) -> &'static str {
    resumed.map_or("full", ResumedBy::name)
}

/// What both sides of a proxied connection want from TCP: no waiting for more to send, and notice when the peer is gone.
/// On a listener, what it accepts has it from the start.
pub(crate) fn prepare(socket: &impl AsFd) -> io::Result<()> {
    let socket = SockRef::from(socket);
    socket.set_tcp_nodelay(true)?;
    socket.set_tcp_keepalive(&KEEPALIVE)
}

fn trace_handshake(peer: SocketAddr, ssl: &SslRef, resumed: Option<ResumedBy>) {
    debug!(%peer, protocol = ssl.version_str(), kind = kind(resumed), "handshake done");
}

/// The peer went away between its SYN and our accept. Nothing is wrong with us.
fn concerns_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::Interrupted
    )
}
