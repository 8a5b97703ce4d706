//! What a connection remembers of its session between callbacks: a few numbers in place of a pointer.

use std::ffi::c_void;
use std::ptr;

use openssl_sys::{self as sys, SSL};

use super::ffi::INDEXES;
use super::resumption::ResumedBy;

/// Noted on a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Note {
    /// How the session was found.
    pub(super) found: Option<ResumedBy>,
    /// How far the last ticket has come.
    pub(super) ticket: TicketNote,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum TicketNote {
    /// There was none, or its outcome has been counted.
    #[default]
    None,
    /// Its key is not there, which has been counted.
    NoKey,
    /// It names the key at the place with this number.
    Key(usize),
    /// It was opened, and its session is of the id context with this hash.
    Opened(usize),
}

/// Bits of how the session was found, and of how far the ticket has come.
const FOUND: u32 = 4;
const TICKET: u32 = 4;

/// An id context's hash, as far as a note has room for it.
pub(super) fn hash(id_context: &[u8]) -> usize {
    // FNV-1a: contexts are the operator's, and a clash does no more than count a ticket in the wrong
    // place.
    let hash = id_context.iter().fold(0xCBF2_9CE4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01B3)
    });
    (hash as usize) >> (FOUND + TICKET)
}

impl Note {
    fn to_number(self) -> usize {
        let found = self.found.map_or(0, |found| found as usize);
        let (ticket, rest) = match self.ticket {
            TicketNote::None => (0, 0),
            TicketNote::NoKey => (1, 0),
            TicketNote::Key(place) => (2, place),
            TicketNote::Opened(hash) => (3, hash),
        };
        found | ticket << FOUND | rest << (FOUND + TICKET)
    }

    fn from_number(number: usize) -> Self {
        let rest = number >> (FOUND + TICKET);
        Self {
            found: ResumedBy::from_number(number & ((1 << FOUND) - 1)),
            ticket: match number >> FOUND & ((1 << TICKET) - 1) {
                1 => TicketNote::NoKey,
                2 => TicketNote::Key(rest),
                3 => TicketNote::Opened(rest),
                _ => TicketNote::None,
            },
        }
    }
}

/// # Safety
///
/// `ssl` is a live connection.
pub(super) unsafe fn read(ssl: *const SSL) -> Note {
    // SAFETY: by contract; the index holds small numbers, never a pointer.
    let found = unsafe { sys::SSL_get_ex_data(ssl, INDEXES.found) };
    Note::from_number(found.addr())
}

/// # Safety
///
/// `ssl` is a live connection.
pub(super) unsafe fn write(ssl: *mut SSL, note: Note) {
    let number = ptr::without_provenance_mut::<c_void>(note.to_number());
    // SAFETY: by contract. Should there be no memory for it, nothing but the note is lost.
    unsafe { sys::SSL_set_ex_data(ssl, INDEXES.found, number) };
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_note_reads_as_it_was_written() {
        let tickets = [
            TicketNote::None,
            TicketNote::NoKey,
            TicketNote::Key(0),
            TicketNote::Key(7),
            TicketNote::Opened(hash(b"")),
            TicketNote::Opened(hash(b"tests")),
        ];
        for found in [
            None,
            Some(ResumedBy::SessionId),
            Some(ResumedBy::RenewedTicket),
        ] {
            for ticket in tickets {
                let note = Note { found, ticket };
                assert_eq!(Note::from_number(note.to_number()), note);
            }
        }
        assert_eq!(Note::from_number(0), Note::default());
    }
}
