//! Writing raw records of one length, one after the other.

use rekindle::tickets::RecordLayout;
use zeroize::Zeroizing;

use crate::by_position::{ByPosition, Entry};
use crate::format::TicketKeyFormat as Format;
use crate::write_error::WriteError;

/// The one that seals, those that are to come, those that have sealed.
pub(crate) fn write(
    keys: &ByPosition<'_>,
    format: Format,
    layout: RecordLayout,
) -> Result<Zeroizing<Vec<u8>>, WriteError> {
    let mut records = Zeroizing::new(vec![0; keys.len() * layout.len()]);
    let entries = [&keys.sealing].into_iter();
    let entries = entries.chain(&keys.next).chain(&keys.previous);
    for (entry, record) in entries.zip(records.chunks_exact_mut(layout.len())) {
        write_record(entry, format, layout, record)?;
    }
    Ok(records)
}

/// Writes one record, of zeros until now. HMAC pads a shorter MAC secret with zeros, too.
pub(crate) fn write_record(
    entry: &Entry<'_>,
    format: Format,
    layout: RecordLayout,
    record: &mut [u8],
) -> Result<(), WriteError> {
    let (index, key, room) = (entry.index, entry.key, layout.cipher.key_len());
    if key.cipher() != layout.cipher {
        return Err(WriteError::Cipher {
            index,
            fingerprint: key.fingerprint(),
            cipher: key.cipher(),
            format,
            holds: layout.cipher,
        });
    }
    let secret = key.hmac_secret();
    if secret.len() > room {
        return Err(WriteError::MacSecret {
            index,
            fingerprint: key.fingerprint(),
            format,
            len: secret.len(),
            room,
        });
    }
    let (name, secrets) = record.split_at_mut(16);
    name.copy_from_slice(key.name());
    let (first, second) = secrets.split_at_mut(room);
    let (hmac, aes) = if layout.hmac_first {
        (first, second)
    } else {
        (second, first)
    };
    hmac[..secret.len()].copy_from_slice(secret);
    aes.copy_from_slice(key.aes_key());
    Ok(())
}
