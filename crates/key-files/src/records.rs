//! Formats that are records of one length behind each other.

use zeroize::Zeroizing;

use super::TicketKeyFormat as Format;
use super::plan::{Entry, Plan};
use super::write_error::WriteError;
use crate::tickets::error::{KeyLocation, TicketKeyError};
use crate::tickets::key::{NAME, TicketCipher, TicketKey};
use crate::tickets::key_set::{KeyEntry, KeyRole, TicketKeys};
use crate::tickets::secret::TicketSecret;

/// Bytes of the longest record.
pub(super) const LONGEST: usize = NAME + 2 * 32;

/// How a record is laid out behind its name.
#[derive(Clone, Copy)]
pub(super) struct Layout {
    /// Of the encryption key; the MAC secret has as many bytes.
    cipher: TicketCipher,
    /// Whether the MAC secret comes before the encryption key.
    hmac_first: bool,
}

impl Layout {
    /// That of the formats which are records, or lines of them.
    pub(super) fn of(format: Format) -> Self {
        let cipher = format.cipher().expect("h2o's keys are no records");
        let hmac_first = !matches!(
            format,
            Format::Nginx48 | Format::Haproxy48 | Format::Haproxy80
        );
        Self { cipher, hmac_first }
    }

    /// Bytes of a record.
    pub(super) fn record(self) -> usize {
        NAME + 2 * self.cipher.key_len()
    }

    /// Reads one record.
    pub(super) fn parse(self, record: &[u8], at: KeyLocation) -> Result<TicketKey, TicketKeyError> {
        let (name, secrets) = record
            .split_first_chunk::<NAME>()
            .expect("a record begins with a name");
        let (first, second) = secrets.split_at(self.cipher.key_len());
        let (hmac, aes) = if self.hmac_first {
            (first, second)
        } else {
            (second, first)
        };
        TicketKey::new(*name, hmac, aes).map_err(|fault| TicketKeyError::Bad { at, fault })
    }

    /// Writes one record, of zeros until now. A MAC secret that is shorter is the same with zeros behind
    /// it: so HMAC pads it.
    pub(super) fn write(
        self,
        entry: &Entry<'_>,
        format: Format,
        record: &mut [u8],
    ) -> Result<(), WriteError> {
        let (place, key, room) = (entry.place, entry.key, self.cipher.key_len());
        if key.cipher() != self.cipher {
            return Err(WriteError::Cipher {
                place,
                fingerprint: key.fingerprint(),
                format,
            });
        }
        let secret = key.hmac_secret();
        if secret.len() > room {
            return Err(WriteError::MacSecret {
                place,
                fingerprint: key.fingerprint(),
                format,
                len: secret.len(),
                room,
            });
        }
        let (name, secrets) = record.split_at_mut(NAME);
        name.copy_from_slice(key.name());
        let (first, second) = secrets.split_at_mut(room);
        let (hmac, aes) = if self.hmac_first {
            (first, second)
        } else {
            (second, first)
        };
        hmac[..secret.len()].copy_from_slice(secret);
        aes.copy_from_slice(key.aes_key());
        Ok(())
    }
}

/// The first seals, all open. Bytes behind the last whole record are ignored and counted: text editors
/// leave a newline there.
pub(super) fn parse(content: &[u8], format: Format) -> Result<TicketKeys, TicketKeyError> {
    if let Some(what) = another_format(content) {
        return Err(TicketKeyError::AnotherFormat(what));
    }
    let layout = Layout::of(format);
    let records = content.chunks_exact(layout.record());
    let trailing = records.remainder().len();
    if records.len() == 0 {
        return Err(TicketKeyError::TooShort {
            len: content.len(),
            record: layout.record(),
        });
    }
    if records.len() > TicketKeys::MAX_KEYS {
        return Err(TicketKeyError::TooMany);
    }
    let given = |(record, bytes)| {
        let role = if record == 0 {
            KeyRole::Seal
        } else {
            KeyRole::Open
        };
        let at = KeyLocation::record(record);
        Ok(KeyEntry::new(layout.parse(bytes, at)?, role, at))
    };
    let keys = records.enumerate().map(given).collect::<Result<_, _>>()?;
    Ok(TicketKeys::new(keys)?.with_trailing(trailing))
}

/// What a file is that is no file of records. Records may be text as well, but none that looks like this.
fn another_format(content: &[u8]) -> Option<&'static str> {
    let lines = content.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    let mut lines = lines.filter(|line| !line.is_empty()).peekable();
    let first = *lines.peek()?;
    let is_base64 = |line: &[u8]| {
        let digit = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/=".contains(byte);
        // 48 and 80 bytes.
        [64, 108].contains(&line.len()) && line.iter().all(digit)
    };
    if first.starts_with(TicketSecret::HEAD) || content.starts_with(b"secret ") {
        Some("a secret to derive ticket keys from")
    } else if first.starts_with(b"- name:") {
        Some("h2o's YAML")
    } else if lines.all(is_base64) {
        Some("lines of base64, as HAProxy has them")
    } else {
        None
    }
}

/// The one that seals, those that are to come, those that have sealed.
pub(super) fn write(plan: &Plan<'_>, format: Format) -> Result<Zeroizing<Vec<u8>>, WriteError> {
    let layout = Layout::of(format);
    let mut records = Zeroizing::new(vec![0; plan.len() * layout.record()]);
    let entries = [&plan.sealing].into_iter();
    let entries = entries.chain(&plan.next).chain(&plan.opening);
    for (entry, record) in entries.zip(records.chunks_exact_mut(layout.record())) {
        layout.write(entry, format, record)?;
    }
    Ok(records)
}
