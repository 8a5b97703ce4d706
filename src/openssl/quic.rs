//! QUIC: one connection, two objects. OpenSSL hands callbacks the program's object, and only the
//! one that follows the opening of a ticket the handshake's own, which does not lead to the other.

use std::cell::Cell;

use openssl_sys::{self as sys, SSL};

use super::ffi;

thread_local! {
    /// The program's object of a connection whose ticket is being opened, and the client's random
    /// bytes.
    static OPENING: Cell<Option<(*mut SSL, [u8; 32])>> = const { Cell::new(None) };
}

/// Whether a connection is the program's object of a QUIC connection.
///
/// # Safety
///
/// `ssl` is a live connection.
pub(super) unsafe fn is_quic(ssl: *const SSL) -> bool {
    // SAFETY: by contract.
    unsafe { sys::SSL_version(ssl) == ffi::OSSL_QUIC1_VERSION }
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

/// The client's random bytes.
///
/// # Safety
///
/// `ssl` is a live connection.
unsafe fn client_random(ssl: *const SSL) -> [u8; 32] {
    let mut random = [0; 32];
    // SAFETY: by contract; OpenSSL writes no more than 32 bytes.
    unsafe { sys::SSL_get_client_random(ssl, random.as_mut_ptr(), random.len()) };
    random
}
