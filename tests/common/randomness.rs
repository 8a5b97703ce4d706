//! Randomness that OpenSSL is short of.
#![allow(unsafe_code)] // OpenSSL's functions that rust-openssl lacks

use std::cell::Cell;
use std::ffi::{c_double, c_int, c_uchar, c_void};
use std::ptr;
use std::sync::Once;

#[repr(C)]
struct RandMethod {
    seed: Option<unsafe extern "C" fn(*const c_void, c_int) -> c_int>,
    bytes: Option<unsafe extern "C" fn(*mut c_uchar, c_int) -> c_int>,
    cleanup: Option<unsafe extern "C" fn()>,
    add: Option<unsafe extern "C" fn(*const c_void, c_int, c_double) -> c_int>,
    pseudorand: Option<unsafe extern "C" fn(*mut c_uchar, c_int) -> c_int>,
    status: Option<unsafe extern "C" fn() -> c_int>,
}

unsafe extern "C" {
    fn RAND_OpenSSL() -> *mut RandMethod;
    fn RAND_set_rand_method(method: *const RandMethod) -> c_int;
}

thread_local! {
    static SHORT_OF: Cell<c_int> = const { Cell::new(0) };
}

unsafe extern "C" fn bytes(buffer: *mut c_uchar, len: c_int) -> c_int {
    if SHORT_OF.get() == len {
        let mut nothing = ptr::null();
        // SAFETY: no bytes; leaves an error in the queue, as a generator would that fails.
        unsafe { openssl_sys::d2i_X509(ptr::null_mut(), &mut nothing, 0) };
        return 0;
    }
    // SAFETY: OpenSSL's own method, which is static.
    unsafe { (*RAND_OpenSSL()).bytes.expect("a method")(buffer, len) }
}

static METHOD: RandMethod = RandMethod {
    seed: None,
    bytes: Some(bytes),
    cleanup: None,
    add: None,
    pseudorand: Some(bytes),
    status: None,
};

/// Runs `f` while this thread gets no random bytes where it asks for so many at a time.
pub(crate) fn is_short_of(len: c_int, f: impl FnOnce()) {
    static SET: Once = Once::new();
    // SAFETY: a static method that draws on OpenSSL's.
    SET.call_once(|| assert_eq!(unsafe { RAND_set_rand_method(&METHOD) }, 1));
    SHORT_OF.set(len);
    f();
    SHORT_OF.set(0);
}
