//! The handshake: the `SSL_CTX` in use, and its replacement while connections go on.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use arc_swap::ArcSwap;
use openssl::error::ErrorStack;
use openssl::ssl::{ErrorCode, Ssl, SslContext, SslRef};
use rekindle::openssl::{KeepSession, ResumedBy, Resumption};
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_openssl::SslStream;

use super::context::ContextSettings;
use super::identity::{Identity, first_reason};
use crate::error::TlsError;

/// The TLS context of new connections. Open connections keep theirs.
#[derive(Debug)]
pub(crate) struct TlsFront {
    context: ArcSwap<SslContext>,
    settings: ContextSettings,
    handshake_timeout: Duration,
}

impl TlsFront {
    pub(crate) fn new(
        identity: &Identity,
        settings: ContextSettings,
        handshake_timeout: Duration,
    ) -> Result<Self, TlsError> {
        Ok(Self {
            context: ArcSwap::from_pointee(settings.context(identity)?),
            settings,
            handshake_timeout,
        })
    }

    /// Gives `identity` to new connections. An error changes nothing.
    pub(crate) fn replace(&self, identity: &Identity) -> Result<(), TlsError> {
        self.context
            .store(Arc::new(self.settings.context(identity)?));
        Ok(())
    }

    pub(crate) fn resumption(&self) -> &Resumption {
        &self.settings.resumption
    }

    pub(crate) async fn accept(&self, tcp: TcpStream) -> Result<TlsStream, HandshakeError> {
        let ssl = Ssl::new(&self.context.load())?;
        let mut stream = SslStream::new(ssl, tcp)?;
        let handshake = Pin::new(&mut stream).accept();
        tokio::time::timeout(self.handshake_timeout, handshake)
            .await
            .map_err(|_| HandshakeError::Timeout)??;
        Ok(TlsStream(KeepSession::new(stream, |stream| stream.ssl())))
    }
}

/// A connection after its handshake. Reading to its end succeeds only if the peer has announced the
/// end.
///
/// `SslStream` reports a TCP connection that ended without `close_notify` as the end of the data.
/// An attacker that sends a FIN in the client's name could then cut a message short unnoticed.
///
/// A client that hangs up without `close_notify`, as many do, keeps its session all the same.
#[derive(Debug)]
pub(crate) struct TlsStream(KeepSession<SslStream<TcpStream>>);

impl TlsStream {
    pub(crate) fn ssl(&self) -> &SslRef {
        self.0.ssl()
    }

    pub(crate) fn tcp(&mut self) -> &mut TcpStream {
        self.0.get_mut()
    }

    /// OpenSSL remembers what ended the last read, so a second read tells one end from the other.
    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match ready!(Pin::new(&mut *self.0).poll_peek(cx, &mut [0])) {
            Err(error) if error.code() == ErrorCode::ZERO_RETURN => Poll::Ready(Ok(())),
            _ => Poll::Ready(Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "closed without close_notify",
            ))),
        }
    }
}

impl AsyncRead for TlsStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.remaining();
        ready!(Pin::new(&mut *self.0).poll_read(cx, buf))?;
        if before > 0 && buf.remaining() == before {
            self.poll_end(cx)
        } else {
            Poll::Ready(Ok(()))
        }
    }
}

impl AsyncWrite for TlsStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.0).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0).poll_shutdown(cx)
    }
}

/// How a handshake went, as the metrics and the demo name it.
pub(super) fn handshake_kind(resumed: Option<ResumedBy>) -> &'static str {
    resumed.map_or("full", ResumedBy::name)
}

/// Why a handshake failed.
#[derive(Debug, Error)]
pub(crate) enum HandshakeError {
    /// The peer was too slow, or silent.
    #[error("timed out")]
    Timeout,
    /// The peer hung up in the middle, as health checks of load balancers do.
    #[error("the peer closed the connection")]
    Closed,
    /// The connection broke.
    #[error("i/o: {0}")]
    Io(#[source] io::Error),
    /// The two sides did not agree, or the peer did not speak TLS.
    #[error("tls: {0}")]
    Tls(String),
    /// OpenSSL has no memory for a connection.
    #[error("cannot set up a connection: {0}")]
    Setup(#[from] ErrorStack),
}

impl HandshakeError {
    pub(crate) const REASONS: [&str; 5] = ["timeout", "closed", "io", "tls", "setup"];

    /// The label in the metrics, one of [`Self::REASONS`].
    pub(crate) fn reason(&self) -> &'static str {
        match self {
            Self::Timeout => "timeout",
            Self::Closed => "closed",
            Self::Io(_) => "io",
            Self::Tls(_) => "tls",
            Self::Setup(_) => "setup",
        }
    }
}

impl From<openssl::ssl::Error> for HandshakeError {
    fn from(error: openssl::ssl::Error) -> Self {
        if is_unexpected_eof(&error) {
            return Self::Closed;
        }
        match error.into_io_error() {
            Ok(error) => Self::Io(error),
            Err(error) => Self::Tls(
                error
                    .ssl_error()
                    .map_or_else(|| error.to_string(), first_reason),
            ),
        }
    }
}

/// Whether the peer's TCP connection ended without `close_notify`. OpenSSL 3 has a reason code for
/// it; earlier versions report a system call that failed without an error.
fn is_unexpected_eof(error: &openssl::ssl::Error) -> bool {
    match error.code() {
        ErrorCode::SYSCALL => error.io_error().is_none(),
        ErrorCode::SSL => error
            .ssl_error()
            .is_some_and(|stack| first_reason(stack) == "unexpected eof while reading"),
        _ => false,
    }
}
