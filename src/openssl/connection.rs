//! What OpenSSL says of a connection and of its session.

use std::ffi::c_uint;

use openssl_sys::{self as sys, SSL, SSL_SESSION};

use super::ffi;
use super::handshake_state::{HandshakeState, TicketState, hash};
use crate::{InvalidSessionId, SessionId};

/// Whether a connection speaks TLS 1.3, over QUIC as well.
///
/// # Safety
///
/// `ssl` is a live connection.
pub(super) unsafe fn is_tls13(ssl: *const SSL) -> bool {
    // SAFETY: by contract.
    unsafe { sys::SSL_version(ssl) == sys::TLS1_3_VERSION || is_quic(ssl) }
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

/// Whether the connection's sessions can only come back through the cache. Those of TLS 1.3 with
/// stateless tickets travel with the client: caching them would only push others out. (In TLS 1.2
/// OpenSSL gives such sessions no id, and does not call us.)
///
/// # Safety
///
/// `ssl` is a live connection.
pub(super) unsafe fn is_stateful(ssl: *const SSL) -> bool {
    // SAFETY: by contract.
    unsafe { !is_tls13(ssl) || options(ssl) & sys::SSL_OP_NO_TICKET != 0 }
}

/// The options of a connection, in a callback as well.
///
/// # Safety
///
/// `ssl` is a live connection.
pub(super) unsafe fn options(ssl: *const SSL) -> u64 {
    // SAFETY: by contract.
    unsafe {
        match is_quic(ssl) {
            // Asking a QUIC connection takes a lock that OpenSSL holds while it calls us.
            true => sys::SSL_CTX_get_options(sys::SSL_get_SSL_CTX(ssl)),
            false => ffi::SSL_get_options(ssl),
        }
    }
}

/// The hash of the client's random bytes.
///
/// # Safety
///
/// `ssl` is a live connection.
pub(super) unsafe fn client_random_hash(ssl: *const SSL) -> usize {
    // SAFETY: by contract.
    let random = unsafe { client_random(ssl) };
    hash(&random)
}

/// The client's random bytes.
///
/// # Safety
///
/// `ssl` is a live connection.
pub(super) unsafe fn client_random(ssl: *const SSL) -> [u8; 32] {
    let mut random = [0; 32];
    // SAFETY: by contract; OpenSSL writes no more than 32 bytes.
    unsafe { sys::SSL_get_client_random(ssl, random.as_mut_ptr(), random.len()) };
    random
}

/// The id of a session.
///
/// # Safety
///
/// `session` is alive.
pub(super) unsafe fn session_id(
    session: *const SSL_SESSION,
) -> Result<SessionId, InvalidSessionId> {
    let mut len: c_uint = 0;
    // SAFETY: by contract.
    unsafe {
        let id = sys::SSL_SESSION_get_id(session, &mut len);
        SessionId::new(ffi::bytes(id, len as usize))
    }
}

/// The id context that a session was made in.
///
/// # Safety
///
/// `session` is alive for `'a`, and keeps its id context.
pub(super) unsafe fn id_context<'a>(session: *const SSL_SESSION) -> &'a [u8] {
    let mut len = 0;
    // SAFETY: by contract; the context is a field of the session.
    unsafe {
        let context = ffi::SSL_SESSION_get0_id_context(session, &mut len);
        std::slice::from_raw_parts(context, len as usize)
    }
}

/// Whether a session fits the cipher suite of the handshake: TLS 1.3 asks for the same hash (RFC
/// 8446, section 4.2.11). OpenSSL chooses the suite before it opens tickets there; in TLS 1.2 it
/// takes the session's.
///
/// # Safety
///
/// `ssl` is a live connection, `session` is alive.
pub(super) unsafe fn fits_suite(ssl: *const SSL, session: *const SSL_SESSION) -> bool {
    // SAFETY: by contract; OpenSSL never frees suites and digests.
    unsafe {
        let pending = ffi::SSL_get_pending_cipher(ssl);
        let own = ffi::SSL_SESSION_get0_cipher(session);
        if !is_tls13(ssl) || pending == own || pending.is_null() || own.is_null() {
            return true;
        }
        let hash = |suite| sys::EVP_MD_get_type(sys::SSL_CIPHER_get_handshake_digest(suite));
        hash(pending) == hash(own)
    }
}

/// The hash of the id context of a ticket that the client has shown in this handshake and that was
/// opened. `SSL_clear` keeps what the handshake before has left.
///
/// # Safety
///
/// `ssl` is a live connection.
pub(super) unsafe fn opened_in_this_handshake(ssl: *const SSL) -> Option<usize> {
    // SAFETY: by contract.
    unsafe {
        match HandshakeState::read(ssl).ticket {
            TicketState::Opened {
                id_context,
                client_random: random,
            } if random == client_random_hash(ssl) => Some(id_context),
            _ => None,
        }
    }
}
