//! Why a set of keys cannot be written in a format.

use rekindle::tickets::{Fingerprint, TicketCipher};
use thiserror::Error;

use crate::error::MAX_LEN;
use crate::format::TicketKeyFormat;

/// A set of ticket keys that a format has no way to express. Messages count keys from 1.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum WriteError {
    /// A key is for another cipher than the format's.
    #[error(
        "ticket key {} ({fingerprint}) is for {cipher}: {format} holds keys for {holds}",
        index + 1
    )]
    Cipher {
        /// Its index in the set, counted from 0.
        index: usize,
        /// Tells it apart.
        fingerprint: Fingerprint,
        /// The key's cipher.
        cipher: TicketCipher,
        /// The format.
        format: TicketKeyFormat,
        /// The format's cipher.
        holds: TicketCipher,
    },
    /// A key's MAC secret is longer than those of the format.
    #[error(
        "ticket key {} ({fingerprint}) has a MAC secret of {len} bytes: {format} has room for \
         {room}",
        index + 1
    )]
    MacSecret {
        /// Its index in the set, counted from 0.
        index: usize,
        /// Tells it apart.
        fingerprint: Fingerprint,
        /// The format.
        format: TicketKeyFormat,
        /// Bytes of the secret.
        len: usize,
        /// Bytes that there is room for.
        room: usize,
    },
    /// No second from 1970 on would put a key behind or before the others.
    #[error(
        "ticket key {} ({fingerprint}) has no second left at which it could begin to seal",
        index + 1
    )]
    NoSecond {
        /// Its index in the set, counted from 0.
        index: usize,
        /// Tells it apart.
        fingerprint: Fingerprint,
    },
    /// The file would be longer than one that is read.
    #[error("{bytes} bytes: a file of ticket keys has at most {MAX_LEN}")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// None of the keys seals at that time.
    #[error("no ticket key seals at this time")]
    NothingSeals,
    /// Fewer keys than the format's own server starts with.
    #[error("{keys} ticket keys where it takes {least}")]
    TooFew {
        /// Keys that still open at that time.
        keys: usize,
        /// Keys that it takes.
        least: usize,
    },
    /// The format's last key is the next one, and the set has none, or several.
    #[error("{keys} ticket keys are to seal next where it takes exactly one")]
    NotOneNext {
        /// Keys that are to seal after that time.
        keys: usize,
    },
}
