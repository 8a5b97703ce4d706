//! OpenSSL's own functions, which this library has the names of.

use std::ffi::{CStr, c_void};
use std::mem;

/// Finds the function of a name that comes after this library's. It panics if there is none: the
/// server could not have been linked then.
///
/// # Safety
///
/// `F` is a pointer to a function, of the type that OpenSSL declares.
pub(crate) unsafe fn find<F: Copy>(name: &CStr) -> F {
    const { assert!(size_of::<F>() == size_of::<*mut c_void>()) };
    // SAFETY: a name that ends in zero.
    let found = unsafe { libc::dlsym(libc::RTLD_NEXT, name.as_ptr()) };
    assert!(
        !found.is_null(),
        "no {name:?} behind librekindle-preload.so"
    );
    // SAFETY: by contract; the pointer is not null.
    unsafe { mem::transmute_copy(&found) }
}

/// A function of OpenSSL's, looked up once.
macro_rules! real {
    ($name:ident: $type:ty) => {{
        static REAL: std::sync::LazyLock<$type> = std::sync::LazyLock::new(|| {
            let name = std::concat!(std::stringify!($name), "\0");
            let name = std::ffi::CStr::from_bytes_with_nul(name.as_bytes());
            // SAFETY: declared like this in <openssl/ssl.h>.
            unsafe { $crate::real::find(name.expect("one zero, at its end")) }
        });
        *REAL
    }};
}
pub(crate) use real;
