//! One session ticket encryption key.

use std::cmp::Ordering;
use std::fmt;
#[cfg(feature = "rustls")]
use std::sync::OnceLock;

use hmac::digest::CtOutput;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::{Zeroize, Zeroizing};

#[cfg(feature = "rustls")]
use super::aead::AeadKey;
use super::error::{KeyFault, KeyLocation, NoRandomness, TicketKeyError};
use super::not_random;

/// Bytes of a name.
pub(super) const NAME: usize = 16;

/// The longest MAC secret: a block of SHA-256. A longer one would be hashed first.
const LONGEST_SECRET: usize = 64;

/// One session ticket encryption key (STEK): a public name, a secret for HMAC-SHA256 and a key for
/// AES-128-CBC or AES-256-CBC. Overwritten when it is dropped.
pub struct TicketKey {
    name: [u8; NAME],
    /// `hmac_secret | aes_key`. On the heap, so that moving the key leaves no copy behind.
    secrets: Zeroizing<Box<[u8]>>,
    hmac_len: usize,
    fingerprint: Fingerprint,
    #[cfg(feature = "rustls")]
    aead: OnceLock<Box<AeadKey>>,
}

/// The cipher that a key is for, in CBC mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TicketCipher {
    /// A key of 16 bytes.
    Aes128,
    /// A key of 32 bytes.
    Aes256,
}

impl TicketCipher {
    /// Bytes of a key, and of the MAC secret that is made beside it.
    pub const fn key_len(self) -> usize {
        match self {
            Self::Aes128 => 16,
            Self::Aes256 => 32,
        }
    }
}

/// Such as `AES-128`.
impl fmt::Display for TicketCipher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AES-{}", 8 * self.key_len())
    }
}

impl TicketKey {
    /// A key of these parts: `aes_key` of 16 or 32 bytes, `hmac_secret` of 16, 32 or 64.
    ///
    /// HMAC pads its secret with zeros to 64 bytes (RFC 2104), so zeros at its end are cut off down
    /// to the next length that is allowed.
    ///
    /// # Errors
    ///
    /// [`KeyFault`] for a weak key, one that was not drawn at random, or one of another length.
    pub fn new(name: [u8; 16], hmac_secret: &[u8], aes_key: &[u8]) -> Result<Self, KeyFault> {
        if ![16, 32].contains(&aes_key.len()) || ![16, 32, 64].contains(&hmac_secret.len()) {
            return Err(KeyFault::Length);
        }
        let hmac_secret = without_padding(hmac_secret, aes_key.len());
        let mut key = Self::zeroed(name, hmac_secret.len(), aes_key.len());
        let (ours_hmac, ours_aes) = key.secrets.split_at_mut(hmac_secret.len());
        ours_hmac.copy_from_slice(hmac_secret);
        ours_aes.copy_from_slice(aes_key);
        key.checked()?.judged()
    }

    /// A key of random bytes.
    ///
    /// # Errors
    ///
    /// [`TicketKeyError::NoRandomness`] when the operating system gives none.
    pub fn random(cipher: TicketCipher) -> Result<Self, TicketKeyError> {
        let draw = || {
            let mut key = Self::zeroed([0; NAME], cipher.key_len(), cipher.key_len());
            getrandom::fill(&mut key.name).map_err(NoRandomness::from)?;
            getrandom::fill(&mut key.secrets).map_err(NoRandomness::from)?;
            let key = key.checked().and_then(Self::judged);
            let at = KeyLocation::record(0);
            key.map_err(|fault| TicketKeyError::Bad { at, fault })
        };
        // One key in a billion looks like none: a file of it would be refused.
        draw().or_else(|_| draw())
    }

    /// A key whose bytes `fill` writes, name and secrets (`hmac_secret | aes_key`): they are
    /// nowhere else.
    pub(super) fn filled(
        cipher: TicketCipher,
        fill: impl FnOnce(&mut [u8; NAME], &mut [u8]),
    ) -> Result<Self, KeyFault> {
        let mut key = Self::zeroed([0; NAME], cipher.key_len(), cipher.key_len());
        fill(&mut key.name, &mut key.secrets);
        key.checked()
    }

    fn zeroed(name: [u8; NAME], hmac_len: usize, aes_len: usize) -> Self {
        Self {
            name,
            secrets: Zeroizing::new(vec![0; hmac_len + aes_len].into_boxed_slice()),
            hmac_len,
            fingerprint: Fingerprint([0; 8]),
            #[cfg(feature = "rustls")]
            aead: OnceLock::new(),
        }
    }

    /// The key for authenticated encryption that is made of its secrets, for tickets that no other
    /// server's code opens.
    #[cfg(feature = "rustls")]
    pub fn aead(&self) -> &AeadKey {
        let make = || Box::new(AeadKey::of(self.hmac_secret(), self.aes_key()));
        self.aead.get_or_init(make)
    }

    fn checked(mut self) -> Result<Self, KeyFault> {
        let (hmac, aes) = (self.hmac_secret(), self.aes_key());
        let repeated = |bytes: &[u8]| bytes.iter().all(|byte| *byte == bytes[0]);
        if self.secrets.iter().all(|byte| *byte == 0) {
            Err(KeyFault::AllZero)
        } else if repeated(hmac) || repeated(aes) {
            Err(KeyFault::RepeatedByte)
        } else if hmac.starts_with(aes) || aes.starts_with(hmac) {
            Err(KeyFault::EqualSecrets)
        } else {
            self.fingerprint = self.compute_fingerprint();
            Ok(self)
        }
    }

    fn judged(self) -> Result<Self, KeyFault> {
        // Zeros that pad a MAC secret are none of its bytes.
        let hmac_secret = without_padding(self.hmac_secret(), 16);
        if let Some(resemblance) = not_random::of_key(hmac_secret, self.aes_key()) {
            return Err(KeyFault::NotRandom(resemblance));
        }
        let is_part = |part: &[u8]| self.secrets.windows(part.len()).any(|ours| ours == part);
        match self.name.windows(8).any(is_part) {
            true => Err(KeyFault::NameInSecrets),
            false => Ok(self),
        }
    }

    /// The name, which every ticket that the key seals carries in the clear.
    #[inline]
    pub fn name(&self) -> &[u8; 16] {
        &self.name
    }

    /// The secret for HMAC-SHA256: 16, 32 or 64 bytes.
    #[inline]
    pub fn hmac_secret(&self) -> &[u8] {
        &self.secrets[..self.hmac_len]
    }

    /// The key for AES-CBC: 16 or 32 bytes.
    #[inline]
    pub fn aes_key(&self) -> &[u8] {
        &self.secrets[self.hmac_len..]
    }

    /// The cipher that [`aes_key`](Self::aes_key) is for.
    #[inline]
    pub fn cipher(&self) -> TicketCipher {
        if self.aes_key().len() == TicketCipher::Aes128.key_len() {
            TicketCipher::Aes128
        } else {
            TicketCipher::Aes256
        }
    }

    /// Orders keys by their secrets: equal if, but for the name, they open each other's tickets.
    pub(super) fn cmp_secrets(&self, other: &Self) -> Ordering {
        // As HMAC pads them: 16 bytes and the same 16 with zeros behind them are one secret.
        let padding = |key: &Self| std::iter::repeat_n(&0, LONGEST_SECRET - key.hmac_len);
        let ours = self.hmac_secret().iter().chain(padding(self));
        let theirs = other.hmac_secret().iter().chain(padding(other));
        let by_aes_key = self.aes_key().cmp(other.aes_key());
        by_aes_key.then_with(|| ours.cmp(theirs))
    }

    /// Tells keys apart without showing them: equal on two machines only if the whole key is, name
    /// and secrets. The format that a key came in makes no difference.
    #[inline]
    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    fn compute_fingerprint(&self) -> Fingerprint {
        let constant = &b"rekindle ticket key fingerprint"[..];
        let of_hmac_secret = tag(self.hmac_secret(), &[constant]);
        let message = [constant, &self.name, of_hmac_secret.as_bytes()];
        let tag = tag(self.aes_key(), &message);
        Fingerprint(*tag.as_bytes().first_chunk().expect("32 bytes"))
    }
}

/// Wipes itself.
pub(super) type Tag = CtOutput<Hmac<Sha256>>;

/// HMAC-SHA256.
pub(super) fn tag(key: &[u8], message: &[&[u8]]) -> Tag {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("any length will do");
    message.iter().for_each(|part| mac.update(part));
    mac.finalize()
}

/// A MAC secret without padding, but if possible no shorter than `least` bytes.
fn without_padding(secret: &[u8], least: usize) -> &[u8] {
    let padded = |len: &usize| secret[*len..].iter().all(|byte| *byte == 0);
    let shorter = [16, 32]
        .into_iter()
        .filter(|len| *len >= least && *len < secret.len());
    let len = shorter.into_iter().find(padded).unwrap_or(secret.len());
    &secret[..len.min(LONGEST_SECRET)]
}

/// A truncated MAC under a ticket key: 8 bytes, shown as 16 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint([u8; 8]);

impl Fingerprint {
    pub(super) fn as_bytes(&self) -> &[u8; 8] {
        &self.0
    }

    pub(super) fn from_bytes(bytes: [u8; 8]) -> Self {
        Self(bytes)
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Shows the fingerprint, not the key.
impl fmt::Debug for TicketKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TicketKey({})", self.fingerprint())
    }
}

impl Drop for TicketKey {
    fn drop(&mut self) {
        // The secrets wipe themselves. The name is no secret, but with it a core dump tells which
        // tickets this process sealed.
        self.name.zeroize();
    }
}
