//! The C entry points, called as C would, with memory exactly as long as its length says.
//!
//! What a call may read is on the heap with nothing behind it, so that the address sanitizer sees a
//! byte read too far. What a call may write has canaries around it.
#![allow(unsafe_code)]

use std::ffi::{CStr, c_char, c_int, c_void};
use std::sync::atomic::{AtomicU8, Ordering};
use std::{mem, ptr};

use foreign_types_shared::ForeignType;
use openssl::ssl::{SslContextBuilder, SslSession};
use openssl_sys::SSL_SESSION;
use rekindle_capi::config::rekindle_config;
use rekindle_capi::stats::rekindle_stats;
use rekindle_capi::ts::{self, TSReturnCode, TSSslSessionID};
use rekindle_capi::{own, stats};

use crate::input::{Config, Id};

const CANARY: u8 = 0xEE;
const MARGIN: usize = 64;

/// Memory that a call may write to, between canaries and full of them.
pub(crate) struct Canaries {
    memory: Vec<u8>,
}

impl Canaries {
    pub(crate) fn around(len: usize) -> Self {
        Self {
            memory: vec![CANARY; len + 2 * MARGIN],
        }
    }

    fn as_mut_ptr(&mut self) -> *mut u8 {
        self.memory[MARGIN..].as_mut_ptr()
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.memory[MARGIN..self.memory.len() - MARGIN]
    }

    /// Whether no byte has changed but for the first `written` ones.
    pub(crate) fn are_whole_but_for(&self, written: usize) -> bool {
        let (before, rest) = self.memory.split_at(MARGIN);
        let behind = &rest[written..];
        *before == [CANARY; MARGIN] && behind == vec![CANARY; behind.len()]
    }
}

/// The bytes behind an id's length, another number for each id.
static NOISE: AtomicU8 = AtomicU8::new(1);

/// An id as C passes it.
fn id(id: Id) -> Option<Box<TSSslSessionID>> {
    let (len, last) = match id {
        Id::Null => return None,
        Id::Invalid(len) => (len, 0),
        Id::Valid(len, last) => (len, last),
    };
    let mut bytes = [0; 32];
    let end = bytes.get_mut(len.wrapping_sub(1)..);
    if let Some((end, behind)) = end.and_then(<[c_char]>::split_first_mut) {
        *end = last as c_char;
        behind.fill(NOISE.fetch_add(1, Ordering::Relaxed) as c_char);
    }
    Some(Box::new(TSSslSessionID { len, bytes }))
}

fn pointer<T>(of: &Option<Box<T>>) -> *const T {
    of.as_deref().map_or(ptr::null(), ptr::from_ref)
}

/// Takes over a reference that a call has handed out.
fn own(session: *mut SSL_SESSION) -> Option<SslSession> {
    // SAFETY: null, or a session with a reference that the call has handed out.
    (!session.is_null()).then(|| unsafe { SslSession::from_ptr(session) })
}

pub(crate) fn init(config: Option<&Config>) -> bool {
    let Some(config) = config else {
        // SAFETY: null is allowed.
        return unsafe { own::rekindle_init(ptr::null()) == 0 };
    };
    let size = config.fields.size;
    // SAFETY: the structure is numbers without padding.
    let fields: [u8; size_of::<rekindle_config>()] = unsafe { mem::transmute(config.fields) };
    // A structure of an impossible size consists of its size field.
    let there = if (8..=4_096).contains(&size) { size } else { 8 };
    // In words, for alignment; the last word may have up to seven bytes too many.
    let mut words = vec![0_u64; there.div_ceil(8)];
    for (i, word) in words.iter_mut().enumerate() {
        let bytes: [u8; 8] = std::array::from_fn(|j| match 8 * i + j {
            at if at >= there => 0xAA,
            at => fields.get(at).copied().unwrap_or(config.tail),
        });
        *word = u64::from_ne_bytes(bytes);
    }
    // SAFETY: as many bytes as the size says, or a size that is refused before more is read.
    unsafe { own::rekindle_init(words.as_ptr().cast::<rekindle_config>()) == 0 }
}

pub(crate) fn shutdown() {
    own::rekindle_shutdown();
}

pub(crate) fn last_error() -> String {
    // SAFETY: never null, ends in NUL, and lives until this thread's next call.
    let text = unsafe { CStr::from_ptr(own::rekindle_last_error()) };
    text.to_str().expect("ASCII").to_owned()
}

pub(crate) fn get(of: Id) -> Option<SslSession> {
    let id = id(of);
    // SAFETY: null or an id.
    own(unsafe { ts::TSSslSessionGet(pointer(&id)) }.cast())
}

/// With a null pointer for a buffer or a length that is `None`.
pub(crate) fn get_buffer(
    of: Id,
    buffer: Option<&mut Canaries>,
    mut len: Option<&mut c_int>,
) -> c_int {
    let id = id(of);
    let buffer = buffer.map_or(ptr::null_mut(), Canaries::as_mut_ptr);
    let len = len.as_mut().map_or(ptr::null_mut(), |len| &raw mut **len);
    // SAFETY: null or an id; the buffer has as many bytes as the length says, or as the session has
    // where that is less.
    unsafe { ts::TSSslSessionGetBuffer(pointer(&id), buffer.cast(), len) }
}

pub(crate) fn insert(of: Id, session: Option<&SslSession>) -> bool {
    let id = id(of);
    let session = session.map_or(ptr::null_mut(), ForeignType::as_ptr);
    // SAFETY: null or an id; null or a live session.
    let result = unsafe { ts::TSSslSessionInsert(pointer(&id), session.cast(), ptr::null_mut()) };
    result == TSReturnCode::TS_SUCCESS
}

pub(crate) fn remove(of: Id) -> bool {
    let id = id(of);
    // SAFETY: null or an id.
    unsafe { ts::TSSslSessionRemove(pointer(&id)) == TSReturnCode::TS_SUCCESS }
}

pub(crate) fn take(of: Id) -> Option<SslSession> {
    let id = id(of);
    // SAFETY: null or an id.
    own(unsafe { own::rekindle_session_take(pointer(&id)) })
}

pub(crate) fn ticket_keys(keys: Option<&[u8]>, len: c_int) -> bool {
    let mut data: Option<Box<[u8]>> = keys.map(Box::from);
    let data = data.as_mut().map(|data| data.as_mut_ptr());
    let data = data.unwrap_or(ptr::null_mut());
    // SAFETY: null, or as many bytes as the length says; none where it is negative.
    unsafe { ts::TSSslTicketKeyUpdate(data.cast(), len) == TSReturnCode::TS_SUCCESS }
}

/// Every field of the statistics, of a cache that exists.
pub(crate) fn all_stats() -> rekindle_stats {
    let mut all = rekindle_stats {
        size: size_of::<rekindle_stats>() as u64,
        ..Default::default()
    };
    // SAFETY: as many bytes as the size says.
    assert_eq!(unsafe { stats::rekindle_stats(&raw mut all) }, 0);
    all
}

pub(crate) fn words(stats: &rekindle_stats) -> &[u64; size_of::<rekindle_stats>() / 8] {
    // SAFETY: the structure is 64-bit numbers without padding.
    unsafe { &*ptr::from_ref(stats).cast() }
}

/// The words that the call wrote to the structure; none if the call failed.
pub(crate) fn stats(size: Option<usize>) -> (bool, Vec<u64>) {
    let Some(size) = size else {
        // SAFETY: null is refused.
        let result = unsafe { stats::rekindle_stats(ptr::null_mut()) };
        return (result == 0, vec![]);
    };
    let there = if size <= 4_096 { size } else { 8 };
    // In words, for alignment: the size, the counters, canaries.
    let canary = u64::from_ne_bytes([CANARY; 8]);
    let mut words = vec![canary; there.div_ceil(8).max(1) + MARGIN];
    words[0] = size as u64;
    // SAFETY: as many bytes as the size says, or a size that is refused before more is written.
    let result = unsafe { stats::rekindle_stats(words.as_mut_ptr().cast::<rekindle_stats>()) };
    let written = if result == 0 { size } else { 0 };
    let (whole, part) = ((written / 8).max(1), written % 8);
    let behind = words[whole].to_ne_bytes();
    assert!(behind[part..].iter().all(|b| *b == CANARY), "wrote beyond");
    let is_whole = words[whole + 1..].iter().all(|w| *w == canary);
    assert!(is_whole, "wrote beyond");
    assert_eq!(words[0], size as u64);
    words.truncate(written / 8);
    (result == 0, words)
}

unsafe extern "C" fn hook(_event: c_int, _id: *const TSSslSessionID, _data: *mut c_void) {
    std::process::abort(); // This target makes no handshake.
}

pub(crate) fn hook_add(there: bool) -> bool {
    let hook: own::rekindle_session_hook = if there { Some(hook) } else { None };
    // SAFETY: the hook does not read its data.
    unsafe { own::rekindle_session_hook_add(hook, ptr::null_mut()) == 0 }
}

pub(crate) fn attach(context: Option<&SslContextBuilder>) -> bool {
    let context = context.map_or(ptr::null_mut(), SslContextBuilder::as_ptr);
    // SAFETY: null, or a context that no other thread uses.
    unsafe { own::rekindle_attach(context) == 0 }
}

unsafe extern "C" {
    /// Not in openssl-sys.
    fn SSL_SESSION_new() -> *mut SSL_SESSION;
}

/// A session without a cipher.
pub(crate) fn not_encodable() -> SslSession {
    // SAFETY: a new session, whose one reference is handed over.
    unsafe { SslSession::from_ptr(SSL_SESSION_new()) }
}
