//! Authenticated encryption under a ticket key, for tickets that no other server's code opens.
//!
//! XAES-256-GCM (<https://c2sp.org/XAES-256-GCM>): each nonce of 24 bytes has an encryption key of
//! its own, so that AES-GCM never sees a key twice, and no number of tickets makes random nonces
//! unsafe. The key above those comes from both secrets of the ticket key, once.

use std::fmt;

use aes_gcm::aead::AeadInOut;
use aes_gcm::aes::Aes256Enc;
use aes_gcm::aes::cipher::BlockCipherEncrypt;
use aes_gcm::{Aes256Gcm, Nonce};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

/// Half of a nonce, which goes into the encryption key.
const HALF: usize = AeadKey::NONCE / 2;

/// What a ticket key is for authenticated encryption: XAES-256-GCM, under a key that is made of
/// both its secrets. Overwritten when it is dropped.
pub struct AeadKey {
    cipher: Aes256Enc,
    /// The first subkey of CMAC.
    subkey: Zeroizing<[u8; 16]>,
}

impl AeadKey {
    /// Bytes of a nonce, to be drawn at random for each ticket.
    pub const NONCE: usize = 24;

    /// Bytes of a tag.
    pub const TAG: usize = 16;

    pub(super) fn of(hmac_secret: &[u8], aes_key: &[u8]) -> Self {
        let mut mac = Hmac::<Sha256>::new_from_slice(hmac_secret).expect("any length will do");
        mac.update(b"rekindle ticket XAES-256-GCM");
        mac.update(aes_key);
        Self::new(&Zeroizing::new(mac.finalize().into_bytes().into()))
    }

    fn new(key: &[u8; 32]) -> Self {
        let cipher = Aes256Enc::new(key.into());
        let mut zeros = [0; 16].into();
        cipher.encrypt_block(&mut zeros);
        let bits = Zeroizing::new(u128::from_be_bytes(zeros.into()));
        // In the field of 2^128 elements: times x, without a branch on a secret.
        let subkey = (*bits << 1) ^ ((*bits >> 127) * 0x87);
        Self {
            cipher,
            subkey: Zeroizing::new(subkey.to_be_bytes()),
        }
    }

    /// Encrypts in place; the tag, or `None` for more bytes than AES-GCM takes.
    pub fn seal(
        &self,
        nonce: &[u8; Self::NONCE],
        authenticated: &[u8],
        bytes: &mut [u8],
    ) -> Option<[u8; Self::TAG]> {
        let (cipher, nonce) = self.under(nonce);
        let tag = cipher.encrypt_inout_detached(&nonce, authenticated, bytes.into());
        tag.ok().map(Into::into)
    }

    /// Decrypts in place; `None`, with the bytes as they were, if anything was changed.
    pub fn open(
        &self,
        nonce: &[u8; Self::NONCE],
        authenticated: &[u8],
        bytes: &mut [u8],
        tag: &[u8; Self::TAG],
    ) -> Option<()> {
        let (cipher, nonce) = self.under(nonce);
        let opened = cipher.decrypt_inout_detached(&nonce, authenticated, bytes.into(), tag.into());
        opened.ok()
    }

    /// The encryption key of a nonce, and the nonce that goes with it.
    fn under(&self, nonce: &[u8; Self::NONCE]) -> (Aes256Gcm, Nonce<aes_gcm::aead::consts::U12>) {
        let (of_key, rest) = nonce.split_at(HALF);
        let mut key = Zeroizing::new([0; 32]);
        for (number, half) in (1..).zip(key.chunks_exact_mut(16)) {
            half[1] = number;
            half[2] = b'X';
            half[4..].copy_from_slice(of_key);
            for (byte, subkey) in half.iter_mut().zip(&*self.subkey) {
                *byte ^= subkey;
            }
            let half = half.try_into().expect("a block");
            self.cipher.encrypt_block(half);
        }
        let rest: [u8; HALF] = rest.try_into().expect("the other half");
        (Aes256Gcm::new((&*key).into()), rest.into())
    }
}

/// Shows nothing.
impl fmt::Debug for AeadKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AeadKey").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The two vectors of the specification.
    #[test]
    fn what_the_specification_shows() {
        let nonce = b"ABCDEFGHIJKLMNOPQRSTUVWX";
        for (key, authenticated, expected) in [
            (
                1,
                &b""[..],
                "ce546ef63c9cc60765923609b33a9a1974e96e52daf2fcf7075e2271",
            ),
            (
                3,
                b"c2sp.org/XAES-256-GCM",
                "986ec1832593df5443a179437fd083bf3fdb41abd740a21f71eb769d",
            ),
        ] {
            let aead = AeadKey::new(&[key; 32]);
            let mut bytes = *b"XAES-256-GCM";
            let tag = aead.seal(nonce, authenticated, &mut bytes).unwrap();
            let sealed = [&bytes[..], &tag].concat();
            let digits: String = sealed.iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(digits, expected);
            aead.open(nonce, authenticated, &mut bytes, &tag).unwrap();
            assert_eq!(&bytes, b"XAES-256-GCM");
        }
    }
}
