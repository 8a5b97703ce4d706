//! Session hooks for C.

use std::ffi::{c_int, c_void};

use rekindle::hooks::SessionEvent;

use crate::call::call;
use crate::failure::Failure;
use crate::service;
use crate::ts::{self, TSSslSessionID_s};

/// Event of a session hook: a client has named a session, and the handshake is about to look it up.
/// The lookup finds what the hook inserts under that id now (TS_EVENT_SSL_SESSION_GET).
pub const REKINDLE_SESSION_GET: c_int = 2000;

/// Event of a session hook: the handshake has inserted a new session, and the hook can look it up.
/// A session that the cache refused causes no event (TS_EVENT_SSL_SESSION_NEW).
pub const REKINDLE_SESSION_NEW: c_int = 2001;

/// Event of a session hook: the handshake is about to remove a session, which the hook can still
/// look up. A session that is not in the cache causes no event (TS_EVENT_SSL_SESSION_REMOVE).
pub const REKINDLE_SESSION_REMOVE: c_int = 2002;

/// A session hook. `event` is REKINDLE_SESSION_GET, _NEW or _REMOVE; later versions may add events.
/// `id` is the session's id, valid during the call only. `data` is the pointer that
/// rekindle_session_hook_add() was given.
///
/// A hook runs on the handshake's thread, on several threads at the same time, and the handshake
/// waits for it. It may call every function of this header and of rekindle_ts.h. It must not throw
/// and must not leave by longjmp().
pub type rekindle_session_hook =
    Option<unsafe extern "C" fn(event: c_int, id: *const TSSslSessionID_s, data: *mut c_void)>;

/// The pointer that each call of a hook passes on.
struct Data(*mut c_void);

// SAFETY: the contract of `rekindle_session_hook_add` says that threads share the pointer, and this
// library never reads what it points to.
unsafe impl Send for Data {}
// SAFETY: as above.
unsafe impl Sync for Data {}

/// Adds a session hook behind the existing ones, for every context that is or will be attached. The
/// hook stays until rekindle_shutdown(). Only handshakes run hooks; calls to this library run none.
///
/// The library passes `data` on unchanged, on several threads at a time. A handshake that runs
/// during rekindle_shutdown() may call the hook a last time after it: free `data` after the
/// handshakes. A hook that another hook adds runs from the next event on.
///
/// Returns 0, or -1 if `hook` is NULL or there is no cache. Any thread may call it, while
/// handshakes run.
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
