//! What can be wrong with ticket keys.

use std::error::Error;
use std::fmt;

/// The most keys in a set.
pub(super) const MAX_KEYS: usize = 4096;

/// Where in a file or buffer a key is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyLocation {
    /// The record's number, counted from 0.
    pub record: usize,
    /// The line that it begins on, counted from 1; `None` in binary formats.
    pub line: Option<usize>,
}

impl KeyLocation {
    /// A record of a binary format.
    #[must_use]
    pub const fn record(record: usize) -> Self {
        Self { record, line: None }
    }

    /// A record of a text format.
    #[must_use]
    pub const fn line(record: usize, line: usize) -> Self {
        Self {
            record,
            line: Some(line),
        }
    }
}

/// The record counted from 1.
impl fmt::Display for KeyLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ticket key {}", self.record + 1)?;
        match self.line {
            Some(line) => write!(f, " (line {line})"),
            None => Ok(()),
        }
    }
}

/// Why a key is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyFault {
    /// Its secrets are all zeros.
    AllZero,
    /// Its encryption key or its MAC secret is one byte over and over.
    RepeatedByte,
    /// Its encryption key is its MAC secret, or begins it.
    EqualSecrets,
    /// The encryption key has neither 16 nor 32 bytes, or the MAC secret neither 16, 32 nor 64.
    Length,
}

impl fmt::Display for KeyFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AllZero => "is all zeros",
            Self::RepeatedByte => "has a secret that is one repeated byte",
            Self::EqualSecrets => "encrypts with its MAC secret",
            Self::Length => "has secrets of a length that no ticket key has",
        })
    }
}

impl Error for KeyFault {}

/// Why a set of ticket keys is refused. Nothing was changed. The configuration is at fault, but for
/// [`NoRandomness`](Self::NoRandomness).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TicketKeyError {
    /// The content holds no whole record.
    TooShort {
        /// Bytes of the content.
        len: usize,
        /// Bytes of a record.
        record: usize,
    },
    /// A key is refused.
    Bad {
        /// Which one.
        at: KeyLocation,
        /// Why.
        fault: KeyFault,
    },
    /// A line of a text format is wrong.
    Syntax {
        /// The line, counted from 1.
        line: usize,
        /// What is wrong with it. Never quotes it: it may be a secret.
        reason: &'static str,
    },
    /// The content is text in another format. Read as raw records it would make keys that can be
    /// guessed, and names that give secrets away.
    AnotherFormat(&'static str),
    /// Two keys have one name.
    DuplicateName {
        /// The first of them.
        first: KeyLocation,
        /// The second.
        second: KeyLocation,
    },
    /// Two keys have the same secrets, under different names.
    DuplicateMaterial {
        /// The first of them.
        first: KeyLocation,
        /// The second.
        second: KeyLocation,
    },
    /// There are fewer keys than the format's own server starts with.
    TooFew {
        /// Keys in the set.
        keys: usize,
        /// The fewest keys that the format's server takes.
        least: usize,
    },
    /// No key of the set seals now or later.
    NothingSeals,
    /// More keys than [`TicketKeys::MAX_KEYS`](super::TicketKeys::MAX_KEYS).
    TooMany,
    /// The operating system gives no random bytes.
    NoRandomness(NoRandomness),
}

impl fmt::Display for TicketKeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooShort { len, record } => {
                write!(f, "{len} bytes do not hold a ticket key ({record} bytes)")
            }
            Self::Bad { at, fault } => write!(f, "{at} {fault}"),
            Self::Syntax { line, reason } => write!(f, "line {line}: {reason}"),
            Self::AnotherFormat(what) => {
                write!(
                    f,
                    "this looks like {what}, and was to be read as raw records"
                )
            }
            Self::DuplicateName { first, second } => {
                write!(f, "{first} and {second} have the same name")
            }
            Self::DuplicateMaterial { first, second } => {
                write!(f, "{first} and {second} have the same secrets")
            }
            Self::TooFew { keys, least } => {
                write!(f, "{keys} ticket keys where it takes {least}")
            }
            Self::NothingSeals => f.write_str("no ticket key may seal"),
            Self::TooMany => write!(f, "more than {} ticket keys", MAX_KEYS),
            Self::NoRandomness(error) => error.fmt(f),
        }
    }
}

impl Error for TicketKeyError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Bad { fault, .. } => Some(fault),
            Self::NoRandomness(error) => error.source(),
            _ => None,
        }
    }
}

impl From<NoRandomness> for TicketKeyError {
    fn from(error: NoRandomness) -> Self {
        Self::NoRandomness(error)
    }
}

/// The operating system gives no random bytes for a key or a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoRandomness(getrandom::Error);

impl From<getrandom::Error> for NoRandomness {
    fn from(error: getrandom::Error) -> Self {
        Self(error)
    }
}

impl fmt::Display for NoRandomness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no random bytes for a ticket key: {}", self.0)
    }
}

impl Error for NoRandomness {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.0)
    }
}
