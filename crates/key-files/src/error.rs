//! Why a file gave no ticket keys.

use std::io;
use std::path::PathBuf;

use rekindle::tickets::{SecretError, TicketKeyError, TicketRingError};
use thiserror::Error;

/// The longest file that is read, in bytes.
pub(crate) const MAX_LEN: usize = 1 << 20;

/// Why a file of ticket keys is not used. The keys in use stay.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TicketFileError {
    /// It is missing, or cannot be read.
    #[error("cannot read ticket keys from {path}: {source}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is a directory, a pipe or a device: reading it might never end.
    #[error("cannot read ticket keys from {path}: not a regular file")]
    NotAFile {
        /// The path.
        path: PathBuf,
    },
    /// It is longer than [`TicketKeyFile::MAX_LEN`](crate::TicketKeyFile::MAX_LEN).
    #[error("cannot read ticket keys from {path}: longer than {max} bytes", max = MAX_LEN)]
    TooLong {
        /// The file.
        path: PathBuf,
    },
    /// Its content is not ticket keys.
    #[error("bad ticket keys in {path}: {source}")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: TicketKeyError,
    },
    /// Its content is not a secret to derive keys from, or the secret gives no key now.
    #[error("bad ticket secret in {path}: {source}")]
    BadSecret {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: SecretError,
    },
    /// The file is good, and the ring that was to begin with it could not be built.
    #[error(transparent)]
    Ring(TicketRingError),
    /// Users other than its owner may read or write it, and such files are to be refused.
    #[error("ticket keys in {path} can be read or written by others than its owner")]
    ReadableByOthers {
        /// The file.
        path: PathBuf,
    },
    /// A folder without a file of keys.
    #[error("there is no file of ticket keys in {path}")]
    EmptyFolder {
        /// The folder.
        path: PathBuf,
    },
    /// Two files of a folder have keys with the same name or the same secrets.
    #[error("ticket keys in {first} and {second} have the same {of}")]
    Duplicates {
        /// The one that comes first.
        first: PathBuf,
        /// The other one.
        second: PathBuf,
        /// What is the same: `name` or `secrets`.
        of: &'static str,
    },
}
