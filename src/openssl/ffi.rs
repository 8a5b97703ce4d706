//! What `openssl-sys` does not declare, and the two ex_data indexes.

use std::ffi::{c_char, c_int, c_long, c_uchar, c_void};
use std::ptr;
use std::sync::LazyLock;

use openssl_sys::{
    CRYPTO_EX_DATA, EVP_CIPHER_CTX, EVP_MAC_CTX, OSSL_PARAM, SSL, SSL_CTX, SSL_CTX_get_ex_data,
    SSL_CTX_get_ex_new_index, SSL_get_SSL_CTX, SSL_get_ex_new_index,
};

use super::resumption::Shared;

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
    pub(super) fn OSSL_PARAM_construct_utf8_string(
        key: *const c_char,
        buf: *mut c_char,
        bsize: usize,
    ) -> OSSL_PARAM;
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
    /// On an `SSL`: how its session was found, a small number in place of a pointer.
    pub(super) found: c_int,
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
        }
    }
});

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
