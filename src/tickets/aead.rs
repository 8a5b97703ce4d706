//! Authenticated encryption under a ticket key, for tickets that no other server's code opens.
//!
//! XAES-256-GCM (<https://c2sp.org/XAES-256-GCM>): the first half of a nonce of 24 bytes makes an
//! encryption key, for which the second half is AES-GCM's nonce. So no number of tickets makes
//! random nonces unsafe. The key above those comes from both secrets of the ticket key, once.

use std::fmt;
use std::sync::Arc;

use aes_gcm::aes::Aes256Enc;
use aes_gcm::aes::cipher::BlockCipherEncrypt;
use arc_swap::{ArcSwapOption, Guard};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

/// Tickets of one process, on average, of which the first half of the nonce is the same. With the
/// other half at random, two of them are alike by a chance of 2^-57.
const TICKETS_PER_HALF: u32 = 1 << 20;

const HALF: usize = AeadKey::NONCE / 2;

/// Random bytes for a ticket: its nonce, and a lot that says whether the first half is a new one.
const RANDOM: usize = AeadKey::NONCE + size_of::<u32>();

/// AES-256-GCM under one key.
pub trait Gcm: Send + Sync {
    /// Encrypts in place; the tag, or `None` for more bytes than AES-GCM takes.
    fn seal(
        &self,
        nonce: &[u8; HALF],
        authenticated: &[u8],
        bytes: &mut [u8],
    ) -> Option<[u8; AeadKey::TAG]>;

    /// Decrypts `bytes | tag` in place, without the tag; `None` if anything was changed.
    fn open<'a>(
        &self,
        nonce: &[u8; HALF],
        authenticated: &[u8],
        sealed: &'a mut [u8],
    ) -> Option<&'a [u8]>;
}

/// What a ticket key is for authenticated encryption: XAES-256-GCM, under a key that is made of
/// both its secrets. Overwritten when it is dropped.
///
/// Setting up a key takes as long as sealing a ticket, so that the first half of nonces stays the
/// same for about a million tickets. When it changes, chance says, and no count, which processes
/// that fork and machines that are restored from a snapshot would share.
pub struct AeadKey {
    cipher: Aes256Enc,
    /// The first subkey of CMAC.
    subkey: Zeroizing<[u8; 16]>,
    kept: ArcSwapOption<Kept>,
}

/// AES-256-GCM for one ticket.
#[derive(Debug)]
pub struct Message {
    nonce: [u8; AeadKey::NONCE],
    kept: Guard<Option<Arc<Kept>>>,
}

/// A key, and the half of a nonce that it is for.
struct Kept {
    half: [u8; HALF],
    gcm: Box<dyn Gcm>,
}

impl AeadKey {
    /// Bytes of a nonce.
    pub const NONCE: usize = 24;

    /// Bytes of a tag.
    pub const TAG: usize = 16;

    pub(super) fn of(hmac_secret: &[u8], aes_key: &[u8]) -> Self {
        let mut mac = Hmac::<Sha256>::new_from_slice(hmac_secret).expect("any length will do");
        mac.update(b"rekindle ticket XAES-256-GCM");
        mac.update(aes_key);
        Self::new(&Zeroizing::new(mac.finalize().into_bytes().into()))
    }

    /// Under this key itself: what the specification has vectors of.
    pub(crate) fn new(key: &[u8; 32]) -> Self {
        let cipher = Aes256Enc::new(key.into());
        let mut zeros = [0; 16].into();
        cipher.encrypt_block(&mut zeros);
        let bits = Zeroizing::new(u128::from_be_bytes(zeros.into()));
        // In the field of 2^128 elements: times x, without a branch on a secret.
        let subkey = (*bits << 1) ^ ((*bits >> 127) * 0x87);
        Self {
            cipher,
            subkey: Zeroizing::new(subkey.to_be_bytes()),
            kept: ArcSwapOption::empty(),
        }
    }

    /// For a ticket to be sealed, with a nonce drawn at random; `None` without randomness. `make`
    /// sets a key up.
    pub fn draw(&self, make: impl FnOnce(&[u8; 32]) -> Box<dyn Gcm>) -> Option<Message> {
        let mut random = [0; RANDOM];
        getrandom::fill(&mut random).ok()?;
        Some(self.drawn(&random, make))
    }

    fn drawn(
        &self,
        random: &[u8; RANDOM],
        make: impl FnOnce(&[u8; 32]) -> Box<dyn Gcm>,
    ) -> Message {
        let mut nonce = *random
            .first_chunk::<{ Self::NONCE }>()
            .expect("it begins with one");
        let lot = u32::from_le_bytes(*random.last_chunk().expect("it ends with one"));
        let mut kept = self.kept.load();
        match &*kept {
            Some(kept) if lot % TICKETS_PER_HALF != 0 => nonce[..HALF].copy_from_slice(&kept.half),
            _ => {
                let anew = Arc::new(self.set_up(&nonce, make));
                self.kept.store(Some(Arc::clone(&anew)));
                kept = Guard::from_inner(Some(anew));
            }
        }
        Message { nonce, kept }
    }

    /// For a ticket to be opened, with its nonce.
    pub fn at(
        &self,
        nonce: &[u8; Self::NONCE],
        make: impl FnOnce(&[u8; 32]) -> Box<dyn Gcm>,
    ) -> Message {
        let mut kept = self.kept.load();
        if !kept
            .as_ref()
            .is_some_and(|kept| nonce.starts_with(&kept.half))
        {
            kept = Guard::from_inner(Some(Arc::new(self.set_up(nonce, make))));
        }
        Message {
            nonce: *nonce,
            kept,
        }
    }

    fn set_up(
        &self,
        nonce: &[u8; Self::NONCE],
        make: impl FnOnce(&[u8; 32]) -> Box<dyn Gcm>,
    ) -> Kept {
        let (half, _) = nonce.split_first_chunk().expect("a half");
        let mut key = Zeroizing::new([0; 32]);
        for (number, block) in (1..).zip(key.chunks_exact_mut(16)) {
            block[1] = number;
            block[2] = b'X';
            block[4..].copy_from_slice(half);
            for (byte, subkey) in block.iter_mut().zip(&*self.subkey) {
                *byte ^= subkey;
            }
            let block = block.try_into().expect("a block");
            self.cipher.encrypt_block(block);
        }
        Kept {
            half: *half,
            gcm: make(&key),
        }
    }
}

impl Message {
    /// The nonce, which goes into the ticket.
    #[must_use]
    pub fn nonce(&self) -> &[u8; AeadKey::NONCE] {
        &self.nonce
    }

    /// As [`Gcm::seal`].
    pub fn seal(&self, authenticated: &[u8], bytes: &mut [u8]) -> Option<[u8; AeadKey::TAG]> {
        let (gcm, nonce) = self.parts();
        gcm.seal(nonce, authenticated, bytes)
    }

    /// As [`Gcm::open`].
    pub fn open<'a>(&self, authenticated: &[u8], sealed: &'a mut [u8]) -> Option<&'a [u8]> {
        let (gcm, nonce) = self.parts();
        gcm.open(nonce, authenticated, sealed)
    }

    fn parts(&self) -> (&dyn Gcm, &[u8; HALF]) {
        let kept = self.kept.as_ref().expect("a key");
        let nonce = self.nonce.last_chunk().expect("the other half");
        (&*kept.gcm, nonce)
    }
}

/// Shows nothing.
impl fmt::Debug for AeadKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AeadKey").finish_non_exhaustive()
    }
}

/// Shows nothing.
impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kept").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    struct Nothing;

    impl Gcm for Nothing {
        fn seal(&self, _: &[u8; HALF], _: &[u8], _: &mut [u8]) -> Option<[u8; AeadKey::TAG]> {
            None
        }

        fn open<'a>(&self, _: &[u8; HALF], _: &[u8], _: &'a mut [u8]) -> Option<&'a [u8]> {
            None
        }
    }

    #[test]
    fn a_key_is_set_up_for_the_first_ticket_and_when_chance_says() {
        let (key, made) = (AeadKey::new(&[1; 32]), Cell::new(0));
        let make = |_: &[u8; 32]| {
            made.set(made.get() + 1);
            Box::new(Nothing) as Box<dyn Gcm>
        };
        let draw = |byte, lot: u32| {
            let mut random = [byte; RANDOM];
            random[AeadKey::NONCE..].copy_from_slice(&lot.to_le_bytes());
            *key.drawn(&random, make).nonce()
        };
        let halves = |first, second| [[first; HALF], [second; HALF]].concat();
        assert_eq!(draw(1, 1).to_vec(), halves(1, 1));
        assert_eq!(draw(2, 7 << 19).to_vec(), halves(1, 2));
        assert_eq!((draw(3, u32::MAX).to_vec(), made.get()), (halves(1, 3), 1));
        assert_eq!((draw(4, 0).to_vec(), made.get()), (halves(4, 4), 2));
        assert_eq!((draw(5, 9 << 20).to_vec(), made.get()), (halves(5, 5), 3));
        // A ticket of before, of another process: its key is set up for it alone.
        key.at(&[4; AeadKey::NONCE], make);
        assert_eq!(made.get(), 4);
        key.at(&[5; AeadKey::NONCE], make);
        assert_eq!(made.get(), 4);
    }
}
