//! Ticket keys as raw records of one length, one after the other.

use super::error::{KeyLocation, TicketKeyError};
use super::key::{NAME, TicketCipher, TicketKey};
use super::key_set::{KeyEntry, TicketKeys};
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
    /// key files hold them: the first key seals, all open. Bytes behind the last whole record are
    /// ignored and [counted](Self#structfield.trailing_bytes).
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
        if let Some(what) = another_format(content) {
            return Err(TicketKeyError::AnotherFormat(what));
        }
        let records = content.chunks_exact(layout.len());
        let trailing = records.remainder().len();
        if records.len() == 0 {
            return Err(layout.too_short(content));
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
        let mut keys = Self::new(keys?)?;
        keys.trailing_bytes = trailing;
        Ok(keys)
    }
}

/// The text format that `content` is in. Records may be text as well, but not text like this.
fn another_format(content: &[u8]) -> Option<&'static str> {
    let lines = content.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    let mut lines = lines.filter(|line| !line.is_empty()).peekable();
    let first = *lines.peek()?;
    let is_base64 = |line: &[u8]| {
        let digit = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/=".contains(byte);
        // Base64 of 48 and of 80 bytes.
        [64, 108].contains(&line.len()) && line.iter().all(digit)
    };
    if first.starts_with(b"# rekindle ticket secret") || content.starts_with(b"secret ") {
        Some("a secret to derive ticket keys from")
    } else if first.starts_with(b"- name:") {
        Some("h2o's YAML")
    } else if lines.all(is_base64) {
        Some("lines of base64, as HAProxy has them")
    } else {
        None
    }
}
