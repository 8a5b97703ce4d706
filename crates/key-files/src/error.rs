//! Why a file gave no ticket keys.

use std::io;
use std::path::{Path, PathBuf};

use rekindle::tickets::{SecretError, TicketKeyError, TicketRingError};
use thiserror::Error;

use crate::exposure::Exposure;
use crate::notice::Notice;

/// The longest file that is read, in bytes.
pub(crate) const MAX_LEN: usize = 1 << 20;

/// Why a file of ticket keys is not used. The keys in use stay.
#[derive(Debug, Error)]
#[error("ticket keys in {path}: {fault}")]
pub struct TicketFileError {
    /// The file or folder.
    pub path: PathBuf,
    /// What is wrong with it.
    #[source]
    pub fault: TicketFileFault,
}

/// What is wrong with a file of ticket keys.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TicketFileFault {
    /// It is missing, or cannot be read.
    #[error("cannot read them: {0}")]
    Unreadable(#[from] io::Error),
    /// It is a directory, a pipe or a device: reading it might never end.
    #[error("not a regular file")]
    NotAFile,
    /// It is longer than [`TicketKeyFile::MAX_LEN`](crate::TicketKeyFile::MAX_LEN).
    #[error("longer than {MAX_LEN} bytes")]
    TooLong,
    /// Its content is not ticket keys.
    #[error(transparent)]
    Malformed(#[from] TicketKeyError),
    /// Its content is not a secret to derive keys from, or the secret gives no key now.
    #[error("bad ticket secret: {0}")]
    BadSecret(#[from] SecretError),
    /// The file is good, and the ring that was to begin with it could not be built.
    #[error(transparent)]
    Ring(TicketRingError),
    /// Another user may read or change it, and such files are to be refused.
    #[error("{0}")]
    ReadableByOthers(Exposure),
    /// A folder without a file of keys.
    #[error("there is no file of ticket keys in this folder{}", list(notices))]
    EmptyFolder {
        /// What is in it instead.
        notices: Vec<Notice>,
    },
    /// A link in a folder points nowhere, and the file that it stands for would have sealed.
    #[error("a link that points nowhere, where the file that seals should be")]
    BrokenLink,
    /// Two files of a folder have keys with the same name or the same secrets.
    #[error("{first} and {second} have the same {of}")]
    Duplicates {
        /// The one that comes first.
        first: PathBuf,
        /// The other one.
        second: PathBuf,
        /// What is the same: `name` or `secrets`.
        of: &'static str,
    },
}

impl From<TicketRingError> for TicketFileFault {
    fn from(error: TicketRingError) -> Self {
        match error {
            TicketRingError::Keys(error) => error.into(),
            TicketRingError::Secret(error) => error.into(),
            error => Self::Ring(error),
        }
    }
}

fn list(notices: &[Notice]) -> String {
    notices.iter().map(|notice| format!("; {notice}")).collect()
}

impl TicketFileError {
    /// Says which file has a fault.
    pub(crate) fn of<F: Into<TicketFileFault>>(path: &Path) -> impl Fn(F) -> Self {
        |fault| Self {
            path: path.into(),
            fault: fault.into(),
        }
    }
}
