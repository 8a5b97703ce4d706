//! Why a call failed, for `rekindle_last_error` and the counters.

use std::sync::atomic::{AtomicU64, Ordering};

use rekindle::InvalidSessionId;
use rekindle::openssl::{BuildError, InstallError, StoreError};
use rekindle::tickets::TicketKeyError;
use rekindle_key_files::{TicketFileError, UnknownFormat};
use thiserror::Error;

#[derive(Debug, Error)]
pub(crate) enum Failure {
    #[error("{0} is NULL")]
    Null(&'static str),
    #[error(transparent)]
    InvalidId(#[from] InvalidSessionId),
    #[error("there is no cache: rekindle_init has not been called")]
    Disabled,
    #[error("rekindle_init has been called already")]
    AlreadyInitialized,
    /// A structure's size field is below its first version's size, or above any later one's.
    #[error("the size field says {given} bytes, not the structure's sizeof, {least} or more")]
    Size { given: u64, least: u64 },
    #[error("the configuration uses a field that this version does not know")]
    NewerConfig,
    #[error(transparent)]
    Build(#[from] BuildError),
    #[error(transparent)]
    Attach(#[from] InstallError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    TicketKeys(#[from] TicketKeyError),
    #[error(transparent)]
    TicketFile(#[from] TicketFileError),
    #[error(transparent)]
    Format(#[from] UnknownFormat),
    #[error("a length of {0} bytes is negative")]
    NegativeLength(i32),
    #[error("a bug in rekindle: the call panicked")]
    Panic,
}

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
            Self::Null(_)
            | Self::InvalidId(_)
            | Self::NegativeLength(_)
            | Self::TicketKeys(_)
            | Self::TicketFile(_)
            | Self::Format(_) => &COUNTS.invalid,
            Self::Disabled => &COUNTS.disabled,
            Self::Store(StoreError::Encode(_)) => &COUNTS.not_encodable,
            _ => return,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}
