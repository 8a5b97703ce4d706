//! What the manual page does not have: take.

use openssl_sys::SSL_SESSION;

use crate::call::call;
use crate::service;
use crate::ts::{TSSslSessionID_s, give, session_id};

/// Removes the session under an id from the cache and hands it out, in one step: of any number of
/// callers exactly one receives it. That makes sessions single-use.
///
/// Returns the session with a reference that is the caller's: free it with SSL_SESSION_free(). Others may
/// have got it before, so treat it as read-only.
///
/// NULL: there is no live session under that id, there is no cache, or `id` is NULL or invalid;
/// rekindle_last_error() is empty in the first case. Runs no hook. From any thread; lock-free.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rekindle_session_take(id: *const TSSslSessionID_s) -> *mut SSL_SESSION {
    call(std::ptr::null_mut(), || {
        // SAFETY: by contract.
        let id = unsafe { session_id(id) }?;
        service::with(|service| Ok(give(service.cache().take(&id)).cast()))
    })
}
