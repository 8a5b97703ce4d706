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
    pub(super) ticket: TicketState,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum TicketState {
    /// There was none, or its outcome has been counted.
    #[default]
    None,
    /// Its key is not there, which has been counted.
    NoKey,
    /// It names the key at the place with this number, and is of another process.
    Foreign(usize),
    /// The same, but it is our own; [`since`] tells when its session was born.
    Own(usize),
    /// It was opened, and its session is of the id context with this hash; [`since`] tells when its
    /// lineage began.
    Opened(usize),
    /// The handshake was a full one; [`since`] tells when the lineage began.
    Full,
}

/// Bits of how the session was found, and of how far the ticket has come.
const FOUND: u32 = 4;
const TICKET: u32 = 4;

/// An id context's hash, as far as a note has room for it.
pub(super) fn hash(id_context: &[u8]) -> usize {
    // Contexts are the operator's, and a clash does no more than count a ticket in the wrong place.
    let hash = id_context
        .chunks(8)
        .fold(id_context.len() as u64, |hash, chunk| {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            let mixed = (hash ^ u64::from_le_bytes(word)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
            mixed ^ mixed >> 32
        });
    (hash as usize) >> (FOUND + TICKET)
}

/// Of the ticket only: what was found before is not what the handshake goes by.
impl From<TicketState> for Note {
    fn from(ticket: TicketState) -> Self {
        Self {
            found: None,
            ticket,
        }
    }
}

impl Note {
    fn to_number(self) -> usize {
        let found = self.found.map_or(0, |found| found as usize);
        let (ticket, rest) = match self.ticket {
            TicketState::None => (0, 0),
            TicketState::NoKey => (1, 0),
            TicketState::Foreign(place) => (2, place),
            TicketState::Own(place) => (3, place),
            TicketState::Opened(hash) => (4, hash),
            TicketState::Full => (5, 0),
        };
        found | ticket << FOUND | rest << (FOUND + TICKET)
    }

    fn from_number(number: usize) -> Self {
        let rest = number >> (FOUND + TICKET);
        Self {
            found: ResumedBy::from_number(number & ((1 << FOUND) - 1)),
            ticket: match number >> FOUND & ((1 << TICKET) - 1) {
                1 => TicketState::NoKey,
                2 => TicketState::Foreign(rest),
                3 => TicketState::Own(rest),
                4 => TicketState::Opened(rest),
                5 => TicketState::Full,
                _ => TicketState::None,
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

/// How long ago, in milliseconds, what the note says began.
///
/// # Safety
///
/// `ssl` is a live connection.
pub(super) unsafe fn since(ssl: *const SSL, now: u64) -> u64 {
    // SAFETY: as in `read`.
    let began = unsafe { sys::SSL_get_ex_data(ssl, INDEXES.since) };
    // Where pointers have 32 bits, what began less than 49 days ago.
    (now as usize).wrapping_sub(began.addr()) as u64
}

/// # Safety
///
/// `ssl` is a live connection.
pub(super) unsafe fn write_since(ssl: *mut SSL, began: u64) {
    let number = ptr::without_provenance_mut::<c_void>(began as usize);
    // SAFETY: as in `write`.
    unsafe { sys::SSL_set_ex_data(ssl, INDEXES.since, number) };
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_note_reads_as_it_was_written() {
        let tickets = [
            TicketState::None,
            TicketState::NoKey,
            TicketState::Foreign(0),
            TicketState::Own(7),
            TicketState::Full,
            TicketState::Opened(hash(b"")),
            TicketState::Opened(hash(b"tests")),
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
