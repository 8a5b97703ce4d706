//! Why a handover comes to nothing.

use std::io;

use rekindle::StateError;
use thiserror::Error;

#[derive(Debug, Error)]
pub(crate) enum HandoverError {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("the other process speaks version {theirs} of the handover, this one version {ours}")]
    Version { ours: u32, theirs: u32 },
    #[error("the other process belongs to user {theirs}, this one to user {ours}")]
    User { ours: u32, theirs: u32 },
    #[error("the other process refuses: {0}")]
    Refused(String),
    #[error("the other process sends {0}")]
    Protocol(&'static str),
    #[error(transparent)]
    State(#[from] StateError),
    #[error("the terminator drains, or is being handed over already")]
    NotServing,
}
