//! Takes connections, and bounds their number.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio_util::task::TaskTracker;
use tracing::{debug, warn};

use super::connection::serve;
use super::deadlines::Deadlines;
use super::frontend::Frontend;
use crate::handover::AcceptingState;

const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Connections that wait at one listener: the most that `--backlog` can ask for, and one more.
const LONGEST_QUEUE: usize = 1 << 16;

impl Frontend {
    /// Accepts until the drain begins, then what waits, and closes the listener. What waits at a
    /// listener that was handed over is the successor's.
    pub(super) async fn accept(
        self: Arc<Self>,
        listener: TcpListener,
        connections: TaskTracker,
        deadlines: Deadlines,
    ) {
        let mut state = self.accepting.watch();
        loop {
            match state.unpaused().await {
                AcceptingState::Draining => break,
                AcceptingState::HandedOver => return,
                AcceptingState::Open | AcceptingState::Paused => {}
            }
            let changed = state.changed();
            self.accept_until(changed, &listener, &connections, &deadlines)
                .await;
        }
        self.accept_queued(listener, &connections, &deadlines);
    }

    async fn accept_until(
        self: &Arc<Self>,
        end: impl Future<Output = ()>,
        listener: &TcpListener,
        connections: &TaskTracker,
        deadlines: &Deadlines,
    ) {
        let mut pause = FIRST_PAUSE;
        let mut end = std::pin::pin!(end);
        loop {
            let accepted = tokio::select! {
                biased;
                () = &mut end => return,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((tcp, peer)) => {
                    pause = FIRST_PAUSE;
                    self.admit(tcp, peer, connections, deadlines);
                }
                Err(error) if concerns_one_connection(&error) => {
                    debug!(%error, "connection lost before accept")
                }
                Err(error) => {
                    self.cannot_accept(&error, pause);
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
        }
    }

    /// Takes what the kernel has queued. To these clients they are connected, and the end of the
    /// listener would reset them.
    fn accept_queued(
        self: &Arc<Self>,
        listener: TcpListener,
        connections: &TaskTracker,
        deadlines: &Deadlines,
    ) {
        let Ok(listener) = listener.into_std() else {
            return;
        };
        for _ in 0..LONGEST_QUEUE {
            let accepted = match listener.accept() {
                Err(error) if concerns_one_connection(&error) => continue,
                Err(_) => return,
                Ok(accepted) => accepted,
            };
            let (tcp, peer) = accepted;
            let tcp = tcp
                .set_nonblocking(true)
                .and_then(|()| TcpStream::from_std(tcp));
            if let Ok(tcp) = tcp {
                self.admit(tcp, peer, connections, deadlines);
            }
        }
    }

    /// Out of file descriptors or memory: an immediate retry would only burn processor time.
    fn cannot_accept(&self, error: &io::Error, pause: Duration) {
        self.metrics.accept_errors.inc();
        let pause_ms = pause.as_millis() as u64;
        match self.log_limits.accept_errors.admit() {
            Some(suppressed) => {
                warn!(%error, suppressed, pause_ms, "cannot accept connections")
            }
            None => debug!(%error, pause_ms, "cannot accept connections"),
        }
    }

    fn admit(
        self: &Arc<Self>,
        tcp: TcpStream,
        peer: SocketAddr,
        connections: &TaskTracker,
        deadlines: &Deadlines,
    ) {
        let Some(active) = self.metrics.activate(self.max_connections) else {
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
        connections.spawn(serve(
            Arc::clone(self),
            tcp,
            peer,
            deadlines.clone(),
            active,
        ));
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
