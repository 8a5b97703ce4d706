//! The callbacks of each slot: what OpenSSL calls, and whose it is.
//!
//! OpenSSL hands these callbacks a connection and nothing else, and calls those of the context that
//! the connection was made from. The connection does not tell which that is: SNI may have swapped
//! its context since, and OpenSSL 3.2 and later make a connection's ex_data before its context is
//! set. So each resumption has a slot (`slots.rs`), and each slot has callbacks of its own.
//!
//! A connection keeps the context that it was made from, and a context keeps the resumption that is
//! installed on it, with its slot: a callback that runs finds its slot filled.

use std::ffi::{c_int, c_uchar};

use openssl_sys::{EVP_CIPHER_CTX, EVP_MAC_CTX, SSL, SSL_SESSION};

use super::callbacks;
use super::cipher::Contexts;
use super::conflicts::SessionCallbacks;
use super::ffi::{GetSession, NewSession, NotResumable, TicketKeyCallback};
use super::shared::Shared;
use super::slots::SLOTS;

const COLUMNS: usize = 32;
const _: () = assert!(SLOTS == COLUMNS * COLUMNS);

/// The callbacks of one slot.
pub(super) struct Trampolines {
    pub(super) new_session: NewSession,
    pub(super) get_session: GetSession,
    pub(super) ticket_key: TicketKeyCallback,
    pub(super) not_resumable: NotResumable,
}

pub(super) fn of_slot(slot: usize) -> &'static Trampolines {
    &TABLE[slot / COLUMNS][slot % COLUMNS]
}

impl Trampolines {
    fn session_callbacks(&self) -> SessionCallbacks {
        [
            Some(self.new_session as usize),
            Some(self.get_session as usize),
            Some(callbacks::remove_session as *const () as usize),
        ]
    }
}

macro_rules! with_numbers {
    ($each:ident) => {
        $each!(
            0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15
            16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31
        )
    };
}

static TABLE: [[Trampolines; COLUMNS]; COLUMNS] = {
    macro_rules! rows {
        ($($row:literal)*) => { [$(row::<$row>()),*] };
    }
    with_numbers!(rows)
};

const fn row<const ROW: usize>() -> [Trampolines; COLUMNS] {
    macro_rules! columns {
        ($($column:literal)*) => { [$(of::<ROW, $column>()),*] };
    }
    with_numbers!(columns)
}

const fn of<const ROW: usize, const COLUMN: usize>() -> Trampolines {
    Trampolines {
        new_session: new_session::<ROW, COLUMN>,
        get_session: get_session::<ROW, COLUMN>,
        ticket_key: ticket_key::<ROW, COLUMN>,
        not_resumable: not_resumable::<ROW, COLUMN>,
    }
}

/// # Safety
///
/// As [`Shared::of_slot`].
unsafe fn owner<'a, const ROW: usize, const COLUMN: usize>() -> Option<&'a Shared> {
    // SAFETY: by contract.
    unsafe { Shared::of_slot(ROW * COLUMNS + COLUMN) }
}

unsafe extern "C" fn new_session<const ROW: usize, const COLUMN: usize>(
    ssl: *mut SSL,
    session: *mut SSL_SESSION,
) -> c_int {
    // SAFETY: as OpenSSL calls it.
    unsafe { callbacks::new_session(owner::<ROW, COLUMN>(), ssl, session) }
}

unsafe extern "C" fn get_session<const ROW: usize, const COLUMN: usize>(
    ssl: *mut SSL,
    id: *const c_uchar,
    len: c_int,
    copy: *mut c_int,
) -> *mut SSL_SESSION {
    // SAFETY: as OpenSSL calls it.
    unsafe { callbacks::get_session(owner::<ROW, COLUMN>(), ssl, id, len, copy) }
}

unsafe extern "C" fn ticket_key<const ROW: usize, const COLUMN: usize>(
    ssl: *mut SSL,
    name: *mut c_uchar,
    iv: *mut c_uchar,
    cipher: *mut EVP_CIPHER_CTX,
    mac: *mut EVP_MAC_CTX,
    enc: c_int,
) -> c_int {
    let contexts = Contexts { cipher, mac };
    // SAFETY: as OpenSSL calls it.
    unsafe { callbacks::ticket_key(owner::<ROW, COLUMN>(), ssl, name, iv, contexts, enc) }
}

unsafe extern "C" fn not_resumable<const ROW: usize, const COLUMN: usize>(
    ssl: *mut SSL,
    _is_forward_secure: c_int,
) -> c_int {
    // SAFETY: as OpenSSL calls it.
    unsafe {
        callbacks::not_resumable(
            owner::<ROW, COLUMN>(),
            ssl,
            TABLE[ROW][COLUMN].session_callbacks(),
        )
    }
}
