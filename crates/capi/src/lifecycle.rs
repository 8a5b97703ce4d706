//! Set-up and end.

use std::ffi::{c_char, c_int};
use std::mem::ManuallyDrop;

use openssl::ssl::SslContextBuilder;
use openssl_sys::SSL_CTX;

use crate::call::{call, last_error};
use crate::config::rekindle_config;
use crate::failure::Failure;
use crate::service;

/// Makes the process's session cache and a random ticket key. Before this call every other call
/// behaves as if caching were switched off.
///
/// The library reads `config` during the call only. NULL stands for the defaults.
///
/// Returns 0, or -1 if there is a cache already, a value of `config` is out of its range, or memory
/// is short. Any thread may call it; of several callers one succeeds.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rekindle_init(config: *const rekindle_config) -> c_int {
    call(-1, || {
        // SAFETY: by contract.
        let config = unsafe { rekindle_config::read(config) }?;
        service::start(|| config.build())?;
        Ok(0)
    })
}

/// Puts the cache and the ticket keys behind a server's context. It sets the callbacks for new
/// sessions, lookups, removals and ticket keys, switches OpenSSL's own cache off, and sets the
/// configured session timeout, if any. Any number of contexts share the cache.
///
/// Call it before the context's first connection, on a context that no other thread uses. Other
/// settings of the context may come before or after. Set the session id context yourself
/// (SSL_CTX_set_session_id_context()): OpenSSL resumes no session under another one, and without
/// one it resumes no session with a client certificate. SSL_OP_NO_TICKET decides, as always,
/// whether clients get tickets that carry their session or sessions stay in the cache. Leave early
/// data off (SSL_CTX_set_max_early_data()), and set none of those callbacks yourself.
///
/// If SSL_CTX_set_session_cache_mode() sets SSL_SESS_CACHE_OFF afterwards, the context resumes by
/// tickets only. The context keeps what it needs: it may outlive rekindle_shutdown(), and the
/// program may free it at any time.
///
/// Returns 0, or -1 if `ctx` is NULL, `ctx` is attached already (to this cache or to an earlier
/// one), or there is no cache.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rekindle_attach(ctx: *mut SSL_CTX) -> c_int {
    call(-1, || {
        if ctx.is_null() {
            return Err(Failure::Null("the context"));
        }
        service::with(|service| {
            // SAFETY: by contract it is a live context that no other thread uses. It stays the
            // caller's: the builder is never dropped.
            let mut context = ManuallyDrop::new(unsafe { SslContextBuilder::from_ptr(ctx) });
            service.install(&mut context)?;
            Ok(0)
        })
    })
}

/// Maintains the cache and the ticket keys: removes sessions that have expired, gives memory back,
/// makes the next ticket keys, and overwrites the keys whose lifetime is over. Call it about once a
/// second, from any thread.
///
/// Calling it is optional: inserts remove expired sessions as well, and a handshake that finds a
/// ticket key missing makes it, once each period. A program that calls it spares handshakes that
/// work, and a key's memory is overwritten on time even when no client connects.
///
/// Returns 0, or -1 if there is no cache, or if a key is due and the operating system gives no
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

/// Says why the calling thread's last call failed, or what it warns of, in English. Empty if the
/// call succeeded without a warning. Never NULL. The library owns the text, which is valid until
/// the thread's next call or end.
#[unsafe(no_mangle)]
pub extern "C" fn rekindle_last_error() -> *const c_char {
    last_error()
}

/// Empties the cache and ends it: every call behaves as before rekindle_init(), which the program
/// may call again. Calls in flight on other threads finish safely.
///
/// Attached contexts keep working without a cache: they store no session and find none, also after
/// a later rekindle_init(). Tickets that carry their session go on with the keys in use. Hooks end;
/// a handshake that has begun to look a session up or to store one may still call them.
///
/// Does nothing if there is no cache. Any thread may call it. It frees all sessions (500,000 a
/// second) and waits a few milliseconds at most for calls in flight. A program need not call it at
/// its end; if it does, it must do so before OpenSSL's own clean-up, which is at exit().
#[unsafe(no_mangle)]
pub extern "C" fn rekindle_shutdown() {
    call((), || {
        service::stop();
        Ok(())
    });
}
