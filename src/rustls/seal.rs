//! The bytes of a ticket: `mark[16] | key name[16] | nonce[16] | AES-256-GCM of time[8] and value`.
//!
//! Each ticket has a key of its own, derived from both secrets of a ticket key, the scope and the
//! nonce, so that AES-GCM never sees a key twice: no number of tickets makes it unsafe. The header
//! is authenticated, and so is the scope, by way of the key.

use aes_gcm::aead::AeadInOut;
use aes_gcm::{Aes256Gcm, Nonce};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::resume::Scope;
use crate::tickets::TicketKey;

/// Whose tickets these are, and their version. Where tickets of other servers have the name of a
/// key, so that no key's lookup takes one for the other's.
const MARK: &[u8; 16] = b"rekindle rustls\x01";

const NAME: usize = 16;
const NONCE: usize = 16;
const HEADER: usize = MARK.len() + NAME + NONCE;
const TIME: usize = 8;
const TAG: usize = 16;

/// The whole ticket of `value`; `None` without randomness.
pub(super) fn seal(key: &TicketKey, scope: &Scope, unix: u64, value: &[u8]) -> Option<Vec<u8>> {
    // Room for all at once: growing would leave a copy of the value behind.
    let mut ticket = Vec::with_capacity(HEADER + TIME + value.len() + TAG);
    ticket.extend_from_slice(MARK);
    ticket.extend_from_slice(key.name());
    ticket.extend_from_slice(&[0; NONCE]);
    getrandom::fill(&mut ticket[HEADER - NONCE..]).ok()?;
    ticket.extend_from_slice(&unix.to_be_bytes());
    ticket.extend_from_slice(value);
    let (header, body) = ticket.split_at_mut(HEADER);
    let tag = cipher(key, scope, header)
        .encrypt_inout_detached(&Nonce::default(), header, body.into())
        .ok()?;
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
        cipher(key, scope, self.header)
            .decrypt_inout_detached(
                &Nonce::default(),
                self.header,
                value.as_mut_slice().into(),
                tag.into(),
            )
            .ok()?;
        let time = u64::from_be_bytes(*value.first_chunk()?);
        value.drain(..TIME);
        Some((time, value))
    }
}

fn cipher(key: &TicketKey, scope: &Scope, header: &[u8]) -> Aes256Gcm {
    let mut mac = Hmac::<Sha256>::new_from_slice(key.hmac_secret()).expect("any length will do");
    mac.update(b"rekindle rustls ticket key");
    mac.update(scope.as_bytes());
    mac.update(&header[HEADER - NONCE..]);
    mac.update(key.aes_key());
    let derived = Zeroizing::new(<[u8; 32]>::from(mac.finalize().into_bytes()));
    Aes256Gcm::new((&*derived).into())
}
