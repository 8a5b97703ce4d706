//! HAProxy's `tls-ticket-keys`: lines of base64, the oldest key first.

use base64ct::{Base64, Encoding};
use zeroize::Zeroizing;

use crate::by_position::ByPosition;
use crate::format::TicketKeyFormat as Format;
use crate::records::write_record;
use crate::write_error::WriteError;
use rekindle::tickets::{
    KeyEntry, KeyLocation, KeyRole, RecordLayout, TicketKey, TicketKeyError, TicketKeys,
    is_unlikely_base64,
};

/// The keys that HAProxy wants, and the number of the last ones that it keeps (`TLS_TICKETS_NO`).
const LEAST: usize = 3;

/// Bytes of the longest record.
const LONGEST: usize = 80;

/// The last key is the next one, the last but one seals, those before open. HAProxy refuses blank
/// lines; here they are skipped.
pub(crate) fn parse(content: &[u8], layout: RecordLayout) -> Result<TicketKeys, TicketKeyError> {
    let lines = content.split(|byte| *byte == b'\n').zip(1..);
    let lines = lines.map(|(line, number)| (line.trim_ascii_end(), number));
    let mut keys = Vec::new();
    for (line, number) in lines.filter(|(line, _)| !line.is_empty()) {
        if keys.len() == TicketKeys::MAX_KEYS {
            return Err(TicketKeyError::TooMany);
        }
        let at = KeyLocation::line(keys.len(), number);
        keys.push((key(line, number, layout, at)?, at));
    }
    if keys.len() < LEAST {
        return Err(TicketKeyError::TooFew {
            keys: keys.len(),
            least: LEAST,
        });
    }
    let roles = [KeyRole::Next, KeyRole::Seal].into_iter();
    let roles = roles.chain(std::iter::repeat(KeyRole::Open));
    let newest_first = keys.into_iter().rev().zip(roles);
    let entries = newest_first.map(|((key, at), role)| KeyEntry::new(key, role, at));
    TicketKeys::new(entries.collect())
}

fn key(
    text: &[u8],
    line: usize,
    layout: RecordLayout,
    at: KeyLocation,
) -> Result<TicketKey, TicketKeyError> {
    let syntax = |reason| TicketKeyError::Syntax { line, reason };
    let mut record = Zeroizing::new([0; LONGEST]);
    match Base64::decode(text, &mut *record) {
        Ok(record) if record.len() == layout.len() => {
            let key = layout.parse(record, at)?;
            match is_unlikely_base64(text) {
                true => Err(syntax(
                    "expected base64 of random bytes: these are digits, a digest or words",
                )),
                false => Ok(key),
            }
        }
        Ok(_) | Err(base64ct::Error::InvalidLength) => Err(syntax(match layout.len() {
            48 => "expected base64 of 48 bytes, for AES-128",
            _ => "expected base64 of 80 bytes, for AES-256",
        })),
        Err(base64ct::Error::InvalidEncoding) => Err(syntax(
            "expected base64 and nothing else: there are no comments in this format",
        )),
    }
}

pub(crate) fn write(
    keys: &ByPosition<'_>,
    format: Format,
    layout: RecordLayout,
) -> Result<Zeroizing<Vec<u8>>, WriteError> {
    if keys.len() < LEAST {
        return Err(WriteError::TooFew {
            keys: keys.len(),
            least: LEAST,
        });
    }
    let [next] = &keys.next[..] else {
        let keys = keys.next.len();
        return Err(WriteError::NotOneNext { keys });
    };
    // Four digits for each three bytes that have begun, and the line's end.
    let line = layout.len().div_ceil(3) * 4 + 1;
    let mut lines = Zeroizing::new(vec![b'\n'; keys.len() * line]);
    let entries = keys.previous.iter().rev().chain([&keys.sealing, next]);
    for (entry, line) in entries.zip(lines.chunks_exact_mut(line)) {
        let mut record = Zeroizing::new([0; LONGEST]);
        let record = &mut record[..layout.len()];
        write_record(entry, format, layout, record)?;
        Base64::encode(record, line).expect("a line has room for a record");
    }
    Ok(lines)
}
