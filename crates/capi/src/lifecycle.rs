//! Set-up and end.

use std::ffi::{c_char, c_int};
use std::mem::ManuallyDrop;

use openssl::ssl::SslContextBuilder;
use openssl_sys::SSL_CTX;

use crate::call::{call, last_error};
use crate::config::rekindle_config;
use crate::failure::Failure;
use crate::service;

/// Makes the process's session cache and a random ticket key. Before that every call behaves as though
/// caching were switched off.
///
/// `config` is read during the call only; NULL stands for the defaults.
///
/// Returns 0, or -1 if there is a cache already, a value of `config` is out of its range, or there is not
/// the memory. From any thread; of several callers one succeeds.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rekindle_init(config: *const rekindle_config) -> c_int {
    call(-1, || {
        // SAFETY: by contract.
        let config = unsafe { rekindle_config::read(config) }?;
        service::start(|| config.build())?;
        Ok(0)
    })
}

/// Puts the cache and the ticket keys behind a server's context: its callbacks for new sessions, lookups,
/// removals and ticket keys; OpenSSL's own cache off; the configured session timeout, if any. Any number
/// of contexts share the cache.
///
/// Call it before the context's first connection, on a context that no other thread uses; what else is set
/// on it may be set before or after. Set the session id context (SSL_CTX_set_session_id_context()) yourself: OpenSSL resumes no session under another one,
/// and with client certificates none at all without. SSL_OP_NO_TICKET decides, as always, whether clients
/// get tickets that carry their session or sessions stay in the cache. Leave early data off
/// (SSL_CTX_set_max_early_data()), and set none of those callbacks yourself.
///
/// If SSL_CTX_set_session_cache_mode() sets SSL_SESS_CACHE_OFF afterwards, the context resumes by tickets
/// only. The context keeps what it needs: it may outlive rekindle_shutdown(), and be freed at any time.
///
/// Returns 0, or -1 if `ctx` is NULL or attached already (to a cache that is gone, perhaps), or there is no
/// cache.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rekindle_attach(ctx: *mut SSL_CTX) -> c_int {
    call(-1, || {
        if ctx.is_null() {
            return Err(Failure::Null("the context"));
        }
        service::with(|service| {
            // SAFETY: by contract it is a live context that nobody else uses. It stays the caller's:
            // the builder is never dropped.
            let mut context = ManuallyDrop::new(unsafe { SslContextBuilder::from_ptr(ctx) });
            service.install(&mut context)?;
            Ok(0)
        })
    })
}

/// Looks after the cache and the ticket keys: sweeps out sessions that have expired, gives memory back,
/// makes the ticket keys that are to come, overwrites those whose time is over. For once a second, from
/// any thread.
///
/// Nothing has to call it: inserts sweep as well, and a handshake that finds a ticket key missing makes
/// it, once each period. Where something does, no handshake has to, and keys are gone when their time is
/// over although nobody comes.
///
/// Returns 0, or -1 if there is no cache, or if a key is to be made and the operating system gives no
/// random bytes; the keys in use stay then, and the next call tries again.
#[unsafe(no_mangle)]
pub extern "C" fn rekindle_maintain() -> c_int {
    call(-1, || {
        service::with(|service| {
            service.maintain()?;
            Ok(0)
        })
    })
}

/// Says why the calling thread's last call failed, or what it warns of, in English; empty if there is
/// nothing to say. Never NULL. The text is the library's, and valid until the thread's next call or end.
#[unsafe(no_mangle)]
pub extern "C" fn rekindle_last_error() -> *const c_char {
    last_error()
}

/// Empties the cache and ends it: every call behaves as before rekindle_init(), which may be called again.
/// Calls in flight on other threads finish safely.
///
/// Contexts that are attached keep working without a cache: they store no session and find none, whatever
/// is initialised later; tickets that carry their session go on with the keys that are in use. Hooks end,
/// but for handshakes that have begun to look a session up or to store one: those may still call them.
///
/// Does nothing if there is no cache. From any thread. Takes as long as it takes to free all sessions (a
/// second for 500,000), and waits some milliseconds at the most for calls in flight. Programs need not call
/// it at their end; if they do, before OpenSSL's own clean-up, which is at exit().
#[unsafe(no_mangle)]
pub extern "C" fn rekindle_shutdown() {
    call((), || {
        service::stop();
        Ok(())
    });
}
