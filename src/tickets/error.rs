//! What can be wrong with ticket keys, and with the files that they come from.

use std::error::Error;
use std::fmt;
use std::io;
use std::path::PathBuf;

/// The configuration's fault: these are not ticket keys.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TicketKeyError {
    /// There is not one whole record of 48 bytes.
    TooShort {
        /// Bytes that were given.
        len: usize,
    },
    /// A record is all zeros.
    AllZero {
        /// Its place, counted from 0.
        record: usize,
    },
    /// Two records have one name.
    DuplicateName {
        /// Place of the first of them, counted from 0.
        first: usize,
        /// Place of the second.
        second: usize,
    },
    /// The operating system gives no random bytes: nobody's fault here.
    NoRandomness(String),
}

impl fmt::Display for TicketKeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooShort { len } => write!(
                f,
                "{len} bytes do not hold a ticket key (48 bytes: name, HMAC secret, AES key)"
            ),
            Self::AllZero { record } => write!(f, "ticket key {} is all zeros", record + 1),
            Self::DuplicateName { first, second } => write!(
                f,
                "ticket keys {} and {} have the same name",
                first + 1,
                second + 1
            ),
            Self::NoRandomness(reason) => {
                write!(f, "no random bytes for a ticket key: {reason}")
            }
        }
    }
}

impl Error for TicketKeyError {}

/// A file of ticket keys could not be used. Whatever was in use before still is.
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
    /// It is a directory, a pipe or a device, from which reading might never end.
    NotAFile {
        /// The path.
        path: PathBuf,
    },
    /// It is longer than [`TicketKeyFile::MAX_LEN`](super::TicketKeyFile::MAX_LEN).
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
}

impl fmt::Display for TicketFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable { path, source } => {
                write!(
                    f,
                    "cannot read ticket keys from {}: {source}",
                    path.display()
                )
            }
            Self::NotAFile { path } => write!(
                f,
                "cannot read ticket keys from {}: not a regular file",
                path.display()
            ),
            Self::TooLong { path } => write!(
                f,
                "cannot read ticket keys from {}: longer than {} bytes",
                path.display(),
                super::TicketKeyFile::MAX_LEN
            ),
            Self::Malformed { path, source } => {
                write!(f, "bad ticket keys in {}: {source}", path.display())
            }
        }
    }
}

impl Error for TicketFileError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Unreadable { source, .. } => Some(source),
            Self::Malformed { source, .. } => Some(source),
            Self::NotAFile { .. } | Self::TooLong { .. } => None,
        }
    }
}
