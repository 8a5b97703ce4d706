//! Why a set of keys cannot be written in a format.

use std::error::Error;
use std::fmt;

use rekindle::tickets::{Fingerprint, TicketCipher};

use crate::format::TicketKeyFormat;

/// A set of ticket keys that a format has no way to express.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WriteError {
    /// A key is for another cipher than the format's.
    Cipher {
        /// Its index in the set, counted from 0.
        index: usize,
        /// Tells it apart.
        fingerprint: Fingerprint,
        /// The format.
        format: TicketKeyFormat,
    },
    /// A key's MAC secret is longer than those of the format.
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
    NoSecond {
        /// Its index in the set, counted from 0.
        index: usize,
        /// Tells it apart.
        fingerprint: Fingerprint,
    },
    /// None of the keys seals at that time.
    NothingSeals,
    /// Fewer keys than the format's own server starts with.
    TooFew {
        /// Keys that still open at that time.
        keys: usize,
        /// Keys that it takes.
        least: usize,
    },
    /// The format's last key is the next one, and the set has none, or several.
    NotOneNext {
        /// Keys that are to seal after that time.
        keys: usize,
    },
}

/// Keys are counted from 1.
impl fmt::Display for WriteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cipher {
                index,
                fingerprint,
                format,
            } => {
                let (has, holds) = match format.cipher() {
                    Some(TicketCipher::Aes256) => ("AES-128", "AES-256"),
                    _ => ("AES-256", "AES-128"),
                };
                write!(
                    f,
                    "ticket key {} ({fingerprint}) is for {has}: {format} holds keys for {holds}",
                    index + 1
                )
            }
            Self::MacSecret {
                index,
                fingerprint,
                format,
                len,
                room,
            } => write!(
                f,
                "ticket key {} ({fingerprint}) has a MAC secret of {len} bytes: {format} has room \
                 for {room}",
                index + 1
            ),
            Self::NoSecond { index, fingerprint } => write!(
                f,
                "ticket key {} ({fingerprint}) has no second left at which it could begin to seal",
                index + 1
            ),
            Self::NothingSeals => f.write_str("no ticket key seals at this time"),
            Self::TooFew { keys, least } => {
                write!(f, "{keys} ticket keys where it takes {least}")
            }
            Self::NotOneNext { keys } => write!(
                f,
                "{keys} ticket keys are to seal next where it takes exactly one"
            ),
        }
    }
}

impl Error for WriteError {}
