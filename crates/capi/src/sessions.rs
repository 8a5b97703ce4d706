//! `rekindle_session_take`, which the manual page does not have.

use openssl_sys::SSL_SESSION;

use crate::call::call;
use crate::service;
use crate::ts::{TSSslSessionID_s, give, session_id};

/// Removes the session under an id from the cache and hands it out, in one step: of any number of
/// callers exactly one receives it. This makes sessions single-use.
///
/// Returns the session with a reference that the caller owns: free it with SSL_SESSION_free().
/// Earlier lookups may have handed out the same session: treat it as read-only.
///
/// NULL: there is no live session under that id, there is no cache, or `id` is NULL or invalid;
/// rekindle_last_error() is empty in the first case. Runs no hook. Any thread may call it;
/// lock-free.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rekindle_session_take(id: *const TSSslSessionID_s) -> *mut SSL_SESSION {
    call(std::ptr::null_mut(), || {
        // SAFETY: by contract.
        let id = unsafe { session_id(id) }?;
        service::with(|service| Ok(give(service.cache().take(&id)).cast()))
    })
}
