//! The calls that the manual page does not have: set-up and end, session hooks, and
//! `rekindle_session_take`.

use std::ffi::{c_char, c_int, c_void};
use std::mem::ManuallyDrop;
use std::{ptr, slice};

use openssl::ssl::SslContextBuilder;
use openssl_sys::{SSL_CTX, SSL_SESSION};
use rekindle::hooks::SessionEvent;
use rekindle::openssl::{InstallError, Resumption, Scope};
use rekindle_key_files::TicketKeyFile;

use crate::call::{call, call_with_warning, last_error};
use crate::config::{as_path, rekindle_config, text};
use crate::failure::Failure;
use crate::service;
use crate::ts::{self, TSSslSessionID_s, give, session_id};

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
pub unsafe extern "C" fn rekindle_init(config: *const rekindle_config) -> c_int {
    call_with_warning(-1, || {
        // SAFETY: by contract.
        let config = unsafe { rekindle_config::read(config) }?;
        let mut warning = None;
        service::start(|| {
            // SAFETY: by contract.
            let (resumption, told) = unsafe { config.build() }?;
            warning = told;
            Ok(resumption)
        })?;
        Ok((0, warning))
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rekindle_attach(ctx: *mut SSL_CTX) -> c_int {
    // SAFETY: by contract.
    unsafe { attach(ctx, |service, context| service.install(context).map(drop)) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rekindle_attach_scoped(
    ctx: *mut SSL_CTX,
    scope: *const c_void,
    len: usize,
) -> c_int {
    // SAFETY: by contract.
    match unsafe { scope_named(scope, len) } {
        // SAFETY: by contract.
        Ok(scope) => unsafe {
            attach(ctx, |service, context| {
                service.install_scoped(context, &scope)
            })
        },
        Err(failure) => call(-1, || Err(failure)),
    }
}

/// # Safety
///
/// `scope` is null or has `len` bytes.
unsafe fn scope_named(scope: *const c_void, len: usize) -> Result<Scope, Failure> {
    if scope.is_null() {
        return Err(Failure::Null("the scope"));
    }
    // SAFETY: by contract.
    Ok(Scope::new(unsafe {
        slice::from_raw_parts(scope.cast::<u8>(), len)
    }))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rekindle_attach_replacing(ctx: *mut SSL_CTX) -> c_int {
    // SAFETY: by contract.
    unsafe {
        attach(ctx, |service, context| {
            service.install_replacing(context).map(drop)
        })
    }
}

/// # Safety
///
/// `ctx` is null, or a live context that no other thread uses.
unsafe fn attach(
    ctx: *mut SSL_CTX,
    install: impl Fn(&Resumption, &mut SslContextBuilder) -> Result<(), InstallError>,
) -> c_int {
    call(-1, || {
        if ctx.is_null() {
            return Err(Failure::Null("the context"));
        }
        service::with(|service| {
            // SAFETY: by contract. It stays the caller's: the builder is never dropped.
            let mut context = ManuallyDrop::new(unsafe { SslContextBuilder::from_ptr(ctx) });
            install(service, &mut context)?;
            Ok(0)
        })
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rekindle_revoke(scope: *const c_void, len: usize) -> c_int {
    call(-1, || {
        // SAFETY: by contract.
        let scope = unsafe { scope_named(scope, len) }?;
        service::with(|service| {
            service.revoke(&scope);
            Ok(0)
        })
    })
}

#[unsafe(no_mangle)]
pub extern "C" fn rekindle_revoke_all() -> c_int {
    call(-1, || {
        service::with(|service| {
            service.revoke_all();
            Ok(0)
        })
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rekindle_ticket_keys_load(
    path: *const c_char,
    format: *const c_char,
) -> c_int {
    call_with_warning(-1, || {
        // SAFETY: by contract.
        let (path, format) = unsafe { (text(path, "the path"), text(format, "the format")) };
        let (path, format) = (as_path(path?), format?);
        let mut file = match format.to_str() {
            Ok("secret") => TicketKeyFile::secret(path),
            format => TicketKeyFile::keys(path, format.unwrap_or_default().parse()?),
        };
        service::with(|service| {
            file.reload(service.ticket_ring())?;
            let mut notices = file.notices().iter();
            Ok((0, notices.find(|notice| notice.is_warning()).cloned()))
        })
    })
}

#[unsafe(no_mangle)]
pub extern "C" fn rekindle_maintain() -> c_int {
    call(-1, || {
        service::with(|service| {
            service.maintain()?;
            Ok(0)
        })
    })
}

#[unsafe(no_mangle)]
pub extern "C" fn rekindle_last_error() -> *const c_char {
    last_error()
}

#[unsafe(no_mangle)]
pub extern "C" fn rekindle_shutdown() {
    call((), || {
        service::stop();
        Ok(())
    });
}

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

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rekindle_session_take(id: *const TSSslSessionID_s) -> *mut SSL_SESSION {
    call(ptr::null_mut(), || {
        // SAFETY: by contract.
        let id = unsafe { session_id(id) }?;
        service::with(|service| Ok(give(service.cache().take_session(&id)).cast()))
    })
}
