//! Calls into OpenSSL that need `unsafe`, each behind a safe name.
#![allow(unsafe_code)]

use std::cell::Cell;
use std::ffi::{c_int, c_uchar, c_void};
use std::{ptr, slice};

use foreign_types_shared::ForeignTypeRef;
use openssl::ssl::{SslContextBuilder, SslContextRef, SslRef, SslSessionRef, SslStream};
use openssl_sys::{SSL, SSL_CTX, SSL_CTX_ctrl, SSL_SESSION};

// What OpenSSL says has become of a ticket, and what a callback answers to it.
const SSL_TICKET_SUCCESS: c_int = 5;
const SSL_TICKET_SUCCESS_RENEW: c_int = 6;
const SSL_TICKET_RETURN_IGNORE_RENEW: c_int = 2;
const SSL_TICKET_RETURN_USE: c_int = 3;
const SSL_TICKET_RETURN_USE_RENEW: c_int = 4;

const SSL_CTRL_SESS_NUMBER: c_int = 20;

type GenerateTicket = unsafe extern "C" fn(*mut SSL, *mut c_void) -> c_int;
type DecryptTicket = unsafe extern "C" fn(
    ssl: *mut SSL,
    session: *mut SSL_SESSION,
    name: *const c_uchar,
    name_len: usize,
    status: c_int,
    arg: *mut c_void,
) -> c_int;

// What `openssl-sys` does not declare.
unsafe extern "C" {
    fn SSL_new_session_ticket(ssl: *mut SSL) -> c_int;
    fn SSL_SESSION_get0_ticket(
        session: *const SSL_SESSION,
        ticket: *mut *const c_uchar,
        len: *mut usize,
    );
    fn SSL_CTX_set_session_ticket_cb(
        ctx: *mut SSL_CTX,
        generate: Option<GenerateTicket>,
        decrypt: Option<DecryptTicket>,
        arg: *mut c_void,
    ) -> c_int;
}

thread_local! {
    static OPENED: Cell<usize> = const { Cell::new(0) };
}

/// Lets a client offer a session, which must come from a connection of the same context.
pub(crate) fn offer(client: &mut SslRef, session: &SslSessionRef) {
    // SAFETY: callers keep sessions beside the context of the client that received them, and no
    // context of the harness has data that is tied to one of its sessions.
    unsafe { client.set_session(session) }.expect("a session to offer");
}

/// Adds a session to OpenSSL's own cache. Whether it is new there.
pub(crate) fn add_session(context: &SslContextRef, session: &SslSessionRef) -> bool {
    // SAFETY: callers hand in sessions that were made for this context and no other.
    unsafe { context.add_session(session) }
}

/// Removes a session from OpenSSL's own cache. Whether it was there.
pub(crate) fn remove_session(context: &SslContextRef, session: &SslSessionRef) -> bool {
    // SAFETY: as above.
    unsafe { context.remove_session(session) }
}

/// Number of sessions in OpenSSL's own cache.
pub(crate) fn sessions_in(context: &SslContextRef) -> usize {
    let context = context.as_ptr();
    // SAFETY: a live context; this control reads a counter and takes no argument.
    let count = unsafe { SSL_CTX_ctrl(context, SSL_CTRL_SESS_NUMBER, 0, ptr::null_mut()) };
    usize::try_from(count).expect("a count")
}

/// Asks a TLS 1.3 server for one more ticket, to be sealed and sent by the next handshake call.
pub(crate) fn request_ticket<S>(server: &mut SslStream<S>) {
    // SAFETY: a live connection that no other thread uses.
    let result = unsafe { SSL_new_session_ticket(server.ssl().as_ptr()) };
    assert_eq!(result, 1, "a server of TLS 1.3 after its handshake");
}

/// The ticket that a client's session came with; empty if with none.
pub(crate) fn ticket_of(session: &SslSessionRef) -> Vec<u8> {
    let (mut ticket, mut len) = (ptr::null(), 0);
    // SAFETY: a live session; the ticket belongs to it and is copied while it lives.
    unsafe {
        SSL_SESSION_get0_ticket(session.as_ptr(), &mut ticket, &mut len);
        if ticket.is_null() {
            return Vec::new();
        }
        slice::from_raw_parts(ticket, len).to_vec()
    }
}

/// Lets a server's context count the tickets that it opens, see [`opened`].
pub(crate) fn count_opened(context: &mut SslContextBuilder) {
    let (context, nothing) = (context.as_ptr(), ptr::null_mut());
    // SAFETY: a live context, a callback of the right type, no argument.
    let result =
        unsafe { SSL_CTX_set_session_ticket_cb(context, None, Some(count_tried), nothing) };
    assert_eq!(result, 1, "there is nothing that could fail");
}

/// Tickets that were opened on this thread: authentic, decrypted, and a session inside.
pub(crate) fn opened() -> usize {
    OPENED.get()
}

/// OpenSSL has tried to open a ticket. Counts it and goes on as OpenSSL would without us.
unsafe extern "C" fn count_tried(
    _ssl: *mut SSL,
    _session: *mut SSL_SESSION,
    _name: *const c_uchar,
    _name_len: usize,
    status: c_int,
    _arg: *mut c_void,
) -> c_int {
    let answer = match status {
        SSL_TICKET_SUCCESS => SSL_TICKET_RETURN_USE,
        SSL_TICKET_SUCCESS_RENEW => SSL_TICKET_RETURN_USE_RENEW,
        _ => return SSL_TICKET_RETURN_IGNORE_RENEW,
    };
    OPENED.set(OPENED.get() + 1);
    answer
}
