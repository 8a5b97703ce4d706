//! Another ticket in a ClientHello, and in a session.

use std::ops::Range;

const SESSION_TICKET: u16 = 35;
const PRE_SHARED_KEY: u16 = 41;

/// A ClientHello in one record, and where in it the ticket is.
#[derive(Debug)]
pub(crate) struct Hello {
    record: Vec<u8>,
    ticket: Range<usize>,
    /// Where the lengths are that count the ticket: of two bytes, but for the message's own.
    lengths: Vec<usize>,
}

/// Of the message, the last two of whose three bytes are enough.
const MESSAGE_LENGTH: usize = 7;
const RECORD_LENGTH: usize = 3;

impl Hello {
    pub(crate) fn new(record: Vec<u8>) -> Self {
        let short = |at: usize| usize::from(u16::from_be_bytes([record[at], record[at + 1]]));
        // Record and message headers, version, random.
        let mut at = 5 + 4 + 2 + 32;
        at += 1 + usize::from(record[at]); // session id
        at += 2 + short(at); // cipher suites
        at += 1 + usize::from(record[at]); // compression methods
        let mut lengths = vec![RECORD_LENGTH, MESSAGE_LENGTH, at];
        at += 2;
        loop {
            let (kind, content) = (short(at) as u16, at + 4);
            if [SESSION_TICKET, PRE_SHARED_KEY].contains(&kind) && short(at + 2) > 0 {
                lengths.push(at + 2);
                let mut start = content;
                if kind == PRE_SHARED_KEY {
                    // The list of identities, and the first one.
                    lengths.extend([content, content + 2]);
                    start += 4;
                }
                let length = *lengths.last().expect("some");
                return Self {
                    ticket: start..start + short(length),
                    lengths,
                    record,
                };
            }
            at = content + short(at + 2);
        }
    }

    pub(crate) fn ticket(&self) -> &[u8] {
        &self.record[self.ticket.clone()]
    }

    pub(crate) fn with_ticket(&self, ticket: &[u8]) -> Vec<u8> {
        let (before, behind) = (
            &self.record[..self.ticket.start],
            &self.record[self.ticket.end..],
        );
        let mut record = [before, ticket, behind].concat();
        for at in &self.lengths {
            let was = u16::from_be_bytes([record[*at], record[*at + 1]]);
            let is = usize::from(was) + ticket.len() - self.ticket.len();
            record[*at..*at + 2].copy_from_slice(&(is as u16).to_be_bytes());
        }
        record
    }
}

/// A session's DER with another ticket in it.
pub(crate) fn session_with_ticket(der: &[u8], ticket: &[u8]) -> Vec<u8> {
    const TICKET: u8 = 0xAA; // [10], an OCTET STRING
    let (_, mut rest, _) = split(der);
    let mut fields = Vec::new();
    while !rest.is_empty() {
        let (tag, content, behind) = split(rest);
        if tag == TICKET {
            fields.extend(element(TICKET, &element(0x04, ticket)));
        } else {
            fields.extend(element(tag, content));
        }
        rest = behind;
    }
    element(0x30, &fields)
}

/// Tag and content of the first element, and what is behind it.
fn split(der: &[u8]) -> (u8, &[u8], &[u8]) {
    let (start, len) = match der[1] {
        0x81 => (3, usize::from(der[2])),
        0x82 => (4, usize::from(u16::from_be_bytes([der[2], der[3]]))),
        short => (2, usize::from(short)),
    };
    let (content, behind) = der[start..].split_at(len);
    (der[0], content, behind)
}

fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let len = content.len();
    let mut bytes = match len {
        0..0x80 => vec![tag, len as u8],
        0x80..0x100 => vec![tag, 0x81, len as u8],
        _ => vec![tag, 0x82, (len >> 8) as u8, len as u8],
    };
    bytes.extend(content);
    bytes
}
