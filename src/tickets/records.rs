//! Ticket keys as raw records of one length, one after the other.

use super::error::{KeyLocation, TicketKeyError};
use super::key::{NAME, TicketCipher, TicketKey};
use super::key_set::{KeyEntry, TicketKeys};
use super::not_random;
use super::schedule::KeyRole;

/// How a raw record is laid out: a name of 16 bytes, then an encryption key and a MAC secret of
/// equal length, in either order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordLayout {
    /// The cipher that the encryption key is for.
    pub cipher: TicketCipher,
    /// Whether the MAC secret comes before the encryption key.
    pub hmac_first: bool,
}

impl RecordLayout {
    /// `name[16] | hmac_secret[16] | aes_key[16]`: Traffic Server's and Apache's.
    pub const TRAFFIC_SERVER: Self = Self {
        cipher: TicketCipher::Aes128,
        hmac_first: true,
    };

    /// Bytes of a record: 48 for AES-128, 80 for AES-256.
    #[allow(clippy::len_without_is_empty)]
    pub const fn len(self) -> usize {
        NAME + 2 * self.cipher.key_len()
    }

    /// Reads one record of [`len`](Self::len) bytes.
    ///
    /// # Errors
    ///
    /// [`TicketKeyError::TooShort`] for another length; [`TicketKeyError::Bad`] for a weak key.
    pub fn parse(self, record: &[u8], at: KeyLocation) -> Result<TicketKey, TicketKeyError> {
        let whole = record.split_first_chunk::<NAME>();
        let Some((name, secrets)) = whole.filter(|_| record.len() == self.len()) else {
            return Err(self.too_short(record));
        };
        let (first, second) = secrets.split_at(self.cipher.key_len());
        let (hmac, aes) = if self.hmac_first {
            (first, second)
        } else {
            (second, first)
        };
        TicketKey::new(*name, hmac, aes).map_err(|fault| TicketKeyError::Bad { at, fault })
    }

    fn too_short(self, bytes: &[u8]) -> TicketKeyError {
        TicketKeyError::TooShort {
            len: bytes.len(),
            record: self.len(),
        }
    }
}

impl TicketKeys {
    /// Reads records of 48 bytes, `name[16] | hmac_secret[16] | aes_key[16]`, as Traffic Server's
    /// key files hold them: the first key seals, all open. A newline may follow the last record.
    ///
    /// The crate `rekindle-key-files` reads the formats of other servers.
    ///
    /// # Errors
    ///
    /// [`TicketKeyError`] says which record is not a key, and why.
    pub fn parse(records: &[u8]) -> Result<Self, TicketKeyError> {
        Self::parse_records(records, RecordLayout::TRAFFIC_SERVER)
    }

    /// As [`parse`](Self::parse), for records of another layout.
    ///
    /// # Errors
    ///
    /// As [`parse`](Self::parse).
    pub fn parse_records(content: &[u8], layout: RecordLayout) -> Result<Self, TicketKeyError> {
        if let Some(resemblance) = not_random::of_content(content) {
            return Err(TicketKeyError::NotRecords(resemblance));
        }
        let records = content.chunks_exact(layout.len());
        let trailing = records.remainder();
        if records.len() == 0 {
            return Err(layout.too_short(content));
        }
        // An editor's newline is no byte of a key. Behind a carriage return it may be: a program
        // that took a key for text has made two bytes of a last 0x0A.
        let converted = trailing == b"\n" && content[content.len() - 2] == b'\r';
        if converted || !matches!(trailing, b"" | b"\n" | b"\r\n") {
            return Err(TicketKeyError::TrailingBytes {
                bytes: trailing.len(),
                record: layout.len(),
            });
        }
        if records.len() > Self::MAX_KEYS {
            return Err(TicketKeyError::TooMany);
        }
        let entry = |(record, bytes)| {
            let role = match record {
                0 => KeyRole::Seal,
                _ => KeyRole::Open,
            };
            let at = KeyLocation::record(record);
            let key = layout.parse(bytes, at)?;
            Ok(KeyEntry::new(key, role, at))
        };
        let keys: Result<_, TicketKeyError> = records.enumerate().map(entry).collect();
        Self::new(keys?)
    }
}
