//! What can be wrong with ticket keys.

use std::fmt;

use thiserror::Error;

use super::not_random::Resemblance;

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
    pub const fn record(record: usize) -> Self {
        Self { record, line: None }
    }

    /// A record of a text format.
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
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyFault {
    /// Its secrets are all zeros.
    #[error("is all zeros")]
    AllZero,
    /// Its encryption key or its MAC secret is one byte over and over.
    #[error("has a secret that is one repeated byte")]
    RepeatedByte,
    /// Its secrets were not drawn at random. Of random ones, fewer than one in a billion look so.
    #[error("has secrets that look like {0}")]
    NotRandom(Resemblance),
    /// Eight bytes of its name are in its secrets, and the name is in every ticket in the clear.
    #[error("has bytes of its name in its secrets")]
    NameInSecrets,
    /// Its encryption key is its MAC secret, or begins it.
    #[error("encrypts with its MAC secret")]
    EqualSecrets,
    /// The encryption key has neither 16 nor 32 bytes, or the MAC secret neither 16, 32 nor 64.
    #[error("has secrets of a length that no ticket key has")]
    Length,
}

/// Why a set of ticket keys is refused. Nothing was changed. The configuration is at fault, but for
/// [`NoRandomness`](Self::NoRandomness).
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum TicketKeyError {
    /// The content holds no whole record.
    #[error("{len} bytes do not hold a ticket key ({record} bytes)")]
    TooShort {
        /// Bytes of the content.
        len: usize,
        /// Bytes of a record.
        record: usize,
    },
    /// A key is refused.
    #[error("{at} {fault}")]
    Bad {
        /// Which one.
        at: KeyLocation,
        /// Why.
        #[source]
        fault: KeyFault,
    },
    /// A line of a text format is wrong.
    #[error("line {line}: {reason}")]
    Syntax {
        /// The line, counted from 1.
        line: usize,
        /// What is wrong with it. Never quotes it: it may be a secret.
        reason: &'static str,
    },
    /// The content is something else than raw records. Read as such it would make keys that can be
    /// guessed, and names that give secrets away.
    #[error("this looks like {0}")]
    NotRecords(Resemblance),
    /// Bytes are left behind the last whole record: the end of a key of another format, or of one
    /// that was cut short.
    #[error("{bytes} bytes are left behind the last whole ticket key ({record} bytes)")]
    TrailingBytes {
        /// How many.
        bytes: usize,
        /// Bytes of a record.
        record: usize,
    },
    /// Two keys have one name.
    #[error("{first} and {second} have the same name")]
    DuplicateName {
        /// The first of them.
        first: KeyLocation,
        /// The second.
        second: KeyLocation,
    },
    /// Two keys have the same secrets, under different names.
    #[error("{first} and {second} have the same secrets")]
    DuplicateMaterial {
        /// The first of them.
        first: KeyLocation,
        /// The second.
        second: KeyLocation,
    },
    /// The format's own server takes one key from each file.
    #[error("{keys} ticket keys in a file, and its server takes one key a file")]
    OneKeyAFile {
        /// Keys in the file.
        keys: usize,
    },
    /// There are fewer keys than the format's own server starts with.
    #[error("{keys} ticket keys where it takes {least}")]
    TooFew {
        /// Keys in the set.
        keys: usize,
        /// The fewest keys that the format's server takes.
        least: usize,
    },
    /// No key of the set seals now or later.
    #[error("no ticket key may seal")]
    NothingSeals,
    /// More keys than [`TicketKeys::MAX_KEYS`](super::TicketKeys::MAX_KEYS).
    #[error("more than {max} ticket keys", max = MAX_KEYS)]
    TooMany,
    /// A provider gives the keys: it has to rotate them.
    #[error("the ticket keys are provided, and rotate at their source")]
    Provided,
    /// The ring was rotated so often lately that it holds hundreds of keys that still open.
    #[error("too many rotations: hundreds of ticket keys still open")]
    TooManyRotations,
    /// The operating system gives no random bytes.
    #[error(transparent)]
    NoRandomness(#[from] NoRandomness),
}

/// The operating system gives no random bytes for a key or a secret.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("no random bytes for a ticket key: {0}")]
pub struct NoRandomness(#[from] getrandom::Error);
