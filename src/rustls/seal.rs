//! The bytes of a ticket: `mark[16] | key name[16] | nonce[24] | time[8] | value | tag[16]`, of
//! which time and value are sealed. The header is authenticated, and so is the scope, which the
//! ticket does not carry.

use super::gcm::GcmSource;
use crate::resume::Scope;
use crate::tickets::{AeadKey, TicketKey};

/// Whose tickets these are, and their version. Where tickets of other servers have the name of a
/// key, so that no key's lookup takes one for the other's.
const MARK: &[u8; 16] = b"rekindle rustls\x01";

const NAME: usize = 16;
const HEADER: usize = MARK.len() + NAME + NONCE;
const TIME: usize = 8;
const NONCE: usize = AeadKey::NONCE;
const TAG: usize = AeadKey::TAG;

/// The whole ticket of `value`; `None` without randomness.
pub(super) fn seal(
    (source, key): (GcmSource, &TicketKey),
    scope: &Scope,
    unix: u64,
    value: &[u8],
) -> Option<Vec<u8>> {
    let message = key.aead().draw(|key| source.set_up(key))?;
    // Room for all at once: growing would leave a copy of the value behind.
    let mut ticket = Vec::with_capacity(HEADER + TIME + value.len() + TAG);
    ticket.extend_from_slice(MARK);
    ticket.extend_from_slice(key.name());
    ticket.extend_from_slice(message.nonce());
    ticket.extend_from_slice(&unix.to_be_bytes());
    ticket.extend_from_slice(value);
    let (header, sealed) = ticket.split_first_chunk_mut()?;
    let tag = message.seal(&authenticated(header, scope), sealed)?;
    ticket.extend_from_slice(&tag);
    Some(ticket)
}

/// A ticket in its parts.
pub(super) struct Parts<'a> {
    header: &'a [u8; HEADER],
    body: &'a [u8],
}

impl<'a> Parts<'a> {
    /// `None` for what this adapter did not make.
    pub(super) fn of(ticket: &'a [u8]) -> Option<Self> {
        let (header, body) = ticket.split_first_chunk()?;
        let is_ours = header.starts_with(MARK) && body.len() >= TIME + TAG;
        is_ours.then_some(Self { header, body })
    }

    pub(super) fn key_name(&self) -> &'a [u8; NAME] {
        let (_, name) = self.header.split_first_chunk::<16>().expect("it is longer");
        name.first_chunk().expect("a name")
    }

    /// When it was sealed, in seconds since 1970, and its value; `None` if it was not made with
    /// that key and under that scope.
    pub(super) fn open(
        &self,
        (source, key): (GcmSource, &TicketKey),
        scope: &Scope,
    ) -> Option<(u64, Vec<u8>)> {
        let mut bytes = self.body.to_vec();
        let authenticated = authenticated(self.header, scope);
        let nonce = self.header.last_chunk()?;
        let message = key.aead().at(nonce, |key| source.set_up(key));
        let opened = message.open(&authenticated, &mut bytes)?;
        let (time, opened) = (u64::from_be_bytes(*opened.first_chunk()?), opened.len());
        bytes.truncate(opened);
        bytes.drain(..TIME);
        Some((time, bytes))
    }
}

fn authenticated(header: &[u8; HEADER], scope: &Scope) -> [u8; HEADER + Scope::LEN] {
    let mut bytes = [0; HEADER + Scope::LEN];
    bytes[..HEADER].copy_from_slice(header);
    bytes[HEADER..].copy_from_slice(scope.as_bytes());
    bytes
}
