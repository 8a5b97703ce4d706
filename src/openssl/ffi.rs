//! What `openssl-sys` does not declare, and the two ex_data indexes.

use std::ffi::{c_char, c_int, c_long, c_uchar, c_uint, c_void};
use std::ptr;
use std::sync::LazyLock;

use openssl_sys::{
    CRYPTO_EX_DATA, EVP_CIPHER_CTX, EVP_MAC_CTX, OSSL_PARAM, SSL, SSL_CIPHER, SSL_CTX,
    SSL_CTX_get_ex_data, SSL_CTX_get_ex_new_index, SSL_SESSION, SSL_get_SSL_CTX,
    SSL_get_ex_new_index, X509,
};

use super::resumption::Shared;

/// Before a session becomes a ticket.
pub(super) type TicketGeneration = unsafe extern "C" fn(ssl: *mut SSL, arg: *mut c_void) -> c_int;

/// After OpenSSL has tried to open one.
pub(super) type TicketDecryption = unsafe extern "C" fn(
    ssl: *mut SSL,
    session: *mut SSL_SESSION,
    key_name: *const c_uchar,
    key_name_len: usize,
    status: c_int,
    arg: *mut c_void,
) -> c_int;

/// What came of opening a ticket, `SSL_TICKET_STATUS` and `SSL_TICKET_RETURN` in `<openssl/ssl.h>`.
pub(super) const SSL_TICKET_NO_DECRYPT: c_int = 4;
pub(super) const SSL_TICKET_SUCCESS: c_int = 5;
pub(super) const SSL_TICKET_SUCCESS_RENEW: c_int = 6;
/// What is to be done about it.
pub(super) const SSL_TICKET_RETURN_IGNORE_RENEW: c_int = 2;
pub(super) const SSL_TICKET_RETURN_USE: c_int = 3;
pub(super) const SSL_TICKET_RETURN_USE_RENEW: c_int = 4;

pub(super) type TicketKeyCallback = unsafe extern "C" fn(
    ssl: *mut SSL,
    key_name: *mut c_uchar,
    iv: *mut c_uchar,
    cipher: *mut EVP_CIPHER_CTX,
    mac: *mut EVP_MAC_CTX,
    enc: c_int,
) -> c_int;

unsafe extern "C" {
    pub(super) fn SSL_CTX_set_tlsext_ticket_key_evp_cb(
        ctx: *mut SSL_CTX,
        callback: Option<TicketKeyCallback>,
    ) -> c_int;
    pub(super) fn SSL_get_options(ssl: *const SSL) -> u64;
    pub(super) fn EVP_MAC_init(
        ctx: *mut EVP_MAC_CTX,
        key: *const c_uchar,
        keylen: usize,
        params: *const OSSL_PARAM,
    ) -> c_int;
    pub(super) fn OSSL_PARAM_construct_utf8_string(
        key: *const c_char,
        buf: *mut c_char,
        bsize: usize,
    ) -> OSSL_PARAM;
    pub(super) fn SSL_CTX_set_session_ticket_cb(
        ctx: *mut SSL_CTX,
        generation: Option<TicketGeneration>,
        decryption: Option<TicketDecryption>,
        arg: *mut c_void,
    ) -> c_int;
    pub(super) fn SSL_SESSION_set1_ticket_appdata(
        session: *mut SSL_SESSION,
        data: *const c_void,
        len: usize,
    ) -> c_int;
    pub(super) fn SSL_SESSION_get0_ticket_appdata(
        session: *mut SSL_SESSION,
        data: *mut *mut c_void,
        len: *mut usize,
    ) -> c_int;
    pub(super) fn SSL_SESSION_set_time(session: *mut SSL_SESSION, time: c_long) -> c_long;
    pub(super) fn SSL_SESSION_set_timeout(session: *mut SSL_SESSION, seconds: c_long) -> c_long;
    pub(super) fn SSL_SESSION_get0_peer(session: *mut SSL_SESSION) -> *mut X509;
    fn SSL_SESSION_get0_id_context(session: *const SSL_SESSION, len: *mut c_uint)
    -> *const c_uchar;
    pub(super) fn SSL_get_pending_cipher(ssl: *const SSL) -> *const SSL_CIPHER;
    pub(super) fn SSL_SESSION_get0_cipher(session: *const SSL_SESSION) -> *const SSL_CIPHER;
    pub(super) fn SSL_get_default_timeout(ssl: *const SSL) -> c_long;
    pub(super) fn SSL_CTX_get_timeout(ctx: *const SSL_CTX) -> c_long;
    pub(super) fn SSL_CTX_set_timeout(ctx: *mut SSL_CTX, seconds: c_long) -> c_long;
    fn CRYPTO_set_ex_data(ad: *mut CRYPTO_EX_DATA, idx: c_int, value: *mut c_void) -> c_int;
    fn CRYPTO_get_ex_data(ad: *const CRYPTO_EX_DATA, idx: c_int) -> *mut c_void;
}

/// Where we keep what is ours, in OpenSSL's own objects. Negative: OpenSSL gave none.
pub(super) struct Indexes {
    /// On an `SSL_CTX`: an `Arc<Shared>` as a raw pointer, dropped with the context.
    pub(super) ctx: c_int,
    /// On an `SSL`: the `Shared` of the context that it was made from, borrowed. OpenSSL asks that
    /// context's callbacks for sessions and tickets, also when SNI has swapped the context since
    /// (`SSL_get_SSL_CTX` is the new one then), and the connection keeps it alive.
    pub(super) ssl: c_int,
    /// On an `SSL`: how its session was found, and its ticket: numbers in place of a pointer (`note.rs`).
    pub(super) found: c_int,
    /// On an `SSL`: since when, in the ring's milliseconds, likewise.
    pub(super) since: c_int,
}

pub(super) static INDEXES: LazyLock<Indexes> = LazyLock::new(|| {
    // SAFETY: registers callbacks with the signatures that OpenSSL asks for.
    unsafe {
        Indexes {
            ctx: SSL_CTX_get_ex_new_index(0, ptr::null_mut(), None, None, Some(drop_shared)),
            ssl: SSL_get_ex_new_index(
                0,
                ptr::null_mut(),
                Some(remember_shared),
                Some(keep_own_shared),
                None,
            ),
            found: SSL_get_ex_new_index(0, ptr::null_mut(), None, None, None),
            since: SSL_get_ex_new_index(0, ptr::null_mut(), None, None, None),
        }
    }
});

/// The id context that a session was made in.
///
/// # Safety
///
/// `session` is alive for `'a`, and keeps its id context.
pub(super) unsafe fn id_context<'a>(session: *const SSL_SESSION) -> &'a [u8] {
    let mut len = 0;
    // SAFETY: by contract; the context is a field of the session.
    unsafe {
        let context = SSL_SESSION_get0_id_context(session, &mut len);
        std::slice::from_raw_parts(context, len as usize)
    }
}

/// A new connection: notes whose context it was made from.
unsafe extern "C" fn remember_shared(
    ssl: *mut c_void,
    _value: *mut c_void,
    ad: *mut CRYPTO_EX_DATA,
    idx: c_int,
    _argl: c_long,
    _argp: *mut c_void,
) {
    // SAFETY: OpenSSL calls this from `SSL_new`, with the connection, after its context was set.
    unsafe {
        let ctx = SSL_get_SSL_CTX(ssl.cast());
        if !ctx.is_null() {
            CRYPTO_set_ex_data(ad, idx, SSL_CTX_get_ex_data(ctx, INDEXES.ctx));
        }
        // Should the list of the connection's data have to grow for it, then now, not in a lookup.
        CRYPTO_set_ex_data(ad, INDEXES.found, ptr::null_mut());
        CRYPTO_set_ex_data(ad, INDEXES.since, ptr::null_mut());
    }
}

/// `SSL_dup`: the copy was made by `SSL_new`, and keeps what that noted. The original's context may
/// be another one, which the copy does not keep alive.
unsafe extern "C" fn keep_own_shared(
    to: *mut CRYPTO_EX_DATA,
    _from: *const CRYPTO_EX_DATA,
    value: *mut *mut c_void,
    idx: c_int,
    _argl: c_long,
    _argp: *mut c_void,
) -> c_int {
    // SAFETY: OpenSSL hands in valid pointers; `value` points to what the copy will get.
    unsafe { *value = CRYPTO_get_ex_data(to, idx) };
    1
}

unsafe extern "C" fn drop_shared(
    _ctx: *mut c_void,
    value: *mut c_void,
    _ad: *mut CRYPTO_EX_DATA,
    _idx: c_int,
    _argl: c_long,
    _argp: *mut c_void,
) {
    if !value.is_null() {
        // SAFETY: the index holds null or what `Shared::into_raw` returned; the context is being
        // freed, so this is the last use of it.
        let shared = unsafe { Shared::from_raw(value) };
        super::callbacks::guarded((), || drop(shared));
    }
}
