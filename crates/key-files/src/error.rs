//! Why a file gave no ticket keys.

use std::error::Error;
use std::fmt;
use std::io;
use std::path::PathBuf;

use rekindle::tickets::{SecretError, TicketKeyError, TicketRingError};

/// The longest file that is read, in bytes.
pub(crate) const MAX_LEN: usize = 1 << 20;

/// Why a file of ticket keys is not used. The keys in use stay.
#[derive(Debug)]
#[non_exhaustive]
pub enum TicketFileError {
    /// It is missing, or cannot be read.
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is a directory, a pipe or a device: reading it might never end.
    NotAFile {
        /// The path.
        path: PathBuf,
    },
    /// It is longer than [`TicketKeyFile::MAX_LEN`](crate::TicketKeyFile::MAX_LEN).
    TooLong {
        /// The file.
        path: PathBuf,
    },
    /// Its content is not ticket keys.
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: TicketKeyError,
    },
    /// Its content is not a secret to derive keys from, or the secret gives no key now.
    BadSecret {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: SecretError,
    },
    /// The file is good, and the ring that was to begin with it could not be built.
    Ring(TicketRingError),
    /// Users other than its owner may read or write it, and such files are to be refused.
    ReadableByOthers {
        /// The file.
        path: PathBuf,
    },
    /// A folder without a file of keys.
    EmptyFolder {
        /// The folder.
        path: PathBuf,
    },
    /// Two files of a folder have keys with the same name or the same secrets.
    Duplicates {
        /// The one that comes first.
        first: PathBuf,
        /// The other one.
        second: PathBuf,
        /// What is the same: `name` or `secrets`.
        of: &'static str,
    },
}

impl fmt::Display for TicketFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unread = "cannot read ticket keys from";
        match self {
            Self::Unreadable { path, source } => write!(f, "{unread} {}: {source}", path.display()),
            Self::NotAFile { path } => write!(f, "{unread} {}: not a regular file", path.display()),
            Self::TooLong { path } => {
                write!(
                    f,
                    "{unread} {}: longer than {MAX_LEN} bytes",
                    path.display()
                )
            }
            Self::Malformed { path, source } => {
                write!(f, "bad ticket keys in {}: {source}", path.display())
            }
            Self::BadSecret { path, source } => {
                write!(f, "bad ticket secret in {}: {source}", path.display())
            }
            Self::Ring(error) => error.fmt(f),
            Self::ReadableByOthers { path } => write!(
                f,
                "ticket keys in {} can be read or written by others than its owner",
                path.display()
            ),
            Self::EmptyFolder { path } => {
                write!(f, "there is no file of ticket keys in {}", path.display())
            }
            Self::Duplicates { first, second, of } => write!(
                f,
                "ticket keys in {} and {} have the same {of}",
                first.display(),
                second.display()
            ),
        }
    }
}

impl Error for TicketFileError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Unreadable { source, .. } => Some(source),
            Self::Malformed { source, .. } => Some(source),
            Self::BadSecret { source, .. } => Some(source),
            Self::Ring(error) => error.source(),
            _ => None,
        }
    }
}
