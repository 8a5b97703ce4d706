//! The callbacks that OpenSSL calls in the middle of handshakes. None of them may panic across the
//! border, block, or leave its reference counts wrong.

use std::ffi::{c_int, c_uchar, c_uint, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::{mem, ptr, slice};

use foreign_types_shared::ForeignType;
use openssl::ssl::SslSession;
use openssl_sys::{self as sys, EVP_CIPHER_CTX, EVP_MAC_CTX, SSL, SSL_CTX, SSL_SESSION};

use super::ffi::{self, INDEXES};
use super::handshake_state::{self as note, Note};
use super::resumption::{ResumedBy, Shared};
use crate::SessionId;
use crate::hooks::SessionEvent;

/// Runs what must not unwind into C; a panic has said what it has to say by then, and turns into
/// the result that harms nobody.
pub(super) fn guarded<R>(harmless: R, f: impl FnOnce() -> R) -> R {
    // A panic leaves no broken state behind: the cache's changes are single exchanges.
    catch_unwind(AssertUnwindSafe(f)).unwrap_or(harmless)
}

/// A handshake has made a session. Returns 0: the reference that came with it stays OpenSSL's.
pub(super) unsafe extern "C" fn new_session(ssl: *mut SSL, session: *mut SSL_SESSION) -> c_int {
    guarded((), || {
        // SAFETY: OpenSSL hands in a live connection and its session.
        let (shared, stateful) = unsafe { (open_of(ssl), is_stateful(ssl)) };
        let (Some(shared), true) = (shared, stateful) else {
            return;
        };
        // SAFETY: as above; nobody else has the session yet, and the clone takes a reference of its own.
        let session = unsafe {
            let tickets = &shared.tickets;
            tickets.lifetimes.limit_cached(session, &tickets.ring);
            sys::SSL_SESSION_up_ref(session);
            SslSession::from_ptr(session)
        };
        if let Ok(id) = SessionId::new(session.id())
            // What is refused is counted by the cache; the handshake goes on without.
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
        let Some(session) = shared.cache.get(&id) else {
            return ptr::null_mut();
        };
        // SAFETY: as above.
        unsafe {
            let tickets = &shared.tickets;
            if tickets.lifetimes.has_ended(session.as_ptr(), &tickets.ring) {
                return ptr::null_mut();
            }
            let how = if sys::SSL_version(ssl) == sys::TLS1_3_VERSION {
                ResumedBy::StatefulTicket
            } else {
                ResumedBy::SessionId
            };
            let found = Some(how);
            note::write(
                ssl,
                Note {
                    found,
                    ..note::read(ssl)
                },
            );
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
            let shared = sys::SSL_CTX_get_ex_data(ctx, INDEXES.ctx);
            (shared.cast::<Shared>().as_ref(), SessionId::new(id))
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

/// A ticket is to be sealed (`enc` is 1) or opened (0).
pub(super) unsafe extern "C" fn ticket_key(
    ssl: *mut SSL,
    name: *mut c_uchar,
    iv: *mut c_uchar,
    cipher: *mut EVP_CIPHER_CTX,
    mac: *mut EVP_MAC_CTX,
    enc: c_int,
) -> c_int {
    // In OpenSSL's terms -1 is an error, and 0 when opening a ticket that nobody can open.
    let harmless = if enc == 1 { -1 } else { 0 };
    guarded(harmless, || {
        // SAFETY: OpenSSL hands in a live connection.
        let Some(shared) = (unsafe { shared_of(ssl) }) else {
            return harmless;
        };
        // SAFETY: OpenSSL hands in 16 bytes for the name, at least as many for the
        // initialisation vector, and two contexts that are this call's alone.
        unsafe {
            let name = &mut *name.cast::<[u8; 16]>();
            let iv = &mut *iv.cast::<[u8; 16]>();
            if enc == 1 {
                shared.tickets.seal(ssl, name, iv, cipher, mac)
            } else {
                shared.tickets.open(ssl, name, iv, cipher, mac)
            }
        }
    })
}

/// OpenSSL has tried to open a ticket: `session` is what was in it, if it could.
pub(super) unsafe extern "C" fn ticket_tried(
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
        // SAFETY: OpenSSL hands in a live connection, and a session that nobody else has yet.
        unsafe {
            let Some(shared) = shared_of(ssl) else {
                return harmless;
            };
            shared.tickets.tried(ssl, status, session)
        }
    })
}

/// A session is about to become a ticket, or the session behind one that is but an id. Returns 1: 0
/// would end the handshake.
pub(super) unsafe extern "C" fn ticket_begins(ssl: *mut SSL, context: *mut c_void) -> c_int {
    guarded((), || {
        // SAFETY: OpenSSL hands in a live connection, and the context whose callback this is.
        unsafe {
            let session = sys::SSL_get_session(ssl);
            let (Some(shared), false) = (shared_of(ssl), session.is_null()) else {
                return;
            };
            let stateful = is_stateful(ssl) && sys::SSL_version(ssl) == sys::TLS1_3_VERSION;
            let context = context.cast::<SSL_CTX>();
            shared.tickets.begins(ssl, context, session, stateful);
        }
    });
    1
}

/// Runs the hooks, outside every critical step: nothing is pinned, no callback is half done. What
/// the handshake is about to do does not depend on them.
fn run_hooks(shared: &Shared, event: SessionEvent, id: &SessionId) {
    guarded((), || shared.hooks.run(event, id));
}

/// As [`shared_of`], but nothing when that has been closed.
///
/// # Safety
///
/// As [`shared_of`].
unsafe fn open_of<'a>(ssl: *mut SSL) -> Option<&'a Shared> {
    // SAFETY: by contract.
    unsafe { shared_of(ssl) }.filter(|shared| !shared.is_closed())
}

/// What is installed on the context that a connection was made from.
///
/// # Safety
///
/// `ssl` is a live connection, and outlives `'a`.
unsafe fn shared_of<'a>(ssl: *mut SSL) -> Option<&'a Shared> {
    // SAFETY: the index holds null or a pointer that `Shared::into_raw` returned, kept alive by the
    // connection's first context. A connection older than the installation has null there.
    unsafe {
        let mut raw = sys::SSL_get_ex_data(ssl, INDEXES.ssl);
        if raw.is_null() {
            raw = sys::SSL_CTX_get_ex_data(sys::SSL_get_SSL_CTX(ssl), INDEXES.ctx);
        }
        raw.cast::<Shared>().as_ref()
    }
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
