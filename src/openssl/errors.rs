//! What can go wrong with a resumption: when it is built, installed, or stores a session.

use std::io;
use std::time::Duration;

use openssl::error::ErrorStack;
use thiserror::Error;

use crate::tickets::TicketRingError;
use crate::{ConfigError, Refused};

/// Why a [`Resumption`](super::Resumption) could not be built: the configuration's fault, but for
/// [`Randomness`](Self::Randomness) and [`OpenSsl`](Self::OpenSsl).
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum BuildError {
    /// The cache's configuration is out of range.
    #[error(transparent)]
    Cache(#[from] ConfigError),
    /// There is no ring of ticket keys: the ticket policy is out of range, or there is no key.
    #[error(transparent)]
    TicketRing(#[from] TicketRingError),
    /// A ticket ring was given beside a ticket secret or a ticket policy.
    #[error("a ticket ring excludes a ticket secret and a ticket policy: it has its own")]
    ConflictingTicketKeys,
    /// The session timeout is below one second, not in whole seconds, or beyond what OpenSSL holds.
    #[error("a session timeout of {0:?}: it must be whole seconds, at least one")]
    SessionTimeout(Duration),
    /// The limit of a chain of renewals is below one second, not in whole seconds, or above seven
    /// days.
    #[error("a full handshake's maximum age of {0:?}: it must be whole seconds, 1 to 604800")]
    FullHandshakeMaxAge(Duration),
    /// There is no room to remember that many flights of early data.
    #[error("no room for that many flights of early data")]
    EarlyData(#[source] ConfigError),
    /// The operating system gives no random bytes.
    #[error("the operating system gives no random bytes")]
    Randomness(#[source] io::Error),
    /// OpenSSL has no AES-CBC.
    #[error("OpenSSL has no AES-CBC")]
    OpenSsl(#[from] ErrorStack),
}

/// Why nothing was installed on a context.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum InstallError {
    /// A [`Resumption`](super::Resumption) is installed on it already.
    #[error("a resumption is installed on the context already")]
    AlreadyInstalled,
    /// The program has set session callbacks of its own; what the first of them is for.
    /// [`Resumption::install_replacing`](super::Resumption::install_replacing) replaces them.
    #[error("the context has a session callback of its own, for {0}")]
    SessionCallback(&'static str),
    /// The context has served with OpenSSL's internal cache, which holds that many sessions.
    /// [`Resumption::install_replacing`](super::Resumption::install_replacing) gives them up.
    #[error("OpenSSL's internal cache is in use on the context: it holds {0} sessions")]
    InternalCache(u64),
    /// There is no certificate on the context to make a scope of, and no session id context.
    #[error(
        "nothing says what sessions of the context belong to: set its certificate first, or a \
         session id context, or give a scope"
    )]
    NoScope,
    /// Too many resumptions are installed at one time: more than 1,024. One can be installed on any
    /// number of contexts.
    #[error("more than 1,024 resumptions are installed: share one among contexts")]
    TooManyResumptions,
    /// OpenSSL ran out of memory.
    #[error("OpenSSL ran out of memory")]
    OpenSsl(#[from] ErrorStack),
}

/// Why a session was not stored.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StoreError {
    /// OpenSSL could not encode it.
    #[error("the session cannot be encoded")]
    Encode(#[from] ErrorStack),
    /// The bytes are no session.
    #[error("the bytes are no session")]
    Decode(#[source] ErrorStack),
    /// The session's own id is not the one that it was to be stored under.
    #[error("the session has another id than the one that it was to be stored under")]
    IdDiffers,
    /// The cache refused it.
    #[error(transparent)]
    Refused(#[from] Refused),
}
