//! What the server calls in OpenSSL's place.

use std::ffi::{c_char, c_int, c_long, c_void};

use openssl_sys::{self as sys, OSSL_LIB_CTX, SSL, SSL_CTX, SSL_METHOD};

use crate::real::real;
use crate::take::{NotResumable, installs, with_taker};

/// A callback of the server's, whose type does not matter here.
type Callback = *mut c_void;

const SSL_CTRL_SET_SESS_CACHE_MODE: c_int = 44;
const SSL_CTRL_SET_TLSEXT_TICKET_KEYS: c_int = 59;
const SSL_CTRL_SET_TLSEXT_TICKET_KEY_CB: c_int = 72;

/// Before the first message of a handshake. Later SNI may have swapped the connection's context.
const TLS_ST_BEFORE: c_int = 0;

unsafe extern "C" {
    fn SSL_get_state(ssl: *const SSL) -> c_int;
}

/// A context is new. One for clients only does not matter.
fn welcome(ctx: *mut SSL_CTX, method: *const SSL_METHOD) {
    // SAFETY: no preconditions.
    let of_clients = unsafe { [sys::TLS_client_method(), sys::DTLS_client_method()] };
    if !of_clients.contains(&method) {
        with_taker(|taker| taker.welcome(ctx));
    }
}

/// Whether a context was taken, so that the server's setting of it is not passed on.
fn is_kept(ctx: *mut SSL_CTX) -> bool {
    let mut kept = false;
    with_taker(|taker| kept = taker.has(ctx));
    kept
}

/// # Safety
///
/// `ssl` is a live connection that no other thread uses.
unsafe fn serve(ssl: *mut SSL) {
    // SAFETY: by contract.
    let begins = unsafe { sys::SSL_is_server(ssl) == 1 && SSL_get_state(ssl) == TLS_ST_BEFORE };
    if begins {
        // SAFETY: by contract.
        with_taker(|taker| unsafe { taker.serve(ssl) });
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn SSL_CTX_new(method: *const SSL_METHOD) -> *mut SSL_CTX {
    let real = real!(SSL_CTX_new: unsafe extern "C" fn(*const SSL_METHOD) -> *mut SSL_CTX);
    // SAFETY: as the server calls it.
    let ctx = unsafe { real(method) };
    welcome(ctx, method);
    ctx
}

#[unsafe(no_mangle)]
unsafe extern "C" fn SSL_CTX_new_ex(
    library: *mut OSSL_LIB_CTX,
    properties: *const c_char,
    method: *const SSL_METHOD,
) -> *mut SSL_CTX {
    let real = real!(SSL_CTX_new_ex: unsafe extern "C" fn(
        *mut OSSL_LIB_CTX,
        *const c_char,
        *const SSL_METHOD,
    ) -> *mut SSL_CTX);
    // SAFETY: as the server calls it.
    let ctx = unsafe { real(library, properties, method) };
    welcome(ctx, method);
    ctx
}

#[unsafe(no_mangle)]
unsafe extern "C" fn SSL_set_accept_state(ssl: *mut SSL) {
    let real = real!(SSL_set_accept_state: unsafe extern "C" fn(*mut SSL));
    // SAFETY: as the server calls it.
    unsafe {
        real(ssl);
        serve(ssl);
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn SSL_accept(ssl: *mut SSL) -> c_int {
    let real = real!(SSL_accept: unsafe extern "C" fn(*mut SSL) -> c_int);
    // SAFETY: as the server calls it.
    unsafe {
        serve(ssl);
        real(ssl)
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn SSL_do_handshake(ssl: *mut SSL) -> c_int {
    let real = real!(SSL_do_handshake: unsafe extern "C" fn(*mut SSL) -> c_int);
    // SAFETY: as the server calls it.
    unsafe {
        serve(ssl);
        real(ssl)
    }
}

/// A setter of a context's, which a context that was taken keeps from the server.
macro_rules! kept {
    ($($name:ident($($argument:ident: $type:ty),*) $(-> $result:ty = $done:expr)?;)*) => {$(
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $name(ctx: *mut SSL_CTX, $($argument: $type),*) $(-> $result)? {
            let real = real!($name: unsafe extern "C" fn(*mut SSL_CTX, $($type),*) $(-> $result)?);
            if is_kept(ctx) {
                return $($done)?;
            }
            // SAFETY: as the server calls it.
            unsafe { real(ctx, $($argument),*) }
        }
    )*};
}

kept! {
    SSL_CTX_sess_set_new_cb(callback: Callback);
    SSL_CTX_sess_set_get_cb(callback: Callback);
    SSL_CTX_sess_set_remove_cb(callback: Callback);
    SSL_CTX_set_tlsext_ticket_key_evp_cb(callback: Callback) -> c_int = 1;
    SSL_CTX_set_session_ticket_cb(seal: Callback, open: Callback, arg: *mut c_void) -> c_int = 1;
}

#[unsafe(no_mangle)]
unsafe extern "C" fn SSL_CTX_set_not_resumable_session_callback(
    ctx: *mut SSL_CTX,
    callback: NotResumable,
) {
    let real = real!(SSL_CTX_set_not_resumable_session_callback:
        unsafe extern "C" fn(*mut SSL_CTX, NotResumable));
    if installs(callback) || !is_kept(ctx) {
        // SAFETY: as the server, or the installation, calls it.
        unsafe { real(ctx, callback) };
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn SSL_CTX_ctrl(
    ctx: *mut SSL_CTX,
    command: c_int,
    long: c_long,
    pointer: *mut c_void,
) -> c_long {
    let real = real!(SSL_CTX_ctrl:
        unsafe extern "C" fn(*mut SSL_CTX, c_int, c_long, *mut c_void) -> c_long);
    let setters = [
        SSL_CTRL_SET_SESS_CACHE_MODE,
        SSL_CTRL_SET_TLSEXT_TICKET_KEYS,
    ];
    if setters.contains(&command) && is_kept(ctx) {
        return 1;
    }
    // SAFETY: as the server calls it.
    unsafe { real(ctx, command, long, pointer) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn SSL_CTX_callback_ctrl(
    ctx: *mut SSL_CTX,
    command: c_int,
    callback: Callback,
) -> c_long {
    let real = real!(SSL_CTX_callback_ctrl:
        unsafe extern "C" fn(*mut SSL_CTX, c_int, Callback) -> c_long);
    if command == SSL_CTRL_SET_TLSEXT_TICKET_KEY_CB && is_kept(ctx) {
        return 1;
    }
    // SAFETY: as the server calls it.
    unsafe { real(ctx, command, callback) }
}
