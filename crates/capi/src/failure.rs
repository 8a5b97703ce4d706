//! Why a call failed, for `rekindle_last_error` and the counters.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use rekindle::InvalidSessionId;
use rekindle::openssl::{BuildError, InstallError, StoreError};
use rekindle::tickets::TicketKeyError;

#[derive(Debug)]
pub(crate) enum Failure {
    /// An argument that must not be NULL is.
    Null(&'static str),
    InvalidId(InvalidSessionId),
    /// Before `rekindle_init` or after `rekindle_shutdown`.
    Disabled,
    AlreadyInitialized,
    /// A structure's size field is below its first version's size, or above any later one's.
    Size {
        given: u64,
        least: u64,
    },
    /// A newer program asks for something that this library does not know.
    NewerConfig,
    Build(BuildError),
    Attach(InstallError),
    Store(StoreError),
    TicketKeys(TicketKeyError),
    NegativeLength(i32),
    Panic,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null(what) => write!(f, "{what} is NULL"),
            Self::InvalidId(error) => error.fmt(f),
            Self::Disabled => f.write_str("there is no cache: rekindle_init has not been called"),
            Self::AlreadyInitialized => f.write_str("rekindle_init has been called already"),
            Self::Size { given, least } => write!(
                f,
                "the size field says {given} bytes, not the structure's sizeof, {least} or more"
            ),
            Self::NewerConfig => {
                f.write_str("the configuration uses a field that this version does not know")
            }
            Self::Build(error) => error.fmt(f),
            Self::Attach(error) => error.fmt(f),
            Self::Store(error) => error.fmt(f),
            Self::TicketKeys(error) => error.fmt(f),
            Self::NegativeLength(length) => write!(f, "a length of {length} bytes is negative"),
            Self::Panic => f.write_str("a bug in rekindle: the call panicked"),
        }
    }
}

macro_rules! from {
    ($($error:ident => $variant:ident),*) => {$(
        impl From<$error> for Failure {
            fn from(error: $error) -> Self {
                Self::$variant(error)
            }
        }
    )*};
}

from!(InvalidSessionId => InvalidId, BuildError => Build, InstallError => Attach);
from!(StoreError => Store, TicketKeyError => TicketKeys);

/// Failures that no cache counts, since they reach none. Of the whole process, never reset.
#[derive(Debug)]
pub(crate) struct Counts {
    pub(crate) invalid: AtomicU64,
    pub(crate) disabled: AtomicU64,
    pub(crate) not_encodable: AtomicU64,
}

pub(crate) static COUNTS: Counts = Counts {
    invalid: AtomicU64::new(0),
    disabled: AtomicU64::new(0),
    not_encodable: AtomicU64::new(0),
};

impl Failure {
    /// Counts the failure, unless it is one of set-up or the cache has counted it.
    pub(crate) fn count(&self) {
        let counter = match self {
            Self::Null(_) | Self::InvalidId(_) | Self::NegativeLength(_) | Self::TicketKeys(_) => {
                &COUNTS.invalid
            }
            Self::Disabled => &COUNTS.disabled,
            Self::Store(StoreError::Encode(_)) => &COUNTS.not_encodable,
            _ => return,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}
