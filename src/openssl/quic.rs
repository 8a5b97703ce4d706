//! QUIC: one connection, two objects. OpenSSL hands callbacks the program's object, and only the
//! one that follows the opening of a ticket the handshake's own, which does not lead to the other.

use std::cell::Cell;

use openssl_sys::SSL;

use super::connection::{client_random, is_quic};

thread_local! {
    /// The program's object of a connection whose ticket is being opened, and the client's random
    /// bytes.
    static OPENING: Cell<Option<(*mut SSL, [u8; 32])>> = const { Cell::new(None) };
}

/// A ticket of this connection is about to be opened.
///
/// # Safety
///
/// `ssl` is a live connection.
pub(super) unsafe fn begin_opening(ssl: *mut SSL) {
    // SAFETY: by contract.
    OPENING.set(unsafe { is_quic(ssl).then(|| (ssl, client_random(ssl))) });
}

/// Another callback was called. OpenSSL may have failed since, and freed the connection.
pub(super) fn forget_opening() {
    OPENING.set(None);
}

/// The program's object of a connection whose ticket was opened.
///
/// # Safety
///
/// `ssl` is a live connection.
pub(super) unsafe fn of_program(ssl: *mut SSL) -> *mut SSL {
    // SAFETY: by contract.
    let is_this = |(_, random): &(_, _)| *random == unsafe { client_random(ssl) };
    let opening = OPENING.take().filter(is_this);
    opening.map_or(ssl, |(of_program, _)| of_program)
}
