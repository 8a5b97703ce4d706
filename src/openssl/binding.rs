//! What a session is bound to: the server name that it was made under, and the scope of its
//! context. OpenSSL looks sessions up before it reads the server name, under the context that the
//! connection began with.

use std::ffi::CStr;
use std::sync::Arc;

use openssl_sys::{self as sys, SSL, SSL_SESSION};

use super::client_hello::{extension, host_name};
use super::session_times::read_record;
use super::{context_scope, ffi};
use crate::resume::{Began, Revocations, Scope, ServerNames, SessionRecord};

/// Why a session is not resumed although it lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unbound {
    /// The client asks for another server name.
    NameDiffers,
    /// It was revoked.
    Revoked,
}

/// Checks and records what sessions are bound to.
pub(super) struct Bindings {
    pub(super) names: ServerNames,
    pub(super) revocations: Arc<Revocations>,
}

impl Bindings {
    /// Whether a session may be resumed that a ClientHello offers.
    ///
    /// # Safety
    ///
    /// OpenSSL has called the callback for sessions or tickets of `ssl`; `session` is alive.
    pub(super) unsafe fn check(
        &self,
        ssl: *mut SSL,
        session: *mut SSL_SESSION,
        began: Began,
    ) -> Result<(), Unbound> {
        // SAFETY: by contract.
        unsafe {
            let record = read_record(session);
            // What says nothing is of the context that it comes back to.
            let scope = match &record {
                Some(record) => Some(record.scope),
                None => context_scope::of_connection(ssl).map(Scope::tag),
            };
            if self.revocations.covers(scope, began) {
                return Err(Unbound::Revoked);
            }
            let made_under = match &record {
                Some(record) => Some(record.name),
                None => hostname(session).map(|name| self.names.tag(name)),
            };
            match made_under {
                Some(name) if name != self.names.tag(asked_for(ssl)) => Err(Unbound::NameDiffers),
                _ => Ok(()),
            }
        }
    }

    /// The record of a session that is about to be issued or cached.
    ///
    /// # Safety
    ///
    /// `ssl` is a live connection that has read its ClientHello, `session` its session.
    pub(super) unsafe fn record_of(
        &self,
        ssl: *const SSL,
        session: *mut SSL_SESSION,
        lineage: u64,
    ) -> SessionRecord {
        // SAFETY: by contract; the name lives as long as the connection.
        unsafe {
            let name = sys::SSL_get_servername(ssl, sys::TLSEXT_NAMETYPE_host_name);
            let name = match name.is_null() {
                true => &[],
                false => CStr::from_ptr(name).to_bytes(),
            };
            SessionRecord {
                session_time: sys::SSL_SESSION_get_time(session) as i64,
                lineage,
                name: self.names.tag(name),
                // SNI may have swapped it.
                scope: context_scope::of_connection(ssl).map_or_else(Default::default, Scope::tag),
            }
        }
    }
}

/// The server name that OpenSSL itself has noted in a session.
///
/// # Safety
///
/// `session` is alive for `'a`.
unsafe fn hostname<'a>(session: *const SSL_SESSION) -> Option<&'a [u8]> {
    // SAFETY: by contract; the name lives as long as the session.
    unsafe {
        let name = ffi::SSL_SESSION_get0_hostname(session);
        (!name.is_null()).then(|| CStr::from_ptr(name).to_bytes())
    }
}

/// The server name in the ClientHello that is being read; empty without one.
///
/// # Safety
///
/// As [`Bindings::check`]; the bytes live until the callback returns.
unsafe fn asked_for<'a>(ssl: *mut SSL) -> &'a [u8] {
    // SAFETY: by contract.
    let names = unsafe { extension(ssl, ffi::TLSEXT_TYPE_SERVER_NAME) };
    names.and_then(host_name).unwrap_or(&[])
}
