//! The last second of a session that was decoded.
//!
//! An encoding holds a session's time in whole seconds. Up to OpenSSL 3.1 expiry compares whole
//! seconds as well; since 3.2 it compares nanoseconds, so that a decoded session ends up to a
//! second before its client was told. Rekindle has checked its age by then, so OpenSSL's check may
//! be late.

use std::ffi::c_long;

use openssl_sys::{self as sys, SSL_SESSION};

use super::ffi;

/// Seconds that decoded sessions get in addition: one that was cut off, one that Rekindle gives to
/// whole seconds of age.
fn added() -> c_long {
    // SAFETY: asks for a number.
    let version = unsafe { sys::OpenSSL_version_num() };
    if version < 0x3020_0000 { 0 } else { 2 }
}

/// Has OpenSSL's own check of a decoded session come too late to matter.
///
/// # Safety
///
/// `session` is alive, and no other thread can reach it.
pub(super) unsafe fn add_to(session: *mut SSL_SESSION) {
    // SAFETY: by contract.
    unsafe { change_timeout(session, added()) };
}

/// Takes back what was added, before the session goes into a ticket.
///
/// # Safety
///
/// As [`add_to`].
pub(super) unsafe fn take_from(session: *mut SSL_SESSION) {
    // SAFETY: by contract.
    unsafe { change_timeout(session, -added()) };
}

/// # Safety
///
/// As [`add_to`].
unsafe fn change_timeout(session: *mut SSL_SESSION, seconds: c_long) {
    if seconds != 0 {
        // SAFETY: by contract.
        unsafe {
            let timeout = sys::SSL_SESSION_get_timeout(session).saturating_add(seconds);
            ffi::SSL_SESSION_set_timeout(session, timeout);
        }
    }
}
