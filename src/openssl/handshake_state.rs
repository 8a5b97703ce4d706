//! What a connection remembers of its session between callbacks: four numbers, in the places that
//! ex_data has for pointers, so that a handshake allocates nothing.

use std::ffi::{c_int, c_long, c_void};
use std::ptr;
use std::sync::LazyLock;

use openssl_sys::{self as sys, CRYPTO_EX_DATA, SSL};

use super::ex_data::{number, set_number};
use super::ffi;
use crate::resume::{PositionIndex, ResumedBy};

/// The state of a connection's handshake.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct HandshakeState {
    /// How the session was found.
    pub(super) found: Option<ResumedBy>,
    /// What became of the last ticket that the client showed.
    pub(super) ticket: TicketState,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum TicketState {
    /// There was none, or its outcome has been counted.
    #[default]
    None,
    /// The ring lacks its key, which has been counted.
    NoKey,
    /// Its key is at that position; this process did not seal it.
    Foreign(PositionIndex),
    /// Its key is at that position, and its IV says that this process sealed it;
    /// [`age`](HandshakeState::age) is its session's.
    Own(PositionIndex),
    /// It was opened; [`age`](HandshakeState::age) is its lineage's.
    Opened {
        /// The [`hash`] of the id context that its session belongs to.
        id_context: usize,
        /// The [`hash`] of the client's random bytes in the hello that it came with.
        client_random: usize,
    },
    /// There was none. The session was parsed, so that no other thread has it.
    Parsed,
    /// The handshake is a full one; [`age`](HandshakeState::age) is the lineage's.
    Full,
}

/// Where a connection holds the numbers. Negative: OpenSSL gave no index.
pub(super) static INDEXES: LazyLock<[c_int; 4]> = LazyLock::new(|| {
    // SAFETY: registers callbacks with the signature that OpenSSL asks for, which never looks at
    // the numbers.
    [None, None, None, Some(make_room as _)]
        .map(|new| unsafe { sys::SSL_get_ex_new_index(0, ptr::null_mut(), new, None, None) })
});

/// The index of the state.
const STATE: usize = 0;
/// The index of the time, in milliseconds by the ring's clock, at which a session or lineage began.
const BEGAN: usize = 1;
/// The index of what is known of early data.
const EARLY_DATA: usize = 2;
/// The index of the time, by the same clock, at which the session was found that comes with it.
const FOUND_AT: usize = 3;

/// Bits of [`HandshakeState::found`] and of the kind of [`TicketState`] in the number.
const FOUND: u32 = 4;
const TICKET: u32 = 4;

/// Bits of a hash: two fit into what the number has left.
const HASH: u32 = (usize::BITS - FOUND - TICKET) / 2;

/// `SSL_new`: makes room for the numbers now rather than in a lookup. The last is behind the
/// others.
unsafe extern "C" fn make_room(
    _ssl: *mut c_void,
    _value: *mut c_void,
    ad: *mut CRYPTO_EX_DATA,
    index: c_int,
    _argl: c_long,
    _argp: *mut c_void,
) {
    // SAFETY: OpenSSL hands in the connection's data.
    unsafe { ffi::CRYPTO_set_ex_data(ad, index, ptr::null_mut()) };
}

/// A hash of some bytes. A clash only counts a ticket under the wrong reason.
pub(super) fn hash(bytes: &[u8]) -> usize {
    let hash = bytes.chunks(8).fold(bytes.len() as u64, |hash, chunk| {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        let mixed = (hash ^ u64::from_le_bytes(word)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        mixed ^ mixed >> 32
    });
    (hash >> (u64::BITS - HASH)) as usize
}

/// How many milliseconds before `now` a time was that a connection holds.
///
/// # Safety
///
/// `ssl` is a live connection.
unsafe fn since(ssl: *const SSL, index: usize, now: u64) -> u64 {
    // SAFETY: by contract.
    let then = unsafe { number(ssl, INDEXES[index]) };
    // Where pointers have 32 bits, times less than 49 days ago are right.
    (now as usize).wrapping_sub(then) as u64
}

/// A state in which no session has been found yet.
impl From<TicketState> for HandshakeState {
    fn from(ticket: TicketState) -> Self {
        Self {
            found: None,
            ticket,
        }
    }
}

impl HandshakeState {
    fn to_number(self) -> usize {
        let found = self.found.map_or(0, |found| found as usize);
        let (ticket, rest) = match self.ticket {
            TicketState::None => (0, 0),
            TicketState::NoKey => (1, 0),
            TicketState::Foreign(position) => (2, position.0),
            TicketState::Own(position) => (3, position.0),
            TicketState::Opened {
                id_context,
                client_random,
            } => (4, id_context | client_random << HASH),
            TicketState::Full => (5, 0),
            TicketState::Parsed => (6, 0),
        };
        found | ticket << FOUND | rest << (FOUND + TICKET)
    }

    fn from_number(number: usize) -> Self {
        let rest = number >> (FOUND + TICKET);
        Self {
            found: ResumedBy::from_number(number & ((1 << FOUND) - 1)),
            ticket: match number >> FOUND & ((1 << TICKET) - 1) {
                1 => TicketState::NoKey,
                2 => TicketState::Foreign(PositionIndex(rest)),
                3 => TicketState::Own(PositionIndex(rest)),
                4 => TicketState::Opened {
                    id_context: rest & ((1 << HASH) - 1),
                    client_random: rest >> HASH & ((1 << HASH) - 1),
                },
                5 => TicketState::Full,
                6 => TicketState::Parsed,
                _ => TicketState::None,
            },
        }
    }

    /// # Safety
    ///
    /// `ssl` is a live connection.
    pub(super) unsafe fn read(ssl: *const SSL) -> Self {
        // SAFETY: by contract.
        Self::from_number(unsafe { number(ssl, INDEXES[STATE]) })
    }

    /// # Safety
    ///
    /// `ssl` is a live connection.
    pub(super) unsafe fn write(self, ssl: *mut SSL) {
        // SAFETY: by contract.
        unsafe { set_number(ssl, INDEXES[STATE], self.to_number()) };
    }

    /// How many milliseconds before `now` the session or its lineage began.
    ///
    /// # Safety
    ///
    /// `ssl` is a live connection.
    pub(super) unsafe fn age(ssl: *const SSL, now: u64) -> u64 {
        // SAFETY: by contract.
        unsafe { since(ssl, BEGAN, now) }
    }

    /// # Safety
    ///
    /// `ssl` is a live connection.
    pub(super) unsafe fn write_age(ssl: *mut SSL, now: u64, age: u64) {
        // SAFETY: by contract.
        unsafe { set_number(ssl, INDEXES[BEGAN], now.wrapping_sub(age) as usize) };
    }
}

/// What is known of a connection's early data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct EarlyDataState {
    /// A session was found that may be resumed.
    pub(super) found: bool,
    /// The client offers early data with it.
    pub(super) offers: bool,
    /// This process made it.
    pub(super) is_own: bool,
    /// Another ClientHello has found a session on this object before (`SSL_clear`).
    pub(super) is_used: bool,
    /// What became of the early data has been counted.
    pub(super) counted: bool,
    /// The [`hash`] of the protocol that it was made under.
    pub(super) alpn: usize,
    /// The [`hash`] of the client's random bytes.
    pub(super) random: usize,
}

/// Bits of the flags of an [`EarlyDataState`].
const FLAGS: u32 = 5;
const _: () = assert!(FLAGS + 2 * HASH <= usize::BITS);

impl EarlyDataState {
    fn to_number(self) -> usize {
        let flags = [
            self.found,
            self.offers,
            self.is_own,
            self.is_used,
            self.counted,
        ];
        let flags = (0..).zip(flags).map(|(bit, flag)| usize::from(flag) << bit);
        flags.sum::<usize>() | self.alpn << FLAGS | self.random << (FLAGS + HASH)
    }

    fn from_number(number: usize) -> Self {
        let flag = |bit: u32| number >> bit & 1 == 1;
        Self {
            found: flag(0),
            offers: flag(1),
            is_own: flag(2),
            is_used: flag(3),
            counted: flag(4),
            alpn: number >> FLAGS & ((1 << HASH) - 1),
            random: number >> (FLAGS + HASH) & ((1 << HASH) - 1),
        }
    }

    /// # Safety
    ///
    /// `ssl` is a live connection.
    pub(super) unsafe fn read(ssl: *const SSL) -> Self {
        // SAFETY: by contract.
        Self::from_number(unsafe { number(ssl, INDEXES[EARLY_DATA]) })
    }

    /// # Safety
    ///
    /// `ssl` is a live connection.
    pub(super) unsafe fn write(self, ssl: *mut SSL) {
        // SAFETY: by contract. Without memory for it, early data is refused.
        unsafe { set_number(ssl, INDEXES[EARLY_DATA], self.to_number()) };
    }

    /// How many milliseconds before `now` the session was found.
    ///
    /// # Safety
    ///
    /// `ssl` is a live connection.
    pub(super) unsafe fn since_found(ssl: *const SSL, now: u64) -> u64 {
        // SAFETY: by contract.
        unsafe { since(ssl, FOUND_AT, now) }
    }

    /// # Safety
    ///
    /// `ssl` is a live connection.
    pub(super) unsafe fn write_found_at(ssl: *mut SSL, now: u64) {
        // SAFETY: by contract.
        unsafe { set_number(ssl, INDEXES[FOUND_AT], now as usize) };
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_state_reads_as_it_was_written() {
        let tickets = [
            TicketState::None,
            TicketState::NoKey,
            TicketState::Foreign(PositionIndex(0)),
            TicketState::Own(PositionIndex(7)),
            TicketState::Full,
            TicketState::Parsed,
            TicketState::Opened {
                id_context: hash(b"tests"),
                client_random: hash(b""),
            },
            TicketState::Opened {
                id_context: (1 << HASH) - 1,
                client_random: (1 << HASH) - 1,
            },
        ];
        for found in [
            None,
            Some(ResumedBy::SessionId),
            Some(ResumedBy::RenewedTicket),
        ] {
            for ticket in tickets {
                let state = HandshakeState { found, ticket };
                assert_eq!(HandshakeState::from_number(state.to_number()), state);
            }
        }
        assert_eq!(HandshakeState::from_number(0), HandshakeState::default());
        for bits in 0..1 << FLAGS {
            let number = bits | hash(b"h2") << FLAGS | ((1 << HASH) - 1) << (FLAGS + HASH);
            let state = EarlyDataState::from_number(number);
            assert_eq!((state.to_number(), state.alpn), (number, hash(b"h2")));
        }
        assert_eq!(EarlyDataState::from_number(0), EarlyDataState::default());
    }
}
