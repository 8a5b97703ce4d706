//! The calls of Traffic Server's manual page TSSslSession, with its names and types:
//! what `rekindle_ts.h` declares.

use std::ffi::{c_char, c_int};
use std::{mem, ptr, slice};

use foreign_types_shared::ForeignType;
use openssl::ssl::SslSession;
use openssl_sys as sys;
use rekindle::SessionId;
use rekindle::tickets::RecordLayout;

use crate::call::{call, call_with_warning};
use crate::failure::Failure;
use crate::service;

pub const TS_SSL_MAX_SSL_SESSION_ID_LENGTH: usize = 32;

#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct TSSslSessionID_s {
    pub len: usize,
    pub bytes: [c_char; TS_SSL_MAX_SSL_SESSION_ID_LENGTH],
}

pub type TSSslSessionID = TSSslSessionID_s;

#[derive(Debug)]
pub struct tsapi_ssl_session(());

pub type TSSslSession = *mut tsapi_ssl_session;

#[derive(Debug)]
pub struct tsapi_ssl_obj(());

pub type TSSslConnection = *mut tsapi_ssl_obj;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub enum TSReturnCode {
    TS_ERROR = -1,
    TS_SUCCESS = 0,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub enum TSEvent {
    TS_EVENT_SSL_SESSION_GET = 2000,
    TS_EVENT_SSL_SESSION_NEW = 2001,
    TS_EVENT_SSL_SESSION_REMOVE = 2002,
}

use TSReturnCode::{TS_ERROR, TS_SUCCESS};

#[unsafe(no_mangle)]
pub unsafe extern "C" fn TSSslSessionGet(sessionid: *const TSSslSessionID) -> TSSslSession {
    call(ptr::null_mut(), || {
        // SAFETY: by contract.
        let id = unsafe { session_id(sessionid) }?;
        service::with(|service| Ok(give(service.cache().get_session(&id))))
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn TSSslSessionGetBuffer(
    sessionid: *const TSSslSessionID,
    buffer: *mut c_char,
    len_ptr: *mut c_int,
) -> c_int {
    call(0, || {
        // SAFETY: by contract.
        let id = unsafe { session_id(sessionid) }?;
        if len_ptr.is_null() {
            return Err(Failure::Null("len_ptr"));
        }
        service::with(|service| {
            let guard = service.cache().pin();
            let Some(encoded) = guard.get_encoded(&id) else {
                return Ok(0);
            };
            // SAFETY: by contract. The call claims no more of the buffer than it writes.
            unsafe {
                let room = if buffer.is_null() { -1 } else { *len_ptr };
                let stored = usize::try_from(room).unwrap_or(0).min(encoded.len());
                ptr::copy_nonoverlapping(encoded.as_ptr(), buffer.cast(), stored);
                *len_ptr = stored as c_int;
            }
            // The longest encoding that the cache accepts has 1 MiB.
            Ok(encoded.len() as c_int)
        })
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn TSSslSessionInsert(
    sessionid: *const TSSslSessionID,
    add_session: TSSslSession,
    ssl_conn: TSSslConnection,
) -> TSReturnCode {
    let _ = ssl_conn;
    call(TS_ERROR, || {
        // SAFETY: by contract.
        let id = unsafe { session_id(sessionid) }?;
        if add_session.is_null() {
            return Err(Failure::Null("the session"));
        }
        service::with(|service| {
            let session: *mut sys::SSL_SESSION = add_session.cast();
            // SAFETY: by contract it is a live session; `session` has a reference of its own.
            let session = unsafe {
                sys::SSL_SESSION_up_ref(session);
                SslSession::from_ptr(session)
            };
            service.cache().insert_session(&id, session)?;
            Ok(TS_SUCCESS)
        })
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn TSSslSessionRemove(sessionid: *const TSSslSessionID) -> TSReturnCode {
    call(TS_ERROR, || {
        // SAFETY: by contract.
        let id = unsafe { session_id(sessionid) }?;
        service::with(|service| {
            service.cache().remove(&id);
            Ok(TS_SUCCESS)
        })
    })
}

#[allow(non_snake_case)] // as the manual page has it
#[unsafe(no_mangle)]
pub unsafe extern "C" fn TSSslTicketKeyUpdate(
    ticketData: *mut c_char,
    ticketDataLength: c_int,
) -> TSReturnCode {
    call_with_warning(TS_ERROR, || {
        if ticketData.is_null() {
            return Err(Failure::Null("the ticket key data"));
        }
        let Ok(len) = usize::try_from(ticketDataLength) else {
            return Err(Failure::NegativeLength(ticketDataLength));
        };
        service::with(|service| {
            // SAFETY: by contract.
            let records = unsafe { slice::from_raw_parts(ticketData.cast::<u8>(), len) };
            // Traffic Server takes the whole records of any buffer.
            let rest = len % RecordLayout::TRAFFIC_SERVER.len();
            let whole = Some(&records[..len - rest]).filter(|whole| !whole.is_empty());
            service.ticket_ring().update(whole.unwrap_or(records))?;
            let warning = (rest > 0)
                .then(|| format!("{rest} bytes behind the last record of 48 are ignored"));
            Ok((TS_SUCCESS, warning))
        })
    })
}

/// # Safety
///
/// `id` is null or points to a session id.
pub(crate) unsafe fn session_id(id: *const TSSslSessionID) -> Result<SessionId, Failure> {
    // SAFETY: by contract.
    let Some(id) = (unsafe { id.as_ref() }) else {
        return Err(Failure::Null("the session id"));
    };
    let Some(bytes) = id.bytes.get(..id.len) else {
        return Err(rekindle::InvalidSessionId { len: id.len }.into());
    };
    // SAFETY: a char is a byte.
    let bytes = unsafe { slice::from_raw_parts(bytes.as_ptr().cast::<u8>(), bytes.len()) };
    Ok(SessionId::new(bytes)?)
}

/// Hands a session over with its reference.
pub(crate) fn give(session: Option<SslSession>) -> TSSslSession {
    session.map_or(ptr::null_mut(), |session| {
        let raw = session.as_ptr();
        mem::forget(session);
        raw.cast()
    })
}

/// The id as C knows it.
pub(crate) fn to_c(id: &SessionId) -> TSSslSessionID {
    let id = id.as_bytes();
    let mut bytes = [0; TS_SSL_MAX_SSL_SESSION_ID_LENGTH];
    for (to, from) in bytes.iter_mut().zip(id) {
        *to = *from as c_char;
    }
    TSSslSessionID {
        len: id.len(),
        bytes,
    }
}
