//! Another ticket in a ClientHello.

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
