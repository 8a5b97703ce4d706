//! The ways of a handshake, as a client goes about them.

use std::fmt;

use openssl::error::ErrorStack;
use openssl::ssl::{
    SslContext, SslMethod, SslOptions, SslSessionCacheMode, SslSessionRef, SslVerifyMode,
    SslVersion,
};

/// TLS 1.2's cipher suite.
pub(super) const CIPHER: &str = "ECDHE-ECDSA-AES128-GCM-SHA256";
/// TLS 1.3's.
pub(super) const CIPHER_SUITE: &str = "TLS_AES_128_GCM_SHA256";
/// The group of the key exchange, where there is one.
pub(super) const GROUP: &str = "X25519";

/// Tickets up to this length can be no more than an id; one that carries a session is far longer
/// (a TLS 1.2 master secret alone has 48 bytes, and key name, IV and MAC 64 more).
const LONGEST_ID: usize = 64;

/// A handshake in full, or a way to resume.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    FullTls12,
    FullTls13,
    IdTls12,
    TicketTls12,
    TicketTls13,
    StatefulTls13,
}

impl Way {
    pub(super) const ALL: [Self; 6] = [
        Self::FullTls12,
        Self::FullTls13,
        Self::TicketTls12,
        Self::TicketTls13,
        Self::IdTls12,
        Self::StatefulTls13,
    ];

    /// Whether the server's tickets are to carry sessions; else it has to keep them.
    pub(super) fn stateless(self) -> bool {
        !matches!(self, Self::IdTls12 | Self::StatefulTls13)
    }

    /// Whether the client offers a session.
    pub(super) fn resumes(self) -> bool {
        !matches!(self, Self::FullTls12 | Self::FullTls13)
    }

    fn version(self) -> SslVersion {
        match self {
            Self::FullTls12 | Self::IdTls12 | Self::TicketTls12 => SslVersion::TLS1_2,
            Self::FullTls13 | Self::TicketTls13 | Self::StatefulTls13 => SslVersion::TLS1_3,
        }
    }

    /// A client's context. It offers one cipher suite, one group, one signature algorithm, so that
    /// every server ends up with the same. It does not check the certificate's chain, to spend as
    /// little time as a client can; the handshake's own signature is checked.
    pub(super) fn client(self) -> Result<SslContext, ErrorStack> {
        let mut builder = SslContext::builder(SslMethod::tls_client())?;
        builder.set_min_proto_version(Some(self.version()))?;
        builder.set_max_proto_version(Some(self.version()))?;
        builder.set_cipher_list(CIPHER)?;
        builder.set_ciphersuites(CIPHER_SUITE)?;
        // The other is the certificate's: in TLS 1.2 it has to be among them. Every server takes the
        // first: four are told to, and OpenSSL prefers it for rekindle.
        builder.set_groups_list(&format!("{GROUP}:P-256"))?;
        builder.set_sigalgs_list("ECDSA+SHA256")?;
        builder.set_verify(SslVerifyMode::NONE);
        builder.set_session_cache_mode(SslSessionCacheMode::OFF);
        // One read for all that has come, not two for each record.
        builder.set_read_ahead(true);
        if self == Self::IdTls12 {
            // No server gives a ticket that was not asked for.
            builder.set_options(SslOptions::NO_TICKET);
        }
        Ok(builder.build())
    }

    /// Whether a session that a server gave out leads back this way.
    ///
    /// # Errors
    ///
    /// What the server did instead.
    pub(super) fn accepts(self, session: &SslSessionRef) -> Result<(), String> {
        let encoded = session.to_der().map_err(|error| error.to_string())?;
        match (self, ticket_length(&encoded)) {
            (Self::FullTls12 | Self::FullTls13, _) => Ok(()),
            (Self::IdTls12, None) if !session.id().is_empty() => Ok(()),
            (Self::TicketTls12 | Self::TicketTls13, Some(length)) if length > LONGEST_ID => Ok(()),
            (Self::StatefulTls13, Some(length)) if length <= LONGEST_ID => Ok(()),
            (_, None) if session.id().is_empty() => Err("it gives neither id nor ticket".into()),
            (_, None) => Err("it gives an id and no ticket".into()),
            (_, Some(length)) => Err(format!("it gives a ticket of {length} bytes")),
        }
    }
}

/// As the record names it.
impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::FullTls12 => "full, TLS 1.2",
            Self::FullTls13 => "full, TLS 1.3",
            Self::IdTls12 => "TLS 1.2 id",
            Self::TicketTls12 => "TLS 1.2 ticket",
            Self::TicketTls13 => "TLS 1.3 ticket",
            Self::StatefulTls13 => "TLS 1.3 stateful",
        })
    }
}

/// The length of the ticket in a session that `i2d_SSL_SESSION` wrote: a sequence of fields, the
/// ticket being an octet string tagged `[10]`. rust-openssl does not tell it.
fn ticket_length(session: &[u8]) -> Option<usize> {
    const TICKET: u8 = 0xaa;
    let (_, mut fields, _) = der(session)?;
    loop {
        let (tag, content, rest) = der(fields)?;
        if tag == TICKET {
            return Some(der(content)?.1.len());
        }
        fields = rest;
    }
}

/// Takes one DER element apart: tag, content, what comes behind it.
fn der(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (tag, rest) = bytes.split_first()?;
    let (first, mut rest) = rest.split_first()?;
    let mut length = usize::from(*first);
    if length >= 0x80 {
        let (digits, behind) = rest.split_at_checked(length & 0x7f)?;
        length = digits.iter().try_fold(0_usize, |sum, digit| {
            sum.checked_mul(256)?.checked_add(usize::from(*digit))
        })?;
        rest = behind;
    }
    let (content, rest) = rest.split_at_checked(length)?;
    Some((*tag, content, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn element(tag: u8, content: &[u8]) -> Vec<u8> {
        let length = u16::try_from(content.len()).unwrap().to_be_bytes();
        [&[tag, 0x82, length[0], length[1]], content].concat()
    }

    #[test]
    fn the_ticket_is_found_behind_other_fields() {
        let ticket = element(0xaa, &element(0x04, &[7; 300]));
        let session = element(
            0x30,
            &[&[0x02, 1, 1], &element(4, &[0xaa; 9])[..], &ticket].concat(),
        );
        assert_eq!(ticket_length(&session), Some(300));
    }

    #[test]
    fn without_a_ticket_or_cut_short_there_is_none() {
        let session = element(0x30, &element(4, &[0xaa; 9]));
        assert_eq!(ticket_length(&session), None);
        let whole = element(0x30, &element(0xaa, &element(4, &[1; 40])));
        for length in 0..whole.len() {
            assert_eq!(ticket_length(&whole[..length]), None);
        }
    }
}
