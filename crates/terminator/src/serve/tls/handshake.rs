//! How handshakes end.

use std::io;

use openssl::error::ErrorStack;
use openssl::ssl::ErrorCode;
use rekindle::openssl::ResumedBy;
use thiserror::Error;

use crate::error::first_reason;
use crate::serve::proxy_protocol::HeaderError;

/// How a handshake went, as the metrics and the demo name it.
pub(crate) fn handshake_kind(resumed: Option<ResumedBy>) -> &'static str {
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
    /// The connection does not begin with a header of the PROXY protocol.
    #[error("PROXY protocol: {0}")]
    ProxyHeader(#[source] HeaderError),
    /// The two sides did not agree, or the peer did not speak TLS.
    #[error("tls: {0}")]
    Tls(String),
    /// OpenSSL has no memory for a connection.
    #[error("cannot set up a connection: {0}")]
    Setup(#[from] ErrorStack),
}

impl HandshakeError {
    pub(crate) const REASONS: [&str; 6] =
        ["timeout", "closed", "io", "proxy_header", "tls", "setup"];

    /// The label in the metrics, one of [`Self::REASONS`].
    pub(crate) fn reason(&self) -> &'static str {
        match self {
            Self::Timeout => "timeout",
            Self::Closed => "closed",
            Self::Io(_) => "io",
            Self::ProxyHeader(_) => "proxy_header",
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
