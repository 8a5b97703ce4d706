//! Errors of the start and of certificates.

use std::io;
use std::path::PathBuf;

use openssl::error::ErrorStack;
use rekindle::openssl::{BuildError, InstallError};
use rekindle::tickets::TicketRingError;
use rekindle_fleet::StoreUrlError;
use rekindle_key_files::{Notice, TicketFileError};
use thiserror::Error;

use crate::admin::TokenError;
use crate::handover::HandoverError;

/// Why the terminator did not start, or ended by itself. Each names the flag, file or address that
/// the operator can fix.
#[derive(Debug, Error)]
pub(crate) enum RunError {
    #[error("cannot start the runtime: {0}")]
    Runtime(#[source] io::Error),
    #[error("cannot start a background thread: {0}")]
    Thread(#[source] io::Error),
    #[error(transparent)]
    Worker(#[from] WorkerError),
    #[error("cannot take over from the process that serves: {0}")]
    TakeOver(#[from] HandoverError),
    #[error("cannot listen for a successor on {path} (--handover): {source}")]
    Handover { path: PathBuf, source: io::Error },
    #[error("there is no descriptor left: {0}")]
    Descriptors(#[source] io::Error),
    #[error("--listen: it is missing, and no process has given a socket")]
    NoListener,
    #[error("the sockets of systemd: {0}")]
    Systemd(#[source] io::Error),
    #[error("cannot install signal handlers: {0}")]
    Signals(#[source] io::Error),
    #[error("{flag}: {source}")]
    TicketKeys {
        flag: &'static str,
        source: TicketFileError,
    },
    #[error("ticket keys: {0}")]
    OwnTicketKeys(#[source] TicketRingError),
    #[error(transparent)]
    Fleet(#[from] FleetError),
    #[error("session cache: {0}")]
    Resumption(#[from] BuildError),
    #[error(transparent)]
    Identity(#[from] IdentityError),
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error(
        "the limit of open files, {limit}, leaves room for no connection: \
         it must be at least {least}"
    )]
    OpenFiles { limit: u64, least: u64 },
    #[error("--admin-write: {0}")]
    AdminWrite(#[from] TokenError),
    #[error("cannot serve the admin address: {0}")]
    Admin(#[source] io::Error),
    #[error("cannot listen on {address} ({flag}): {source}")]
    Bind {
        flag: &'static str,
        address: String,
        source: io::Error,
    },
}

/// Why sessions cannot be shared with a fleet. Quotes nothing of the store's address, which may
/// hold a password.
#[derive(Debug, Error)]
pub(crate) enum FleetError {
    #[error("--{flag}: {source}")]
    Secret {
        flag: &'static str,
        source: TicketFileError,
    },
    #[error("--{flag}: {notice}")]
    ReadableByOthers { flag: &'static str, notice: Notice },
    #[error("--{flag}: {source}")]
    Certificate {
        flag: &'static str,
        source: IdentityError,
    },
    #[error("--{flag}: {source}")]
    Store {
        flag: &'static str,
        source: StoreUrlError,
    },
    #[error("--{flag}: {source}")]
    Start {
        flag: &'static str,
        source: rekindle_fleet::FleetError,
    },
}

impl FleetError {
    pub(crate) fn certificate(flag: &'static str) -> impl Fn(IdentityError) -> Self {
        move |source| Self::Certificate { flag, source }
    }

    /// The flag at fault, and the reason alone.
    pub(crate) fn into_parts(self) -> (&'static str, String) {
        match self {
            Self::Secret { flag, source } => (flag, source.to_string()),
            Self::ReadableByOthers { flag, notice } => (flag, notice.to_string()),
            Self::Certificate { flag, source } => (flag, source.to_string()),
            Self::Store { flag, source } => (flag, source.to_string()),
            Self::Start { flag, source } => (flag, source.to_string()),
        }
    }
}

/// Why a worker takes no connections at one of its listeners. The kernel would give that listener
/// its share of them until it is closed, and nothing would say so.
#[derive(Debug, Error)]
pub(crate) enum WorkerError {
    #[error("a worker cannot wait for connections: {0}")]
    Listener(#[source] io::Error),
    #[error("a worker has stopped to accept connections: {0}")]
    Accept(String),
}

/// Why OpenSSL refused the configuration.
#[derive(Debug, Error)]
pub(crate) enum TlsError {
    #[error("cannot set up TLS: {0}")]
    Context(#[from] ErrorStack),
    #[error("cannot set up session resumption: {0}")]
    Install(#[from] InstallError),
}

/// OpenSSL's reason, without the file and line of its source.
pub(crate) fn first_reason(stack: &ErrorStack) -> String {
    let reason = stack.errors().iter().find_map(|error| error.reason());
    reason.unwrap_or("unknown reason").to_owned()
}

/// Why a certificate or its key was refused.
#[derive(Debug, Error)]
pub(crate) enum IdentityError {
    #[error("{what} file {path}: {source}")]
    Read {
        what: &'static str,
        path: PathBuf,
        source: io::Error,
    },
    #[error("{what} file {path}: {reason}")]
    Parse {
        what: &'static str,
        path: PathBuf,
        reason: String,
    },
    #[error("key file {key} does not belong to the certificate in {certificate}")]
    Mismatch { certificate: PathBuf, key: PathBuf },
    #[error("cannot make a self-signed certificate: {0}")]
    SelfSigned(#[source] ErrorStack),
}

impl IdentityError {
    /// The file at fault, if it is one.
    pub(crate) fn path(&self) -> Option<&PathBuf> {
        match self {
            Self::Read { path, .. } | Self::Parse { path, .. } => Some(path),
            Self::Mismatch { .. } | Self::SelfSigned(_) => None,
        }
    }
}
