//! What OpenSSL's objects hold for this adapter: numbers in the places of pointers, and boxes.

use std::ffi::{c_int, c_long, c_void};
use std::ptr;

use openssl_sys::{self as sys, CRYPTO_EX_DATA, SSL};

/// The number that a connection holds; zero if it holds none.
///
/// # Safety
///
/// `ssl` is a live connection, and `index` holds a number, never a pointer.
pub(super) unsafe fn number(ssl: *const SSL, index: c_int) -> usize {
    // SAFETY: by contract.
    unsafe { sys::SSL_get_ex_data(ssl, index) }.addr()
}

/// Without memory for it, the number is lost.
///
/// # Safety
///
/// As [`number`].
pub(super) unsafe fn set_number(ssl: *mut SSL, index: c_int, number: usize) {
    let number = ptr::without_provenance_mut::<c_void>(number);
    // SAFETY: by contract.
    unsafe { sys::SSL_set_ex_data(ssl, index, number) };
}

/// The end of an object that holds a `Box<T>`, or null. `T` is dropped without a panic.
pub(super) unsafe extern "C" fn drop_box<T>(
    _object: *mut c_void,
    value: *mut c_void,
    _ad: *mut CRYPTO_EX_DATA,
    _index: c_int,
    _argl: c_long,
    _argp: *mut c_void,
) {
    if !value.is_null() {
        // SAFETY: the index that this is registered for holds boxes of that type, and this is the
        // end of one.
        drop(unsafe { Box::from_raw(value.cast::<T>()) });
    }
}
