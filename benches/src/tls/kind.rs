//! The kinds of a handshake.

use clap::ValueEnum;
use openssl::ssl::{SslSessionRef, SslVersion};

use super::ffi::ticket_of;
use crate::record::named;

/// Tickets up to this length can be no more than an id; one that carries a session is far longer
/// (a TLS 1.2 master secret alone has 48 bytes, and key name, IV and MAC 64 more).
const LONGEST_ID: usize = 64;

/// A full handshake, or how a session is resumed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum HandshakeKind {
    FullTls12,
    FullTls13,
    Tls12Id,
    Tls12Ticket,
    Tls13Ticket,
    Tls13Stateful,
}

impl HandshakeKind {
    /// Whether the client offers a session.
    pub(crate) fn resumes(self) -> bool {
        !matches!(self, Self::FullTls12 | Self::FullTls13)
    }

    /// Whether sessions come back out of the server's memory.
    pub(crate) fn looks_up(self) -> bool {
        matches!(self, Self::Tls12Id | Self::Tls13Stateful)
    }

    pub(crate) fn version(self) -> SslVersion {
        match self {
            Self::FullTls12 | Self::Tls12Id | Self::Tls12Ticket => SslVersion::TLS1_2,
            Self::FullTls13 | Self::Tls13Ticket | Self::Tls13Stateful => SslVersion::TLS1_3,
        }
    }

    /// Whether a session that a client has received is resumed like this.
    /// The error says what the server did instead.
    pub(crate) fn accepts(self, session: &SslSessionRef) -> Result<(), String> {
        let ticket = ticket_of(session).len();
        let fits = match self {
            Self::FullTls12 | Self::FullTls13 => true,
            Self::Tls12Id => ticket == 0 && !session.id().is_empty(),
            Self::Tls12Ticket | Self::Tls13Ticket => ticket > LONGEST_ID,
            Self::Tls13Stateful => (1..=LONGEST_ID).contains(&ticket),
        };
        match (fits, ticket) {
            (true, _) => Ok(()),
            (false, 0) if session.id().is_empty() => Err("it gives neither id nor ticket".into()),
            (false, 0) => Err("it gives an id and no ticket".into()),
            (false, length) => Err(format!("it gives a ticket of {length} bytes")),
        }
    }
}

named!(HandshakeKind {
    FullTls12 => "full, TLS 1.2",
    FullTls13 => "full, TLS 1.3",
    Tls12Id => "TLS 1.2 id",
    Tls12Ticket => "TLS 1.2 ticket",
    Tls13Ticket => "TLS 1.3 ticket",
    Tls13Stateful => "TLS 1.3 stateful",
});
