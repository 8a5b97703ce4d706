//! Session hooks for C.

use std::ffi::{c_int, c_void};

use rekindle::hooks::SessionEvent;

use crate::call::call;
use crate::failure::Failure;
use crate::service;
use crate::ts::{self, TSSslSessionID_s};

/// Event of a session hook: a client has named a session, and the handshake is about to look it up. What
/// the hook inserts under that id now is found (TS_EVENT_SSL_SESSION_GET).
pub const REKINDLE_SESSION_GET: c_int = 2000;

/// Event of a session hook: the handshake has inserted a new session, and the hook finds it in the cache.
/// There is none for a session that the cache refused (TS_EVENT_SSL_SESSION_NEW).
pub const REKINDLE_SESSION_NEW: c_int = 2001;

/// Event of a session hook: the handshake is about to remove a session, which the hook can still look up.
/// There is none if no such session is in the cache (TS_EVENT_SSL_SESSION_REMOVE).
pub const REKINDLE_SESSION_REMOVE: c_int = 2002;

/// A session hook. `event` is one of REKINDLE_SESSION_GET, _NEW, _REMOVE, and others in later versions;
/// `id` is the session's id, valid during the call only; `data` is what rekindle_session_hook_add() was
/// given.
///
/// It runs on the handshake's thread, on several at the same time, and the handshake waits for it. It
/// may call everything in this header and in rekindle_ts.h. It must not throw or longjmp() out.
pub type rekindle_session_hook =
    Option<unsafe extern "C" fn(event: c_int, id: *const TSSslSessionID_s, data: *mut c_void)>;

/// What the hook is given back: its owner says that threads may share it.
struct Data(*mut c_void);

// SAFETY: by the contract of `rekindle_session_hook_add`; we never look behind the pointer.
unsafe impl Send for Data {}
// SAFETY: as above.
unsafe impl Sync for Data {}

/// Adds a session hook behind those that are there, for every context that is or will be attached. It
/// stays until rekindle_shutdown(). Calls to this library run no hooks: only handshakes do.
///
/// `data` is passed on as it is, to several threads at a time. Handshakes that run during
/// rekindle_shutdown() may call the hook a last time after it; so free `data` after the handshakes. A hook
/// that is added by a hook has its turn at the next event.
///
/// Returns 0, or -1 if `hook` is NULL or there is no cache. From any thread, while handshakes run.
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
