//! Set-up and end.

use std::ffi::{c_char, c_int};
use std::mem::ManuallyDrop;

use openssl::ssl::SslContextBuilder;
use openssl_sys::SSL_CTX;

use crate::call::{call, last_error};
use crate::config::rekindle_config;
use crate::failure::Failure;
use crate::service;

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rekindle_init(config: *const rekindle_config) -> c_int {
    call(-1, || {
        // SAFETY: by contract.
        let config = unsafe { rekindle_config::read(config) }?;
        service::start(|| config.build())?;
        Ok(0)
    })
}

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
