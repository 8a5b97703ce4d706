//! The callbacks that OpenSSL calls in the middle of handshakes. None of them unwinds into C,
//! blocks, or leaves a reference count wrong.

use std::ffi::{c_int, c_uchar, c_uint, c_void};
use std::{mem, ptr, slice};

use foreign_types_shared::{ForeignType, ForeignTypeRef};
use openssl::ssl::{SslSession, SslSessionRef};
use openssl_sys::{self as sys, EVP_CIPHER_CTX, EVP_MAC_CTX, SSL, SSL_CTX, SSL_SESSION};

use super::cipher::Contexts;
use super::ffi;
use super::handshake_state::HandshakeState;
use super::session::count_intermediates;
use super::shared::{Shared, guarded};
use crate::SessionId;
use crate::hooks::SessionEvent;
use crate::resume::ResumedBy;

/// A handshake has made a session. Returns 0: the reference that came with it stays OpenSSL's.
pub(super) unsafe extern "C" fn new_session(ssl: *mut SSL, session: *mut SSL_SESSION) -> c_int {
    guarded((), || {
        // SAFETY: OpenSSL hands in a live connection and its session.
        let (shared, stateful) = unsafe { (open_of(ssl), is_stateful(ssl)) };
        let (Some(shared), true) = (shared, stateful) else {
            return;
        };
        // SAFETY: as above; no other connection has the session yet, and the clone takes a
        // reference of its own.
        let session = unsafe {
            let sealer = &shared.sealer;
            sealer.lifetimes.limit_cached(session, &sealer.ring);
            count_intermediates(ssl, session);
            sys::SSL_SESSION_up_ref(session);
            SslSession::from_ptr(session)
        };
        if let Ok(id) = SessionId::new(session.id())
            // The cache counts what it refuses; the handshake goes on without.
            && shared.cache.insert_session(&id, session).is_ok()
        {
            if shared.was_closed_meanwhile() {
                shared.cache.clear();
                return;
            }
            run_hooks(shared, SessionEvent::New, &id);
        }
    });
    0
}

/// A client names a session. Returns a reference that becomes OpenSSL's, so `copy` is 0.
pub(super) unsafe extern "C" fn get_session(
    ssl: *mut SSL,
    id: *const c_uchar,
    len: c_int,
    copy: *mut c_int,
) -> *mut SSL_SESSION {
    guarded(ptr::null_mut(), || {
        // SAFETY: OpenSSL hands in a live connection, an id of that length and a place for `copy`.
        let (shared, id) = unsafe {
            *copy = 0;
            let len = usize::try_from(len).unwrap_or(0);
            let id = if id.is_null() || len == 0 {
                &[]
            } else {
                slice::from_raw_parts(id, len)
            };
            (open_of(ssl), SessionId::new(id))
        };
        let (Some(shared), Ok(id)) = (shared, id) else {
            return ptr::null_mut();
        };
        run_hooks(shared, SessionEvent::Get, &id);
        let sealer = &shared.sealer;
        // SAFETY: the cache lends a session that is alive.
        let is_alive = |session: &SslSessionRef| unsafe {
            !sealer.lifetimes.has_ended(session.as_ptr(), &sealer.ring)
        };
        let Some(session) = shared.cache.get_session_if(&id, is_alive) else {
            return ptr::null_mut();
        };
        // SAFETY: as above.
        unsafe {
            let mut state = HandshakeState::read(ssl);
            state.found = Some(if sys::SSL_version(ssl) == sys::TLS1_3_VERSION {
                ResumedBy::StatefulTicket
            } else {
                ResumedBy::SessionId
            });
            state.write(ssl);
        }
        let raw = session.as_ptr();
        mem::forget(session);
        raw
    })
}

/// OpenSSL has found a session unfit: expired, or its connection failed.
pub(super) unsafe extern "C" fn remove_session(ctx: *mut SSL_CTX, session: *mut SSL_SESSION) {
    guarded((), || {
        // SAFETY: OpenSSL hands in a live context, and a session that lives during this call.
        let (shared, id) = unsafe {
            let mut len: c_uint = 0;
            let id = sys::SSL_SESSION_get_id(session, &mut len);
            let id = slice::from_raw_parts(id, len as usize);
            (Shared::of_context(ctx), SessionId::new(id))
        };
        let shared = shared.filter(|shared| !shared.is_closed());
        if let (Some(shared), Ok(id)) = (shared, id) {
            if !shared.hooks.is_empty() && shared.cache.contains(&id) {
                run_hooks(shared, SessionEvent::Remove, &id);
            }
            shared.cache.remove(&id);
        }
    });
}

/// A ticket is to be sealed (`enc` is 1) or opened (`enc` is 0).
pub(super) unsafe extern "C" fn ticket_key(
    ssl: *mut SSL,
    name: *mut c_uchar,
    iv: *mut c_uchar,
    cipher: *mut EVP_CIPHER_CTX,
    mac: *mut EVP_MAC_CTX,
    enc: c_int,
) -> c_int {
    // In OpenSSL's terms -1 is an error, and 0 a ticket that no key opens.
    let harmless = if enc == 1 { -1 } else { 0 };
    guarded(harmless, || {
        // SAFETY: OpenSSL hands in a live connection.
        let Some(shared) = (unsafe { Shared::of_connection(ssl) }) else {
            return harmless;
        };
        let (name, iv) = (name.cast::<[u8; 16]>(), iv.cast::<[u8; 16]>());
        let contexts = Contexts { cipher, mac };
        // SAFETY: OpenSSL hands in 16 bytes for the name, at least as many for the IV, and two
        // contexts that only this call uses. When opening, the bytes are those of the client's
        // ticket, which OpenSSL holds as const: no exclusive reference is made to them.
        unsafe {
            if enc == 1 {
                shared.sealer.seal(ssl, &mut *name, &mut *iv, contexts)
            } else {
                shared.sealer.open(ssl, &*name, &*iv, contexts)
            }
        }
    })
}

/// OpenSSL has tried to open a ticket: `session` is what was in it, if it could.
pub(super) unsafe extern "C" fn on_decrypted(
    ssl: *mut SSL,
    session: *mut SSL_SESSION,
    _name: *const c_uchar,
    _name_len: usize,
    status: c_int,
    _arg: *mut c_void,
) -> c_int {
    // A full handshake, and a ticket for the next time.
    let harmless = ffi::SSL_TICKET_RETURN_IGNORE_RENEW;
    guarded(harmless, || {
        // SAFETY: OpenSSL hands in a live connection, and a session that no other connection has.
        unsafe {
            let Some(shared) = Shared::of_connection(ssl) else {
                return harmless;
            };
            shared.sealer.on_decrypted(ssl, status, session)
        }
    })
}

/// OpenSSL is about to issue a NewSessionTicket, stateless or stateful. Returns 1: 0 would end the
/// handshake.
pub(super) unsafe extern "C" fn on_issue(ssl: *mut SSL, context: *mut c_void) -> c_int {
    guarded((), || {
        // SAFETY: OpenSSL hands in a live connection, and the context whose callback this is.
        unsafe {
            let session = sys::SSL_get_session(ssl);
            let (Some(shared), false) = (Shared::of_connection(ssl), session.is_null()) else {
                return;
            };
            let stateful = is_stateful(ssl) && sys::SSL_version(ssl) == sys::TLS1_3_VERSION;
            let context = context.cast::<SSL_CTX>();
            shared.sealer.on_issue(ssl, context, session, stateful);
        }
    });
    1
}

/// Runs the hooks outside every critical step: nothing is pinned, no callback is half done. What
/// the handshake does next does not depend on them.
fn run_hooks(shared: &Shared, event: SessionEvent, id: &SessionId) {
    guarded((), || shared.hooks.run(event, id));
}

/// As [`Shared::of_connection`], but nothing when that has been closed.
///
/// # Safety
///
/// As [`Shared::of_connection`].
unsafe fn open_of<'a>(ssl: *mut SSL) -> Option<&'a Shared> {
    // SAFETY: by contract.
    unsafe { Shared::of_connection(ssl) }.filter(|shared| !shared.is_closed())
}

/// Whether the connection's sessions can only come back through the cache. Those of TLS 1.3 with
/// stateless tickets travel with the client: caching them would only push others out. (In TLS 1.2
/// OpenSSL gives such sessions no id, and does not call us.)
///
/// # Safety
///
/// `ssl` is a live connection.
unsafe fn is_stateful(ssl: *mut SSL) -> bool {
    // SAFETY: by contract.
    unsafe {
        sys::SSL_version(ssl) != sys::TLS1_3_VERSION
            || ffi::SSL_get_options(ssl) & sys::SSL_OP_NO_TICKET != 0
    }
}
