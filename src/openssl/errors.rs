//! What can go wrong with a resumption: when it is built, installed, or stores a session.

use std::error::Error;
use std::fmt;
use std::io;
use std::time::Duration;

use openssl::error::ErrorStack;

use crate::tickets::TicketRingError;
use crate::{ConfigError, Refused};

/// Why a [`Resumption`](super::Resumption) could not be built: the configuration's fault, but for
/// [`Randomness`](Self::Randomness) and [`OpenSsl`](Self::OpenSsl).
#[derive(Debug)]
#[non_exhaustive]
pub enum BuildError {
    /// The cache's configuration is out of range.
    Cache(ConfigError),
    /// There is no ring of ticket keys: the ticket policy is out of range, or there is no key.
    TicketRing(TicketRingError),
    /// A ticket ring was given beside a ticket secret or a ticket policy.
    ConflictingTicketKeys,
    /// The session timeout is below one second, not in whole seconds, or beyond what OpenSSL holds.
    SessionTimeout(Duration),
    /// The limit of a chain of renewals is below one second, not in whole seconds, or above seven
    /// days.
    FullHandshakeMaxAge(Duration),
    /// The operating system gives no random bytes.
    Randomness(io::Error),
    /// OpenSSL has no AES-CBC.
    OpenSsl(ErrorStack),
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cache(error) => error.fmt(f),
            Self::TicketRing(error) => error.fmt(f),
            Self::ConflictingTicketKeys => f.write_str(
                "a ticket ring excludes a ticket secret and a ticket policy: it has its own",
            ),
            Self::SessionTimeout(given) => write!(
                f,
                "a session timeout of {given:?}: it must be whole seconds, at least one"
            ),
            Self::FullHandshakeMaxAge(given) => write!(
                f,
                "a full handshake's maximum age of {given:?}: it must be whole seconds, 1 to 604800"
            ),
            Self::Randomness(_) => f.write_str("the operating system gives no random bytes"),
            Self::OpenSsl(_) => f.write_str("OpenSSL has no AES-CBC"),
        }
    }
}

impl Error for BuildError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            // Their messages are this one's.
            Self::Cache(error) => error.source(),
            Self::TicketRing(error) => error.source(),
            Self::Randomness(error) => Some(error),
            Self::OpenSsl(stack) => Some(stack),
            Self::ConflictingTicketKeys
            | Self::SessionTimeout(_)
            | Self::FullHandshakeMaxAge(_) => None,
        }
    }
}

/// Why nothing was installed on a context.
#[derive(Debug)]
#[non_exhaustive]
pub enum InstallError {
    /// A [`Resumption`](super::Resumption) is installed on it already.
    AlreadyInstalled,
    /// OpenSSL ran out of memory.
    OpenSsl(ErrorStack),
}

impl fmt::Display for InstallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AlreadyInstalled => "a resumption is installed on the context already",
            Self::OpenSsl(_) => "OpenSSL ran out of memory",
        })
    }
}

impl Error for InstallError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::OpenSsl(stack) => Some(stack),
            Self::AlreadyInstalled => None,
        }
    }
}

/// Why a session was not stored.
#[derive(Debug)]
#[non_exhaustive]
pub enum StoreError {
    /// OpenSSL could not encode it.
    Encode(ErrorStack),
    /// The cache refused it.
    Refused(Refused),
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Encode(_) => f.write_str("the session cannot be encoded"),
            Self::Refused(refused) => refused.fmt(f),
        }
    }
}

impl Error for StoreError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Encode(stack) => Some(stack),
            Self::Refused(refused) => refused.source(),
        }
    }
}

macro_rules! from {
    ($($error:ty => $family:ident::$variant:ident),* $(,)?) => {$(
        impl From<$error> for $family {
            fn from(error: $error) -> Self {
                Self::$variant(error)
            }
        }
    )*};
}

from! {
    ConfigError => BuildError::Cache,
    TicketRingError => BuildError::TicketRing,
    ErrorStack => BuildError::OpenSsl,
    ErrorStack => InstallError::OpenSsl,
    Refused => StoreError::Refused,
    ErrorStack => StoreError::Encode,
}
