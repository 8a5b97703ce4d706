//! The allocator of this program and of OpenSSL in it, which allocates more than a hundred times in
//! a handshake: with glibc's, a seventh of the time of a resumed handshake is spent in it.
//!
//! The rest of the process keeps glibc's: to take its place everywhere breaks libraries that are
//! preloaded (libfaketime).

use std::ffi::{c_char, c_int, c_void};

use libmimalloc_sys::{mi_free, mi_malloc, mi_realloc};
use mimalloc::MiMalloc;

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

type Malloc = unsafe extern "C" fn(usize, *const c_char, c_int) -> *mut c_void;
type Realloc = unsafe extern "C" fn(*mut c_void, usize, *const c_char, c_int) -> *mut c_void;
type Free = unsafe extern "C" fn(*mut c_void, *const c_char, c_int);

#[allow(unsafe_code)]
unsafe extern "C" {
    /// <https://docs.openssl.org/3.0/man3/OPENSSL_malloc/>
    fn CRYPTO_set_mem_functions(malloc: Malloc, realloc: Realloc, free: Free) -> c_int;
}

/// Gives OpenSSL the allocator. To be called before anything else uses OpenSSL.
///
/// If something has, OpenSSL keeps its own: a matter of speed alone.
#[allow(unsafe_code)]
pub(crate) fn give_to_openssl() {
    // SAFETY: the functions are those of one allocator, and do what OpenSSL asks of them. It
    // refuses them if it has allocated before.
    unsafe { CRYPTO_set_mem_functions(malloc, realloc, free) };
}

/// # Safety
///
/// None: it is called as `malloc` is.
#[allow(unsafe_code)]
unsafe extern "C" fn malloc(size: usize, _: *const c_char, _: c_int) -> *mut c_void {
    // SAFETY: any size will do.
    unsafe { mi_malloc(size) }
}

/// # Safety
///
/// As [`free`].
#[allow(unsafe_code)]
unsafe extern "C" fn realloc(
    at: *mut c_void,
    size: usize,
    _: *const c_char,
    _: c_int,
) -> *mut c_void {
    // SAFETY: by contract.
    unsafe { mi_realloc(at, size) }
}

/// # Safety
///
/// `at` is null, or comes from [`malloc`] or [`realloc`], and is not used any more.
#[allow(unsafe_code)]
unsafe extern "C" fn free(at: *mut c_void, _: *const c_char, _: c_int) {
    // SAFETY: by contract.
    unsafe { mi_free(at) }
}
