//! The calls of Traffic Server's manual page TSSslSession, with its names and types: the source of
//! `rekindle_ts.h`.

use std::ffi::{c_char, c_int};
use std::{mem, ptr, slice};

use foreign_types_shared::ForeignType;
use openssl::ssl::SslSession;
use openssl_sys as sys;
use rekindle::SessionId;

use crate::call::{call, tell};
use crate::failure::Failure;
use crate::service;

/// The longest session id, in bytes.
pub const TS_SSL_MAX_SSL_SESSION_ID_LENGTH: usize = 32;

/// A TLS session id: `len` bytes, 1 to 32. Every call refuses another length.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct TSSslSessionID_s {
    /// Number of bytes, 1 to 32.
    pub len: usize,
    /// The bytes; those behind `len` are ignored.
    pub bytes: [c_char; TS_SSL_MAX_SSL_SESSION_ID_LENGTH],
}

/// See struct TSSslSessionID_s.
pub type TSSslSessionID = TSSslSessionID_s;

/// An `SSL_SESSION` of OpenSSL: cast freely.
#[derive(Debug)]
pub struct tsapi_ssl_session(());

/// A pointer to an `SSL_SESSION` of OpenSSL: cast freely.
pub type TSSslSession = *mut tsapi_ssl_session;

/// An `SSL` of OpenSSL: cast freely.
#[derive(Debug)]
pub struct tsapi_ssl_obj(());

/// A pointer to an `SSL` of OpenSSL: cast freely.
pub type TSSslConnection = *mut tsapi_ssl_obj;

/// Result of a call that can fail; rekindle_last_error() says why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub enum TSReturnCode {
    /// Failure; nothing has changed.
    TS_ERROR = -1,
    /// Success.
    TS_SUCCESS = 0,
}

/// The events of session hooks; see rekindle_session_hook_add().
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub enum TSEvent {
    /// A handshake is about to look a session up.
    TS_EVENT_SSL_SESSION_GET = 2000,
    /// A handshake has inserted a new session.
    TS_EVENT_SSL_SESSION_NEW = 2001,
    /// A handshake is about to remove a session.
    TS_EVENT_SSL_SESSION_REMOVE = 2002,
}

use TSReturnCode::{TS_ERROR, TS_SUCCESS};

/// Looks a session up.
///
/// Returns the session, an `SSL_SESSION *`, with a reference that the caller owns: free it with
/// SSL_SESSION_free(). The session is shared with the cache and with handshakes: treat it as
/// read-only, and change a copy (SSL_SESSION_dup()). It stays valid after the cache has ended.
///
/// NULL: there is no live session under that id, there is no cache, or `sessionid` is NULL or
/// invalid; rekindle_last_error() is empty in the first case.
///
/// The library reads `sessionid` during the call only. Any thread may call it. Wait-free; it
/// allocates nothing but what a thread's first call sets up.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn TSSslSessionGet(sessionid: *const TSSslSessionID) -> TSSslSession {
    call(ptr::null_mut(), || {
        // SAFETY: by contract.
        let id = unsafe { session_id(sessionid) }?;
        service::with(|service| Ok(give(service.cache().get(&id))))
    })
}

/// Copies a session in its encoded form (DER, as i2d_SSL_SESSION() writes it), which other
/// processes and machines can read.
///
/// `*len_ptr` is the length of `buffer` in bytes. Returns the length of the encoded session in
/// bytes, however much of it was stored:
///
/// - it fits: the call stores all of it, and sets `*len_ptr` to its length;
/// - it does not fit: the call stores the first `*len_ptr` bytes and leaves `*len_ptr`. Ignore the
///   buffer, and call again with one as long as the value returned;
/// - `buffer` is NULL or `*len_ptr` is negative: the call stores nothing, and sets `*len_ptr` to 0.
///   This is how to ask for the length.
///
/// 0: there is no live session under that id, there is no cache, `sessionid` is NULL or invalid or
/// `len_ptr` is NULL; `*len_ptr` and `buffer` are untouched, and rekindle_last_error() is empty in
/// the first case.
///
/// Any thread may call it. Wait-free; it allocates nothing but what a thread's first call sets up.
/// The encoded session is a secret.
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

/// Inserts a session under an id, until session time + session timeout. It replaces a session under
/// the same id in one atomic step.
///
/// The cache takes a reference of its own. The caller keeps its reference, and must not change the
/// session any more. The library ignores `ssl_conn`, which may be NULL, and reads `sessionid`
/// during the call only.
///
/// TS_ERROR: `sessionid` is NULL or invalid, `add_session` is NULL or cannot be encoded, its
/// encoding is above the configured limit, or there is no cache. Nothing has changed;
/// rekindle_last_error() says why, and rekindle_stats() counts it. (If the session cannot be
/// encoded, the call empties the thread's OpenSSL error queue.)
///
/// Runs no hook. Any thread may call it; lock-free.
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

/// Removes the session under an id, if there is one. No lookup that starts after this call has
/// returned finds it.
///
/// TS_ERROR: `sessionid` is NULL or invalid, or there is no cache. TS_SUCCESS also when there was
/// no such session.
///
/// Runs no hook. Any thread may call it; lock-free.
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

/// Replaces the session ticket keys of every context that is attached to the cache, in one atomic
/// step. (Contexts that were attached before a shutdown keep their keys.)
///
/// `ticketData` holds `ticketDataLength` bytes: records of 48 bytes, each a name (16), an HMAC
/// secret (16) and an AES key (16), as in Traffic Server's key files. The key of the first record
/// seals new tickets; the keys of all records open tickets. The library copies the keys; overwrite
/// yours.
///
/// TS_ERROR: `ticketData` is NULL, there is no whole record, a record's secrets are all zeros, one
/// of them is one repeated byte or both are the same, two records have one name or the same
/// secrets, there are more than 4,096 records, or there is no cache. The keys in use stay;
/// rekindle_last_error() names the record. The call ignores bytes behind the last whole record,
/// with a warning: rekindle_last_error() is not empty then, although the call succeeded.
///
/// Keys have a maximum age, `ticket_key_max_age`, from the first call that passed them. A key of
/// that age opens no ticket, and it stops sealing one session timeout before. If no other keys have
/// come by then, the library seals with keys of its own until some do, and rekindle_stats() says
/// so.
///
/// Any thread may call it, while handshakes run.
#[allow(non_snake_case)] // as the manual page has it
#[unsafe(no_mangle)]
pub unsafe extern "C" fn TSSslTicketKeyUpdate(
    ticketData: *mut c_char,
    ticketDataLength: c_int,
) -> TSReturnCode {
    let mut trailing_bytes = 0;
    let result = call(TS_ERROR, || {
        if ticketData.is_null() {
            return Err(Failure::Null("the ticket key data"));
        }
        let Ok(len) = usize::try_from(ticketDataLength) else {
            return Err(Failure::NegativeLength(ticketDataLength));
        };
        service::with(|service| {
            // SAFETY: by contract.
            let records = unsafe { slice::from_raw_parts(ticketData.cast::<u8>(), len) };
            trailing_bytes = service.ticket_ring().update(records)?.trailing_bytes;
            Ok(TS_SUCCESS)
        })
    });
    if trailing_bytes > 0 {
        tell(&format_args!(
            "warning: {trailing_bytes} bytes behind the last record of 48 are ignored"
        ));
    }
    result
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
