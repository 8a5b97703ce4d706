//! Forwards bytes between a TLS client and the upstream until both have ended.
//!
//! The end of one direction is passed on (`close_notify` becomes FIN, FIN becomes `close_notify`)
//! while the other goes on. A connection that breaks is passed on as a reset, so the other side
//! cannot take a part for the whole.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use thiserror::Error;
use tokio::io::{
    AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf, copy_bidirectional_with_sizes,
};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;
use tracing::debug;

use super::tls::TlsStream;
use super::upstream::{ConnectError, Connection, Upstreams};
use crate::admin::Metrics;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// One TLS record.
const BUFFER: usize = 16 * 1024;
/// How long a client whose upstream is down may take to read `close_notify`.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// The connection to the upstream.
#[derive(Debug)]
pub(crate) struct Tunnel {
    upstreams: Arc<Upstreams>,
    metrics: Arc<Metrics>,
}

/// Why a connection broke.
#[derive(Debug, Error)]
pub(crate) enum TunnelError {
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error("{0}")]
    Broken(#[source] io::Error),
    #[error("cut at the end of the drain")]
    Aborted,
}

impl Tunnel {
    pub(super) fn new(upstreams: Arc<Upstreams>, metrics: Arc<Metrics>) -> Self {
        Self { upstreams, metrics }
    }

    pub(crate) async fn serve(
        &self,
        client: TlsStream,
        abort: &CancellationToken,
    ) -> Result<(), TunnelError> {
        let upstream = tokio::select! {
            upstream = self.upstreams.connect(CONNECT_TIMEOUT) => upstream,
            () = abort.cancelled() => return Err(TunnelError::Aborted),
        };
        match upstream {
            Ok(upstream) => {
                debug!(upstream = upstream.upstream(), "connected");
                self.forward(client, upstream, abort).await
            }
            Err(error) => {
                close(client).await;
                Err(error.into())
            }
        }
    }

    async fn forward(
        &self,
        client: TlsStream,
        upstream: Connection,
        abort: &CancellationToken,
    ) -> Result<(), TunnelError> {
        let mut client = Metered {
            side: "client",
            stream: client,
            received: &self.metrics.bytes_from_client,
            broken: &self.metrics.client_broken,
        };
        let mut upstream = Metered {
            side: "upstream",
            stream: upstream,
            received: &self.metrics.bytes_from_upstream,
            broken: &self.metrics.upstream_broken,
        };
        let outcome = tokio::select! {
            copied = copy_bidirectional_with_sizes(&mut client, &mut upstream, BUFFER, BUFFER) => {
                copied.map(|_| ()).map_err(TunnelError::Broken)
            }
            () = abort.cancelled() => Err(TunnelError::Aborted),
        };
        if outcome.is_err() {
            reset_on_close(client.stream.tcp());
            upstream.stream.reset_on_close();
        }
        outcome
    }
}

/// Ends the connection of a client whose upstream is down: `close_notify`, then FIN, then its
/// unread bytes. Closing while bytes of the client are on the way would turn `close_notify` into a
/// reset.
async fn close(mut client: TlsStream) {
    let closed = async {
        client.shutdown().await?;
        let mut ignored = [0; 4096];
        while client.tcp().read(&mut ignored).await? > 0 {}
        io::Result::Ok(())
    };
    // A client that does not read now would not read later either.
    let _ = tokio::time::timeout(CLOSE_TIMEOUT, closed).await;
}

fn reset_on_close(tcp: &TcpStream) {
    // If the option cannot be set, the peer still sees no `close_notify`.
    let _ = tcp.set_zero_linger();
}

/// Counts bytes as they are read, because a connection may last for days, and says on which side an
/// error occurred.
struct Metered<'a, S> {
    side: &'static str,
    stream: S,
    received: &'a Counter,
    broken: &'a Counter,
}

impl<S> Metered<'_, S> {
    fn failed(&self, error: io::Error) -> io::Error {
        self.broken.inc();
        io::Error::new(error.kind(), format!("{}: {error}", self.side))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Metered<'_, S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let outcome = ready!(Pin::new(&mut self.stream).poll_read(cx, buf));
        self.received.inc_by((buf.filled().len() - before) as u64);
        Poll::Ready(outcome.map_err(|error| self.failed(error)))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Metered<'_, S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let outcome = ready!(Pin::new(&mut self.stream).poll_write(cx, buf));
        Poll::Ready(outcome.map_err(|error| self.failed(error)))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = ready!(Pin::new(&mut self.stream).poll_flush(cx));
        Poll::Ready(outcome.map_err(|error| self.failed(error)))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = ready!(Pin::new(&mut self.stream).poll_shutdown(cx));
        // A peer that is gone needs no shutdown.
        match outcome {
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Poll::Ready(Ok(())),
            outcome => Poll::Ready(outcome.map_err(|error| self.failed(error))),
        }
    }
}
