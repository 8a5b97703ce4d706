//! `rekindle_session_take`, which the manual page does not have.

use openssl_sys::SSL_SESSION;

use crate::call::call;
use crate::service;
use crate::ts::{TSSslSessionID_s, give, session_id};

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rekindle_session_take(id: *const TSSslSessionID_s) -> *mut SSL_SESSION {
    call(std::ptr::null_mut(), || {
        // SAFETY: by contract.
        let id = unsafe { session_id(id) }?;
        service::with(|service| Ok(give(service.cache().take(&id)).cast()))
    })
}
