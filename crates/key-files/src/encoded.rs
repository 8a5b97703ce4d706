//! Ticket keys in base64: on one line, or in PEM.
//!
//! People have such files, and here they are no less clear than raw bytes. The servers whose
//! records they hold do not read them.

use base64ct::{Base64, Encoding};
use rekindle::tickets::{RecordLayout, TicketKeyError, is_unlikely_base64};
use zeroize::Zeroizing;

const BEGIN: &[u8] = b"-----BEGIN SESSION TICKET KEY-----";
const END: &[u8] = b"-----END SESSION TICKET KEY-----";

/// The records in `content`, if it is base64 on one line, base64 of one record on several lines, or
/// PEM blocks of a record each. `None` for anything else.
pub(crate) fn decode(
    content: &[u8],
    layout: RecordLayout,
) -> Option<Result<Zeroizing<Vec<u8>>, TicketKeyError>> {
    let lines = content.split(|byte| *byte == b'\n').zip(1..);
    let mut lines = lines
        .map(|(line, number)| (line.trim_ascii(), number))
        .filter(|(line, _)| !line.is_empty());
    if lines.clone().next()?.0 == BEGIN {
        return Some(pem(&mut lines, content.len(), layout));
    }
    // Digits and words are base64 as well, and none of what people have as keys.
    if lines
        .clone()
        .any(|(line, _)| line.len() >= 40 && is_unlikely_base64(line))
    {
        return None;
    }
    let is_one_line = lines.clone().count() == 1;
    let records = base64(lines.map(|(line, _)| line), content.len())?;
    let is_clear = match is_one_line {
        true => records.len() % layout.len() == 0,
        // Several lines may be several keys of HAProxy's.
        false => records.len() == layout.len(),
    };
    (is_clear && !records.is_empty()).then_some(Ok(records))
}

/// Blocks of a record each, and nothing between them.
fn pem<'a>(
    lines: &mut impl Iterator<Item = (&'a [u8], usize)>,
    room: usize,
    layout: RecordLayout,
) -> Result<Zeroizing<Vec<u8>>, TicketKeyError> {
    let mut records = Zeroizing::new(Vec::with_capacity(room));
    while let Some((begin, line)) = lines.next() {
        let syntax = |reason| TicketKeyError::Syntax { line, reason };
        if begin != BEGIN {
            return Err(syntax("expected -----BEGIN SESSION TICKET KEY-----"));
        }
        let mut ended = false;
        let body = lines.map(|(line, _)| line);
        let body = body.take_while(|line| {
            ended = *line == END;
            !ended
        });
        let record = base64(body, room).filter(|record| record.len() == layout.len());
        match record {
            Some(record) if ended => records.extend_from_slice(&record),
            _ => {
                return Err(syntax(match layout.len() {
                    48 => "expected base64 of 48 bytes, for AES-128, and -----END ..",
                    _ => "expected base64 of 80 bytes, for AES-256, and -----END ..",
                }));
            }
        }
    }
    Ok(records)
}

/// What lines of base64 hold together.
fn base64<'a>(lines: impl Iterator<Item = &'a [u8]>, room: usize) -> Option<Zeroizing<Vec<u8>>> {
    // Room for all at once: growing would leave copies of the keys behind.
    let mut digits = Zeroizing::new(Vec::with_capacity(room));
    lines.for_each(|line| digits.extend_from_slice(line));
    let mut bytes = Zeroizing::new(vec![0; room]);
    let len = Base64::decode(&*digits, &mut bytes).ok()?.len();
    bytes.truncate(len);
    Some(bytes)
}
