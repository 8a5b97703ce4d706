//! Declarations of OpenSSL that `openssl-sys` lacks.

use std::ffi::{c_char, c_int, c_long, c_uchar, c_uint, c_void};

use openssl_sys::{
    CRYPTO_EX_DATA, EVP_CIPHER_CTX, EVP_MAC_CTX, OPENSSL_STACK, OSSL_LIB_CTX, OSSL_PARAM, SSL,
    SSL_CIPHER, SSL_CTX, SSL_SESSION, X509, X509_CRL, X509_OBJECT, X509_STORE,
};

/// `SSL_CTX_generate_session_ticket_fn`: called before OpenSSL issues a NewSessionTicket.
pub(super) type TicketGeneration = unsafe extern "C" fn(ssl: *mut SSL, arg: *mut c_void) -> c_int;

/// `SSL_CTX_decrypt_session_ticket_fn`: called after OpenSSL has tried to open a ticket.
pub(super) type TicketDecryption = unsafe extern "C" fn(
    ssl: *mut SSL,
    session: *mut SSL_SESSION,
    key_name: *const c_uchar,
    key_name_len: usize,
    status: c_int,
    arg: *mut c_void,
) -> c_int;

// The outcome of opening a ticket, `SSL_TICKET_STATUS` in `<openssl/ssl.h>`.
pub(super) const SSL_TICKET_NO_DECRYPT: c_int = 4;
pub(super) const SSL_TICKET_SUCCESS: c_int = 5;
pub(super) const SSL_TICKET_SUCCESS_RENEW: c_int = 6;
// What OpenSSL is to do next, `SSL_TICKET_RETURN`.
pub(super) const SSL_TICKET_RETURN_IGNORE_RENEW: c_int = 2;
pub(super) const SSL_TICKET_RETURN_USE: c_int = 3;
pub(super) const SSL_TICKET_RETURN_USE_RENEW: c_int = 4;

/// Called when a handshake has made a session.
pub(super) type NewSession =
    unsafe extern "C" fn(ssl: *mut SSL, session: *mut SSL_SESSION) -> c_int;

/// Called when a client names a session.
pub(super) type GetSession = unsafe extern "C" fn(
    ssl: *mut SSL,
    id: *const c_uchar,
    len: c_int,
    copy: *mut c_int,
) -> *mut SSL_SESSION;

/// Called in each full handshake, before the server answers: whether its session is not to be
/// resumed.
pub(super) type NotResumable =
    unsafe extern "C" fn(ssl: *mut SSL, is_forward_secure: c_int) -> c_int;

/// Called when a ticket is sealed (`enc` is 1) or opened (`enc` is 0).
pub(super) type TicketKeyCallback = unsafe extern "C" fn(
    ssl: *mut SSL,
    key_name: *mut c_uchar,
    iv: *mut c_uchar,
    cipher: *mut EVP_CIPHER_CTX,
    mac: *mut EVP_MAC_CTX,
    enc: c_int,
) -> c_int;

/// Called when early data is about to be accepted: whether it may be.
pub(super) type AllowEarlyData = unsafe extern "C" fn(ssl: *mut SSL, arg: *mut c_void) -> c_int;

/// Called with each message of the protocol.
pub(super) type MessageCallback = unsafe extern "C" fn(
    is_written: c_int,
    version: c_int,
    kind: c_int,
    bytes: *const c_void,
    len: usize,
    ssl: *mut SSL,
    arg: *mut c_void,
);

/// Called when OpenSSL gives a session up.
pub(super) type RemoveSession = unsafe extern "C" fn(ctx: *mut SSL_CTX, session: *mut SSL_SESSION);

/// `SSL_CTX_sess_number`: sessions in the internal cache.
pub(super) const SSL_CTRL_SESS_NUMBER: c_int = 20;
/// `SSL_CTX_get_session_cache_mode`.
pub(super) const SSL_CTRL_GET_SESS_CACHE_MODE: c_int = 45;

/// `SSL_CTX_set_current_cert`, and which one to make current.
pub(super) const SSL_CTRL_SET_CURRENT_CERT: c_int = 117;
pub(super) const SSL_CERT_SET_FIRST: c_long = 1;
pub(super) const SSL_CERT_SET_NEXT: c_long = 2;

/// `SSL_CTX_get0_verify_cert_store`.
pub(super) const SSL_CTRL_GET_VERIFY_CERT_STORE: c_int = 137;

pub(super) const ERR_LIB_SSL: c_int = 20;
/// `SSL_R_UNEXPECTED_EOF_WHILE_READING`: TCP ended without `close_notify`.
pub(super) const SSL_R_UNEXPECTED_EOF: c_int = 294;

/// What `SSL_version` says of a QUIC connection.
pub(super) const OSSL_QUIC1_VERSION: c_int = 1;

/// Extensions of a ClientHello.
pub(super) const TLSEXT_TYPE_SERVER_NAME: c_uint = 0;
pub(super) const TLSEXT_TYPE_SESSION_TICKET: c_uint = 35;
pub(super) const TLSEXT_TYPE_PSK: c_uint = 41;
pub(super) const TLSEXT_TYPE_EARLY_DATA: c_uint = 42;
pub(super) const TLSEXT_TYPE_SUPPORTED_VERSIONS: c_uint = 43;

/// Switches off OpenSSL's own guard against replays, which asks its internal cache.
pub(super) const SSL_OP_NO_ANTI_REPLAY: u64 = 1 << 24;

// What `SSL_get_early_data_status` says.
pub(super) const SSL_EARLY_DATA_REJECTED: c_int = 1;
pub(super) const SSL_EARLY_DATA_ACCEPTED: c_int = 2;

/// Among the kinds of objects that have ex_data.
pub(super) const CRYPTO_EX_INDEX_SSL_SESSION: c_int = 2;

unsafe extern "C" {
    pub(super) fn SSL_CTX_set_tlsext_ticket_key_evp_cb(
        ctx: *mut SSL_CTX,
        callback: Option<TicketKeyCallback>,
    ) -> c_int;
    pub(super) fn SSL_CTX_set_not_resumable_session_callback(
        ctx: *mut SSL_CTX,
        callback: Option<NotResumable>,
    );
    pub(super) fn SSL_CTX_sess_get_new_cb(ctx: *mut SSL_CTX) -> Option<NewSession>;
    pub(super) fn SSL_CTX_sess_get_get_cb(ctx: *mut SSL_CTX) -> Option<GetSession>;
    pub(super) fn SSL_CTX_sess_get_remove_cb(ctx: *mut SSL_CTX) -> Option<RemoveSession>;
    pub(super) fn SSL_CTX_flush_sessions(ctx: *mut SSL_CTX, before: c_long);
    pub(super) fn RAND_bytes_ex(
        ctx: *mut OSSL_LIB_CTX,
        buf: *mut c_uchar,
        num: usize,
        strength: c_uint,
    ) -> c_int;
    pub(super) fn ERR_set_mark() -> c_int;
    pub(super) fn ERR_pop_to_mark() -> c_int;
    pub(super) fn SSL_get_options(ssl: *const SSL) -> u64;
    pub(super) fn EVP_MAC_init(
        ctx: *mut EVP_MAC_CTX,
        key: *const c_uchar,
        keylen: usize,
        params: *const OSSL_PARAM,
    ) -> c_int;
    pub(super) fn OSSL_PARAM_construct_utf8_string(
        key: *const c_char,
        buf: *mut c_char,
        bsize: usize,
    ) -> OSSL_PARAM;
    pub(super) fn SSL_CTX_set_session_ticket_cb(
        ctx: *mut SSL_CTX,
        generation: Option<TicketGeneration>,
        decryption: Option<TicketDecryption>,
        arg: *mut c_void,
    ) -> c_int;
    pub(super) fn SSL_SESSION_set1_ticket_appdata(
        session: *mut SSL_SESSION,
        data: *const c_void,
        len: usize,
    ) -> c_int;
    pub(super) fn SSL_SESSION_get0_ticket_appdata(
        session: *mut SSL_SESSION,
        data: *mut *mut c_void,
        len: *mut usize,
    ) -> c_int;
    pub(super) fn SSL_SESSION_set_time(session: *mut SSL_SESSION, time: c_long) -> c_long;
    pub(super) fn SSL_SESSION_set_timeout(session: *mut SSL_SESSION, seconds: c_long) -> c_long;
    pub(super) fn SSL_SESSION_get0_peer(session: *mut SSL_SESSION) -> *mut X509;
    pub(super) fn SSL_SESSION_get0_id_context(
        session: *const SSL_SESSION,
        len: *mut c_uint,
    ) -> *const c_uchar;
    pub(super) fn SSL_SESSION_get0_hostname(session: *const SSL_SESSION) -> *const c_char;
    pub(super) fn SSL_client_hello_get0_session_id(
        ssl: *mut SSL,
        out: *mut *const c_uchar,
    ) -> usize;
    pub(super) fn SSL_client_hello_get0_ext(
        ssl: *mut SSL,
        number: c_uint,
        out: *mut *const c_uchar,
        len: *mut usize,
    ) -> c_int;
    pub(super) fn SSL_CTX_set_allow_early_data_cb(
        ctx: *mut SSL_CTX,
        callback: Option<AllowEarlyData>,
        arg: *mut c_void,
    );
    pub(super) fn SSL_CTX_set_recv_max_early_data(ctx: *mut SSL_CTX, bytes: u32) -> c_int;
    pub(super) fn SSL_get_early_data_status(ssl: *const SSL) -> c_int;
    pub(super) fn SSL_SESSION_get0_alpn_selected(
        session: *const SSL_SESSION,
        alpn: *mut *const c_uchar,
        len: *mut usize,
    );
    pub(super) fn SSL_set_info_callback(
        ssl: *mut SSL,
        callback: Option<unsafe extern "C" fn(*const SSL, c_int, c_int)>,
    );
    pub(super) fn SSL_set_msg_callback(ssl: *mut SSL, callback: Option<MessageCallback>);
    pub(super) fn SSL_CTX_get_client_CA_list(ctx: *const SSL_CTX) -> *mut OPENSSL_STACK;
    pub(super) fn X509_STORE_lock(store: *mut X509_STORE) -> c_int;
    pub(super) fn X509_STORE_unlock(store: *mut X509_STORE) -> c_int;
    pub(super) fn X509_OBJECT_get0_X509_CRL(object: *const X509_OBJECT) -> *mut X509_CRL;
    pub(super) fn SSL_get_pending_cipher(ssl: *const SSL) -> *const SSL_CIPHER;
    pub(super) fn SSL_SESSION_get0_cipher(session: *const SSL_SESSION) -> *const SSL_CIPHER;
    pub(super) fn SSL_get_default_timeout(ssl: *const SSL) -> c_long;
    pub(super) fn SSL_CTX_get_timeout(ctx: *const SSL_CTX) -> c_long;
    pub(super) fn SSL_CTX_set_timeout(ctx: *mut SSL_CTX, seconds: c_long) -> c_long;
    pub(super) fn SSL_SESSION_set_ex_data(
        session: *mut SSL_SESSION,
        idx: c_int,
        data: *mut c_void,
    ) -> c_int;
    pub(super) fn SSL_SESSION_get_ex_data(session: *const SSL_SESSION, idx: c_int) -> *mut c_void;
    pub(super) fn CRYPTO_clear_free(ptr: *mut c_void, num: usize, file: *const c_char, line: c_int);
    pub(super) fn CRYPTO_set_ex_data(
        ad: *mut CRYPTO_EX_DATA,
        idx: c_int,
        value: *mut c_void,
    ) -> c_int;
}

/// Bytes that OpenSSL lends out, where a null pointer or no length says that there are none.
///
/// # Safety
///
/// `start` is null, or `len` bytes are there for `'a`.
pub(super) unsafe fn bytes<'a>(start: *const c_uchar, len: usize) -> &'a [u8] {
    match (start.is_null(), len) {
        (true, _) | (_, 0) => &[],
        // SAFETY: by contract.
        _ => unsafe { std::slice::from_raw_parts(start, len) },
    }
}
