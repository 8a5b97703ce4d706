//! The callbacks that OpenSSL calls in the middle of handshakes. None of them unwinds into C,
//! blocks, or leaves a reference count wrong.

use std::ffi::{c_int, c_uchar, c_void};
use std::time::Duration;
use std::{mem, ptr};

use foreign_types_shared::{ForeignType, ForeignTypeRef};
use openssl::ssl::{SslSession, SslSessionRef};
use openssl_sys::{self as sys, SSL, SSL_CTX, SSL_SESSION};

use super::binding::Unbound;
use super::cipher::Contexts;
use super::conflicts::{Conflict, SessionCallbacks, count_changes, lacks_id_context};
use super::connection::{is_stateful, is_tls13, session_id};
use super::handshake_state::{HandshakeState, TicketState};
use super::session::{Found, SessionCache, count_intermediates};
use super::session_times::{read_record, times, write_record};
use super::shared::{Shared, guarded};
use super::{context_scope, ffi, last_second, single_use};
use crate::hooks::SessionEvent;
use crate::resume::{Began, Outcome, ResumedBy, SessionChange, SessionCounter, TlsLibrary};
use crate::{SessionId, Time};

/// A handshake has made a session. Returns 0: the reference that came with it stays OpenSSL's.
///
/// # Safety
///
/// `ssl` is a live connection, and `session` its session.
pub(super) unsafe fn new_session(
    shared: Option<&Shared>,
    ssl: *mut SSL,
    session: *mut SSL_SESSION,
) -> c_int {
    guarded((), || {
        // SAFETY: by contract.
        let stateful = unsafe { is_stateful(ssl) };
        let (Some(shared), true) = (if_open(shared), stateful) else {
            return;
        };
        // SAFETY: by contract; no other connection has the session yet, and the clone takes a
        // reference of its own.
        let (session, began) = unsafe {
            let sealer = &shared.sealer;
            let now = sealer.ring.now();
            let age = Duration::from_millis(HandshakeState::age(ssl, now.as_millis()));
            // In TLS 1.2, no ticket was issued.
            if read_record(session).is_none() {
                write_record(session, sealer.bindings.record_of(ssl, session, 0));
            }
            sealer.lifetimes.limit_cached(session, &sealer.ring);
            count_intermediates(ssl, session);
            sys::SSL_SESSION_up_ref(session);
            (SslSession::from_ptr(session), now.saturating_sub(age))
        };
        if let Ok(id) = SessionId::new(session.id())
            // The cache counts what it refuses; the handshake goes on without.
            && let Ok((_, encoded, expires_at)) =
                shared.cache.insert_that_began(&id, session, began)
        {
            if shared.was_closed_meanwhile() {
                shared.cache.clear();
                return;
            }
            run_hooks(shared, SessionEvent::New, &id);
            // SAFETY: by contract. SNI may have swapped the context.
            if let Some(scope) = unsafe { context_scope::of_connection(ssl) } {
                let (id, encoded, library) = (&id, &*encoded, TlsLibrary::OpenSsl);
                shared.watchers.tell(&SessionChange::Stored {
                    id,
                    scope,
                    encoded,
                    library,
                    expires_at,
                });
            }
        }
    });
    0
}

/// A client names a session. Returns a reference that becomes OpenSSL's, so `copy` is 0.
///
/// # Safety
///
/// `ssl` is a live connection, `id` has `len` bytes, `copy` may be written.
pub(super) unsafe fn get_session(
    shared: Option<&Shared>,
    ssl: *mut SSL,
    id: *const c_uchar,
    len: c_int,
    copy: *mut c_int,
) -> *mut SSL_SESSION {
    guarded(ptr::null_mut(), || {
        // SAFETY: by contract.
        let id = unsafe {
            *copy = 0;
            SessionId::new(ffi::bytes(id, usize::try_from(len).unwrap_or(0)))
        };
        let (Some(shared), Ok(id)) = (if_open(shared), id) else {
            return ptr::null_mut();
        };
        if shared.single_use {
            // SAFETY: by contract. Of an earlier ClientHello.
            drop(unsafe { single_use::forget(ssl) });
        }
        run_hooks(shared, SessionEvent::Get, &id);
        let sealer = &shared.sealer;
        let mut unbound = None;
        // SAFETY: by contract; the cache lends a session that is alive.
        let may_resume = |session: &SslSessionRef, began: Time| unsafe {
            let (session, ring) = (session.as_ptr(), &sealer.ring);
            let began = match began {
                Time::NEVER => Began::Elsewhere(times(session).began()),
                began => Began::Here(began),
            };
            unbound = sealer.bindings.check(ssl, session, began).err();
            if let (Some(gate), Some(Unbound::NameDiffers)) = (&sealer.early_data, unbound) {
                gate.on_other_name(ssl);
            }
            unbound.is_none() && !sealer.lifetimes.has_ended(session, ring)
        };
        let found = shared.cache.get_session_if(&id, may_resume);
        if let Some(unbound) = unbound {
            shared.refusals.count(match unbound {
                Unbound::NameDiffers => SessionCounter::NameDiffers,
                Unbound::Revoked => SessionCounter::Revoked,
            });
        }
        let Some(found) = found else {
            return ptr::null_mut();
        };
        // SAFETY: by contract.
        unsafe { note_found(shared, ssl, id, &found) };
        let raw = found.session.as_ptr();
        mem::forget(found.session);
        raw
    })
}

/// What the rest of the handshake has to know of the session that was found for it.
///
/// # Safety
///
/// `ssl` is a live connection; no other thread has the session if it was parsed.
unsafe fn note_found(shared: &Shared, ssl: *mut SSL, id: SessionId, found: &Found) {
    let (sealer, session) = (&shared.sealer, found.session.as_ptr());
    // SAFETY: by contract.
    unsafe {
        let now = sealer.ring.now();
        let age = match found.began {
            Time::NEVER => {
                let times = times(session);
                let age = times.age_by_wall_clock(sealer.ring.unix_time());
                age.saturating_add(times.lineage_before())
            }
            began => now.duration_since(began).as_millis() as u64,
        };
        HandshakeState::write_age(ssl, now.as_millis(), age);
        if let Some(gate) = &sealer.early_data {
            gate.on_found(ssl, session, found.began != Time::NEVER, now);
        }
        if shared.single_use && is_tls13(ssl) {
            single_use::remember(ssl, id);
        }
        let ticket = if found.is_parsed {
            last_second::add_to(session);
            TicketState::Parsed
        } else {
            TicketState::None
        };
        let resumed_by = if is_tls13(ssl) {
            ResumedBy::StatefulTicket
        } else {
            ResumedBy::SessionId
        };
        let state = HandshakeState {
            found: Some(resumed_by),
            ticket,
        };
        state.write(ssl);
    }
}

/// OpenSSL has found a session unfit: expired, or its connection failed.
pub(super) unsafe extern "C" fn remove_session(ctx: *mut SSL_CTX, session: *mut SSL_SESSION) {
    guarded((), || {
        // SAFETY: OpenSSL hands in a live context, and a session that lives during this call.
        let (shared, id) = unsafe { (Shared::of_context(ctx), session_id(session)) };
        if let (Some(shared), Ok(id)) = (if_open(shared), id) {
            // SAFETY: as above.
            let session = unsafe { SslSessionRef::from_ptr(session) };
            if shared.keep_sessions && has_just_ended() && shared.cache.keep_encoding(&id, session)
            {
                if shared.was_closed_meanwhile() {
                    shared.cache.clear();
                }
                return;
            }
            remove(shared, &id, |cache| cache.remove(&id));
        }
    });
}

/// Whether the calling thread's connection has ended without a failure: without an error, or with
/// the one that says that there was no `close_notify`.
fn has_just_ended() -> bool {
    // SAFETY: no preconditions.
    let error = unsafe { sys::ERR_peek_last_error() };
    let reason = sys::ERR_GET_REASON(error);
    error == 0 || (sys::ERR_GET_LIB(error), reason) == (ffi::ERR_LIB_SSL, ffi::SSL_R_UNEXPECTED_EOF)
}

/// A ticket is to be sealed (`enc` is 1) or opened (`enc` is 0). Returns 0 where it cannot be: the
/// handshake goes on without a ticket, or as a full one.
///
/// # Safety
///
/// `ssl` is a live connection; `name` has 16 bytes, `iv` at least as many; only this call uses
/// `contexts`.
pub(super) unsafe fn ticket_key(
    shared: Option<&Shared>,
    ssl: *mut SSL,
    name: *mut c_uchar,
    iv: *mut c_uchar,
    contexts: Contexts,
    enc: c_int,
) -> c_int {
    let Some(shared) = shared else {
        return 0;
    };
    // What fails here must not look like an error of the handshake's next step.
    // SAFETY: no preconditions.
    unsafe { ffi::ERR_set_mark() };
    let done = guarded(0, || {
        let (name, iv) = (name.cast::<[u8; 16]>(), iv.cast::<[u8; 16]>());
        // SAFETY: by contract. When opening, the bytes are those of the client's ticket, which
        // OpenSSL holds as const: no exclusive reference is made to them.
        unsafe {
            if enc == 1 {
                shared.sealer.seal(ssl, &mut *name, &mut *iv, contexts)
            } else {
                shared.sealer.open(ssl, &*name, &*iv, contexts)
            }
        }
    });
    // SAFETY: no preconditions.
    unsafe { ffi::ERR_pop_to_mark() };
    if enc == 1 && done != 1 {
        shared.sealer.counters.count(Outcome::NotSealed);
    }
    done
}

/// OpenSSL has tried to open a ticket: `session` is what was in it, if it could.
pub(super) unsafe extern "C" fn on_decrypted(
    ssl: *mut SSL,
    session: *mut SSL_SESSION,
    _name: *const c_uchar,
    _name_len: usize,
    status: c_int,
    context: *mut c_void,
) -> c_int {
    // A full handshake, and a ticket for the next time.
    let harmless = ffi::SSL_TICKET_RETURN_IGNORE_RENEW;
    guarded(harmless, || {
        // SAFETY: OpenSSL hands in a live connection, a session that no other connection has, and
        // the context whose callback this is.
        unsafe {
            let Some(shared) = Shared::of_context(context.cast()) else {
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
            let context = context.cast::<SSL_CTX>();
            let session = sys::SSL_get_session(ssl);
            let (Some(shared), false) = (Shared::of_context(context), session.is_null()) else {
                return;
            };
            let stateful = is_tls13(ssl) && is_stateful(ssl);
            shared.sealer.on_issue(ssl, context, session, stateful);
            if let Some(gate) = &shared.sealer.early_data {
                gate.on_issue(ssl);
            }
            // The client has finished its handshake, and so has the session's secret if it was
            // resumed.
            if shared.single_use
                && let (Some(id), 1) = (single_use::forget(ssl), sys::SSL_session_reused(ssl))
            {
                take(shared, &id);
            }
        }
    });
    1
}

/// OpenSSL is about to accept early data, after all other checks: 1 if it may.
pub(super) unsafe extern "C" fn allow_early_data(ssl: *mut SSL, context: *mut c_void) -> c_int {
    let allowed = guarded(false, || {
        // SAFETY: OpenSSL hands in a live connection, and the context whose callback this is.
        unsafe {
            let Some(shared) = Shared::of_context(context.cast()) else {
                return false;
            };
            let (gate, ring) = (&shared.sealer.early_data, &shared.sealer.ring);
            let take = |id: &SessionId| take(shared, id);
            (gate.as_ref()).is_some_and(|gate| gate.accepts(ssl, ring, take))
        }
    });
    allowed.into()
}

/// Takes a session out of the cache. Whether it was there: of any number of connections that do so
/// with one session, one finds it.
fn take(shared: &Shared, id: &SessionId) -> bool {
    remove(shared, id, |cache| cache.pin().take(id).is_some())
}

/// Runs hooks before a session is removed, and tells watchers if it was.
fn remove(shared: &Shared, id: &SessionId, remove: impl FnOnce(&SessionCache) -> bool) -> bool {
    let cache = &*shared.cache;
    if !shared.hooks.is_empty() && cache.contains(id) {
        run_hooks(shared, SessionEvent::Remove, id);
    }
    let expires_at = match shared.watchers.is_empty() {
        true => None,
        false => cache.peek(id, |_, _, expires_at| expires_at),
    };
    let removed = remove(cache);
    if let (true, Some(expires_at)) = (removed, expires_at) {
        let watchers = &shared.watchers;
        watchers.tell(&SessionChange::Removed { id, expires_at });
    }
    removed
}

/// Runs the hooks outside every critical step: nothing is pinned, no callback is half done. What
/// the handshake does next does not depend on them.
fn run_hooks(shared: &Shared, event: SessionEvent, id: &SessionId) {
    guarded((), || shared.hooks.run(event, id));
}

/// A full handshake is under way, on a context that `own` were set on. Returns 0 if its session may
/// be resumed.
///
/// # Safety
///
/// `ssl` is a live connection.
pub(super) unsafe fn not_resumable(
    shared: Option<&Shared>,
    ssl: *mut SSL,
    own: SessionCallbacks,
) -> c_int {
    guarded(0, || {
        let Some(shared) = shared else {
            return 0;
        };
        // SAFETY: by contract.
        unsafe {
            // Called for the second time after a HelloRetryRequest.
            let is_first = HandshakeState::read(ssl).ticket != TicketState::Full;
            shared.sealer.on_full_handshake(ssl);
            let conflicts = &shared.sealer.conflicts;
            let ctx = sys::SSL_get_SSL_CTX(ssl);
            // SNI may have swapped it for one that has nothing to do with this.
            if is_first && Shared::of_context(ctx).is_some_and(|its| ptr::eq(its, shared)) {
                count_changes(conflicts, ctx, own);
            }
            let gives_none = lacks_id_context(ssl);
            if is_first && gives_none {
                conflicts.count(Conflict::NoSessionIdContext);
            }
            gives_none.into()
        }
    })
}

/// Nothing when it has been closed.
fn if_open(shared: Option<&Shared>) -> Option<&Shared> {
    shared.filter(|shared| !shared.is_closed())
}
