//! What a header says.

use super::addresses::Addresses;
use super::wire::FIXED;

/// The longest header that is taken, in bytes: 4096 more than a binary one begins with.
pub(crate) const MAX_RECEIVED: usize = FIXED + 4096;

/// How far a header has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub(crate) enum Parse {
    /// Each byte so far is the header's, and it has more.
    Incomplete,
    /// The header is the first `length` bytes.
    Complete { header: Received, length: usize },
}

/// A valid header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Received {
    /// `None` where the header names no addresses of IP (`LOCAL`, `UNKNOWN`, unspecified families,
    /// Unix sockets): then the addresses of the connection itself count.
    pub(crate) addresses: Option<Addresses>,
}
