//! Sessions of TLS 1.3 in the cache that resume once: taken after the client has shown that it has
//! their secret, so that an observer who shows a stolen ticket burns nothing.

use std::ffi::{c_int, c_long, c_void};
use std::ptr;
use std::sync::LazyLock;

use openssl_sys::{self as sys, CRYPTO_EX_DATA, SSL};

use super::ex_data::drop_box;
use crate::SessionId;

/// Where a connection holds the id of the session that it resumes, as a `Box<SessionId>`: OpenSSL
/// gives the session another id before it issues the next ticket. Negative: OpenSSL gave no index.
pub(super) static INDEX: LazyLock<c_int> = LazyLock::new(|| {
    // SAFETY: registers a callback with the signature that OpenSSL asks for.
    unsafe {
        sys::SSL_get_ex_new_index(
            0,
            ptr::null_mut(),
            None,
            Some(copy_none),
            Some(drop_box::<SessionId>),
        )
    }
});

/// `SSL_dup`: the copy resumes nothing yet.
unsafe extern "C" fn copy_none(
    _to: *mut CRYPTO_EX_DATA,
    _from: *const CRYPTO_EX_DATA,
    value: *mut *mut c_void,
    _index: c_int,
    _argl: c_long,
    _argp: *mut c_void,
) -> c_int {
    // SAFETY: OpenSSL hands in the place of the copy's value.
    unsafe { *value = ptr::null_mut() };
    1
}

/// Remembers which session a connection is about to resume.
///
/// # Safety
///
/// `ssl` is a live connection that remembers none: [`forget`] it before.
pub(super) unsafe fn remember(ssl: *mut SSL, id: SessionId) {
    // SAFETY: by contract; what OpenSSL has not taken is freed.
    unsafe {
        let id = Box::into_raw(Box::new(id));
        if sys::SSL_set_ex_data(ssl, *INDEX, id.cast()) != 1 {
            drop(Box::from_raw(id));
        }
    }
}

/// Which session a connection has resumed, once.
///
/// # Safety
///
/// `ssl` is a live connection.
pub(super) unsafe fn forget(ssl: *mut SSL) -> Option<Box<SessionId>> {
    // SAFETY: by contract; the index holds null or what `remember` has put there.
    unsafe {
        let id = sys::SSL_get_ex_data(ssl, *INDEX).cast::<SessionId>();
        if id.is_null() || sys::SSL_set_ex_data(ssl, *INDEX, ptr::null_mut()) != 1 {
            return None;
        }
        Some(Box::from_raw(id))
    }
}
