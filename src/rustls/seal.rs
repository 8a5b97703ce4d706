//! The bytes of a ticket: `mark[16] | key name[16] | nonce[24] | time[8] | value | tag[16]`, of
//! which time and value are sealed. The header is authenticated, and so is the scope, which the
//! ticket does not carry.

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
pub(super) fn seal(key: &TicketKey, scope: &Scope, unix: u64, value: &[u8]) -> Option<Vec<u8>> {
    let mut header = [0; HEADER];
    let (public, nonce) = header.split_last_chunk_mut::<NONCE>()?;
    public[..MARK.len()].copy_from_slice(MARK);
    public[MARK.len()..].copy_from_slice(key.name());
    getrandom::fill(nonce).ok()?;
    // Room for all at once: growing would leave a copy of the value behind.
    let mut ticket = Vec::with_capacity(HEADER + TIME + value.len() + TAG);
    ticket.extend_from_slice(&header);
    ticket.extend_from_slice(&unix.to_be_bytes());
    ticket.extend_from_slice(value);
    let authenticated = authenticated(&header, scope);
    let tag = (key.aead()).seal(nonce_of(&header), &authenticated, &mut ticket[HEADER..])?;
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
    pub(super) fn open(&self, key: &TicketKey, scope: &Scope) -> Option<(u64, Vec<u8>)> {
        let (sealed, tag) = self.body.split_last_chunk::<TAG>()?;
        let mut value = sealed.to_vec();
        let authenticated = authenticated(self.header, scope);
        (key.aead()).open(nonce_of(self.header), &authenticated, &mut value, tag)?;
        let time = u64::from_be_bytes(*value.first_chunk()?);
        value.drain(..TIME);
        Some((time, value))
    }
}

fn nonce_of(header: &[u8; HEADER]) -> &[u8; NONCE] {
    header.last_chunk().expect("it ends with the nonce")
}

fn authenticated(header: &[u8; HEADER], scope: &Scope) -> [u8; HEADER + Scope::LEN] {
    let mut bytes = [0; HEADER + Scope::LEN];
    bytes[..HEADER].copy_from_slice(header);
    bytes[HEADER..].copy_from_slice(scope.as_bytes());
    bytes
}
