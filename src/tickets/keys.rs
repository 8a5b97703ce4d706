//! A key, and an immutable ring of them.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::{Zeroize, Zeroizing};

use super::error::TicketKeyError;

const NAME: usize = 16;
const SECRET: usize = 16;

/// One session ticket encryption key (STEK): a public name, a secret for HMAC-SHA256 and a key for
/// AES-128-CBC.
pub struct TicketKey {
    name: [u8; NAME],
    /// `hmac_secret | aes_key`. On the heap, so that moving the key leaves no copy behind.
    secrets: Box<Zeroizing<[u8; 2 * SECRET]>>,
}

impl TicketKey {
    /// Bytes of a record: `name[16] | hmac_secret[16] | aes_key[16]`.
    pub const RECORD: usize = NAME + 2 * SECRET;

    fn from_record(record: &[u8; Self::RECORD]) -> Self {
        let (name, secrets) = record
            .split_first_chunk()
            .expect("a record begins with a name");
        let mut key = Self {
            name: *name,
            secrets: Box::new(Zeroizing::new([0; 2 * SECRET])),
        };
        key.secrets.copy_from_slice(secrets);
        key
    }

    /// The name, which every ticket that the key seals carries in the clear.
    #[inline]
    #[must_use]
    pub fn name(&self) -> &[u8; 16] {
        &self.name
    }

    /// The secret for HMAC-SHA256.
    #[inline]
    #[must_use]
    pub fn hmac_secret(&self) -> &[u8; 16] {
        self.secrets.first_chunk().expect("32 bytes")
    }

    /// The key for AES-128-CBC.
    #[inline]
    #[must_use]
    pub fn aes_key(&self) -> &[u8; 16] {
        self.secrets.last_chunk().expect("32 bytes")
    }

    /// Tells keys apart without showing them: equal on two machines only if the whole key is.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        let mut mac =
            Hmac::<Sha256>::new_from_slice(&self.secrets[..]).expect("any length will do");
        mac.update(b"rekindle ticket key fingerprint");
        mac.update(&self.name);
        let tag = mac.finalize().into_bytes();
        Fingerprint(*tag.first_chunk().expect("32 bytes"))
    }
}

/// A truncated MAC under a ticket key: 8 bytes, shown as 16 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint([u8; 8]);

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

/// An immutable ring of ticket keys, never empty: the first seals, all open.
pub struct TicketKeys {
    keys: Box<[TicketKey]>,
    trailing: usize,
}

impl TicketKeys {
    /// Reads records of 48 bytes, `name[16] | hmac_secret[16] | aes_key[16]`, as Traffic Server's
    /// key files hold them. Bytes behind the last whole record are ignored and
    /// [counted](Self::trailing).
    ///
    /// # Errors
    ///
    /// [`TooShort`](TicketKeyError::TooShort) without a whole record,
    /// [`AllZero`](TicketKeyError::AllZero) for a record of zeros,
    /// [`DuplicateName`](TicketKeyError::DuplicateName) for two records with one name.
    pub fn parse(records: &[u8]) -> Result<Self, TicketKeyError> {
        let (records, trailing) = records.as_chunks();
        if records.is_empty() {
            return Err(TicketKeyError::TooShort {
                len: trailing.len(),
            });
        }
        if let Some(record) = records.iter().position(|r| *r == [0; TicketKey::RECORD]) {
            return Err(TicketKeyError::AllZero { record });
        }
        let keys: Box<[_]> = records.iter().map(TicketKey::from_record).collect();
        if let Some((first, second)) = duplicate_name(&keys) {
            return Err(TicketKeyError::DuplicateName { first, second });
        }
        Ok(Self {
            keys,
            trailing: trailing.len(),
        })
    }

    /// A ring with one key of random bytes.
    ///
    /// # Errors
    ///
    /// [`TicketKeyError::NoRandomness`] when the operating system gives none.
    pub fn random() -> Result<Self, TicketKeyError> {
        let mut record = Zeroizing::new([0; TicketKey::RECORD]);
        getrandom::fill(&mut *record).map_err(|e| TicketKeyError::NoRandomness(e.to_string()))?;
        Self::parse(&*record)
    }

    /// The key that seals.
    #[inline]
    #[must_use]
    pub fn sealing(&self) -> &TicketKey {
        &self.keys[0]
    }

    /// The key that opens tickets with this name, and its place in the ring: 0 for the one that
    /// seals; tickets of any other deserve to be renewed.
    #[inline]
    #[must_use]
    pub fn opening(&self, name: &[u8; 16]) -> Option<(usize, &TicketKey)> {
        // Names are public: comparing them needs no constant time.
        self.keys.iter().enumerate().find(|(_, k)| k.name == *name)
    }

    /// Number of keys: at least one.
    #[allow(clippy::len_without_is_empty)]
    #[must_use]
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// The keys, the one that seals first.
    pub fn iter(&self) -> impl Iterator<Item = &TicketKey> {
        self.keys.iter()
    }

    /// Bytes behind the last whole record that [`parse`](Self::parse) ignored.
    #[must_use]
    pub fn trailing(&self) -> usize {
        self.trailing
    }
}

fn duplicate_name(keys: &[TicketKey]) -> Option<(usize, usize)> {
    let mut by_name: Vec<usize> = (0..keys.len()).collect();
    by_name.sort_by_key(|i| (keys[*i].name, *i));
    let mut pairs = by_name.windows(2);
    let twins = pairs.find(|pair| keys[pair[0]].name == keys[pair[1]].name)?;
    Some((twins[0], twins[1]))
}

/// Shows fingerprints, no keys.
impl fmt::Debug for TicketKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.keys).finish()
    }
}

impl Drop for TicketKey {
    fn drop(&mut self) {
        // The secrets wipe themselves. The name is no secret, but with it a core dump tells which
        // tickets were ours.
        self.name.zeroize();
    }
}
