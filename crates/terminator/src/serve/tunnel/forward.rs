//! Both directions of a connection, and its end.

use std::future::poll_fn;
use std::io;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use thiserror::Error;

use super::flow::{Broken, Flow};
use super::linger::linger;
use crate::admin::Metrics;
use crate::serve::deadlines::Deadline;
use crate::serve::shared_buffer::with_shared_buffer;
use crate::serve::tls::TlsStream;
use crate::serve::upstream::Connection;

/// How long the tickets of TLS 1.3 wait for the upstream's first bytes, to be sent with them.
const HOLD: Duration = Duration::from_millis(250);

/// How long a connection may be silent.
#[derive(Debug, Clone, Copy)]
pub(in crate::serve) struct Limits {
    pub(in crate::serve) idle: Duration,
    /// Once one side has ended.
    pub(in crate::serve) half_closed: Duration,
}

/// Why a connection ended before both sides had.
#[derive(Debug, Error)]
pub(in crate::serve) enum TunnelError {
    #[error("client: {0}")]
    Client(#[source] io::Error),
    #[error("upstream: {0}")]
    Upstream(#[source] io::Error),
    #[error("no byte has moved for {0:?}")]
    Idle(Duration),
    #[error("the client has not finished its handshake")]
    Handshake,
}

/// A connection in both directions.
#[derive(Debug)]
pub(in crate::serve) struct Forward<'a> {
    client: TlsStream,
    upstream: Upstream,
    to_upstream: Flow,
    to_client: Flow,
    /// Why the upstream takes no more. It may have answered before.
    refused: Option<io::Error>,
    moved: Instant,
    metrics: &'a Metrics,
}

/// Closing it is a reset, unless all has come to a good end.
#[derive(Debug)]
struct Upstream {
    connection: Connection,
    is_complete: bool,
}

impl Drop for Upstream {
    fn drop(&mut self) {
        if !self.is_complete {
            self.connection.reset_on_close();
        }
    }
}

impl<'a> Forward<'a> {
    /// `early` was read from the client before, and goes to the upstream behind the header.
    pub(in crate::serve) fn new(
        client: TlsStream,
        connection: Connection,
        mut header: Vec<u8>,
        early: &[u8],
        metrics: &'a Metrics,
    ) -> Self {
        metrics.bytes_from_client.inc_by(early.len() as u64);
        header.extend_from_slice(early);
        Self {
            client,
            upstream: Upstream {
                connection,
                is_complete: false,
            },
            to_upstream: Flow::beginning_with(header),
            to_client: Flow::beginning_with(Vec::new()),
            refused: None,
            moved: Instant::now(),
            metrics,
        }
    }

    /// Runs until both sides have ended, one is broken, or neither says anything. A client that has
    /// sent early data has until `deadline` to finish its handshake.
    pub(in crate::serve) async fn run(
        mut self,
        limits: Limits,
        deadline: &Deadline,
    ) -> Result<(), TunnelError> {
        let ended = self.copy(limits, deadline).await;
        let Self {
            client,
            mut upstream,
            metrics,
            ..
        } = self;
        upstream.is_complete = ended.is_ok();
        // At once: the upstream need not wait for the client.
        drop(upstream);
        match &ended {
            Ok(()) => return ended,
            // OpenSSL has told the client why, if it was a fault of TLS.
            Err(TunnelError::Client(_)) => metrics.client_broken.inc(),
            Err(TunnelError::Upstream(_)) => metrics.upstream_broken.inc(),
            Err(TunnelError::Idle(_) | TunnelError::Handshake) => metrics.timed_out.inc(),
        };
        linger(client.tcp(), deadline).await;
        ended
    }

    async fn copy(&mut self, limits: Limits, deadline: &Deadline) -> Result<(), TunnelError> {
        let mut limit = limits.idle;
        let mut holds = self.client.has_held();
        if holds {
            deadline.reset(HOLD);
        } else if self.client.is_done() {
            deadline.reset(limit);
        }
        poll_fn(|cx| {
            if let Poll::Ready(ended) = with_shared_buffer(|buffer| self.poll(cx, buffer)) {
                return Poll::Ready(ended);
            }
            if limit != limits.half_closed && self.is_half_closed() {
                limit = limits.half_closed;
                holds = false;
                self.moved = Instant::now();
                deadline.reset(limit);
            }
            while deadline.poll(cx).is_ready() {
                if !self.client.is_done() {
                    return Poll::Ready(Err(TunnelError::Handshake));
                }
                holds = false;
                // The deadline does not move with each byte.
                let left = (self.moved + limit).saturating_duration_since(Instant::now());
                if left.is_zero() {
                    return Poll::Ready(Err(TunnelError::Idle(limit)));
                }
                deadline.reset(left);
            }
            if !holds && let Poll::Ready(Err(error)) = self.client.poll_held(cx) {
                return Poll::Ready(Err(TunnelError::Client(error)));
            }
            Poll::Pending
        })
        .await
    }

    fn is_half_closed(&self) -> bool {
        self.to_client.is_over() || self.to_upstream.is_over()
    }

    /// Ready when both directions are over.
    fn poll(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<Result<(), TunnelError>> {
        let Self {
            client,
            upstream,
            metrics,
            ..
        } = self;
        let upstream = &mut upstream.connection;
        let read = |bytes| _ = metrics.bytes_from_client.inc_by(bytes);
        match self.to_upstream.poll(cx, client, upstream, buffer, read) {
            Poll::Ready(Err(Broken::Source(error))) => {
                return Poll::Ready(Err(TunnelError::Client(error)));
            }
            Poll::Ready(Err(Broken::Sink(error))) => {
                self.refused = Some(error);
                self.to_client.withhold_end();
            }
            Poll::Ready(Ok(())) | Poll::Pending => {}
        }
        let read = |bytes| _ = metrics.bytes_from_upstream.inc_by(bytes);
        let answered = self.to_client.poll(cx, upstream, client, buffer, read);
        if self.to_upstream.has_moved() | self.to_client.has_moved() {
            self.moved = Instant::now();
        }
        match answered {
            Poll::Ready(Err(Broken::Source(error))) => {
                Poll::Ready(Err(TunnelError::Upstream(error)))
            }
            Poll::Ready(Err(Broken::Sink(error))) => Poll::Ready(Err(TunnelError::Client(error))),
            Poll::Ready(Ok(())) => match self.refused.take() {
                Some(error) => Poll::Ready(Err(TunnelError::Upstream(error))),
                None if self.to_upstream.is_over() => Poll::Ready(Ok(())),
                None => Poll::Pending,
            },
            Poll::Pending => Poll::Pending,
        }
    }
}
