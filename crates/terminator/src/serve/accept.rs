//! Takes connections, bounds their number, runs the handshake, and hands each to a service.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rekindle::openssl::{ResumedBy, Resumption};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::task::TaskTracker;
use tracing::{debug, warn};

use super::demo::Demo;
use super::signals::Shutdown;
use super::sockets;
use super::tls::{HandshakeError, TlsFront, TlsStream, handshake_kind};
use super::tunnel::Tunnel;
use crate::admin::Metrics;
use crate::log_limit::LogLimit;

const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Everything that connections share.
#[derive(Debug)]
pub(crate) struct Frontend {
    pub(crate) tls: Arc<TlsFront>,
    pub(crate) service: Service,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) slots: Arc<Semaphore>,
    pub(crate) connections: TaskTracker,
    pub(crate) shutdown: Shutdown,
    pub(crate) log_limits: LogLimits,
}

/// For events that an operator has to know of, and that may come with every connection.
#[derive(Debug, Default)]
pub(crate) struct LogLimits {
    refused: LogLimit,
    accept_errors: LogLimit,
    setup_failures: LogLimit,
}

/// What answers the decrypted bytes.
#[derive(Debug)]
pub(crate) enum Service {
    Tunnel(Tunnel),
    Demo(Demo),
}

impl Frontend {
    /// Accepts until the drain begins, then closes the listener.
    pub(crate) async fn run(self: Arc<Self>, listener: TcpListener) {
        // Once here and not for each connection: Linux copies the options to them.
        if let Err(error) = sockets::set_options(&listener) {
            warn!(%error, "cannot set socket options");
        }
        let mut pause = FIRST_PAUSE;
        loop {
            let accepted = tokio::select! {
                biased;
                () = self.shutdown.drain.cancelled() => return,
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
                    // Out of file descriptors or memory: an immediate retry would only burn
                    // processor time.
                    self.metrics.accept_errors.inc();
                    let pause_ms = pause.as_millis() as u64;
                    match self.log_limits.accept_errors.admit() {
                        Some(suppressed) => {
                            warn!(%error, suppressed, pause_ms, "cannot accept connections")
                        }
                        None => debug!(%error, pause_ms, "cannot accept connections"),
                    }
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
        }
    }

    fn admit(self: &Arc<Self>, tcp: TcpStream, peer: SocketAddr) {
        let Ok(slot) = Arc::clone(&self.slots).try_acquire_owned() else {
            self.metrics.connections_refused.inc();
            match self.log_limits.refused.admit() {
                Some(suppressed) => {
                    warn!(%peer, suppressed, "connection refused: --max-connections is reached")
                }
                None => debug!(%peer, "connection refused: --max-connections is reached"),
            }
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
            () = self.shutdown.abort.cancelled() => return,
        };
        let stream = match handshake {
            Ok(stream) => stream,
            Err(error) => {
                self.metrics.handshake_failed(&error);
                // Other failures are the peer's. Scanners and health checks cause them all day.
                if matches!(error, HandshakeError::Setup(_))
                    && let Some(suppressed) = self.log_limits.setup_failures.admit()
                {
                    warn!(%error, suppressed, "handshakes fail");
                }
                debug!(%peer, %error, "handshake failed");
                return;
            }
        };
        let resumed = Resumption::resumed_by(stream.ssl());
        let (protocol, kind) = (stream.ssl().version_str(), handshake_kind(resumed));
        self.metrics.handshake_done(protocol, kind);
        debug!(%peer, protocol, kind, "handshake done");
        self.hand_over(stream, peer, resumed).await;
    }

    async fn hand_over(&self, stream: TlsStream, peer: SocketAddr, resumed: Option<ResumedBy>) {
        let outcome = match &self.service {
            Service::Tunnel(tunnel) => tunnel
                .serve(stream, &self.shutdown.abort)
                .await
                .map_err(|e| e.to_string()),
            Service::Demo(demo) => demo
                .serve(stream, resumed, &self.shutdown)
                .await
                .map_err(|e| e.to_string()),
        };
        match outcome {
            Ok(()) => debug!(%peer, "connection finished"),
            Err(error) => debug!(%peer, error, "connection broken off"),
        }
    }
}

/// The peer went away between its SYN and the accept: no fault of this machine.
fn concerns_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::Interrupted
    )
}
