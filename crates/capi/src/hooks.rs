//! Session hooks for C.

use std::ffi::{c_int, c_void};

use rekindle::hooks::SessionEvent;

use crate::call::call;
use crate::failure::Failure;
use crate::service;
use crate::ts::{self, TSSslSessionID_s};

pub const REKINDLE_SESSION_GET: c_int = 2000;
pub const REKINDLE_SESSION_NEW: c_int = 2001;
pub const REKINDLE_SESSION_REMOVE: c_int = 2002;

pub type rekindle_session_hook =
    Option<unsafe extern "C" fn(event: c_int, id: *const TSSslSessionID_s, data: *mut c_void)>;

/// The pointer that each call of a hook passes on.
struct Data(*mut c_void);

// SAFETY: the contract of `rekindle_session_hook_add` says that threads share the pointer, and this
// library never reads what it points to.
unsafe impl Send for Data {}
// SAFETY: as above.
unsafe impl Sync for Data {}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rekindle_session_hook_add(
    hook: rekindle_session_hook,
    data: *mut c_void,
) -> c_int {
    call(-1, || {
        let hook = hook.ok_or(Failure::Null("the hook"))?;
        let data = Data(data);
        service::with(|service| {
            service.hooks().add(move |event, id| {
                let Data(data) = &data;
                let event = match event {
                    SessionEvent::Get => REKINDLE_SESSION_GET,
                    SessionEvent::New => REKINDLE_SESSION_NEW,
                    SessionEvent::Remove => REKINDLE_SESSION_REMOVE,
                    // This version of the header has no number for it.
                    _ => return,
                };
                // SAFETY: by contract; the id lives as long as the call.
                unsafe { hook(event, &ts::to_c(id), *data) };
            });
            Ok(0)
        })
    })
}
