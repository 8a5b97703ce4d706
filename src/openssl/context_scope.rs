//! The scope of a context: where the context keeps it, and what says what it is, the session id
//! context that the program has set, and what is on the context that a session must not outlive.

use std::ffi::{c_int, c_uint, c_void};
use std::sync::LazyLock;
use std::{ptr, slice};

use openssl_sys::{self as sys, SSL, SSL_CTX, X509_OBJECT};

use super::connection::id_context;
use super::ex_data::drop_box;
use super::ffi;
use crate::resume::{ClientAuth, Scope, ScopeBuilder};

/// The index of an `SSL_CTX` that holds a `Box<Scope>`, until the context ends. Negative: OpenSSL
/// gave none.
pub(super) static INDEX: LazyLock<c_int> = LazyLock::new(|| {
    // SAFETY: registers a callback with the signature that OpenSSL asks for.
    unsafe {
        sys::SSL_CTX_get_ex_new_index(0, ptr::null_mut(), None, None, Some(drop_box::<Scope>))
    }
});

/// Has a context, which has none yet, keep its scope. Fails without memory.
///
/// # Safety
///
/// `ctx` is a live context that no other thread uses.
pub(super) unsafe fn keep(ctx: *mut SSL_CTX, scope: Scope) -> bool {
    let scope = Box::into_raw(Box::new(scope));
    // SAFETY: by contract; what the context has not taken is freed.
    unsafe {
        let kept = sys::SSL_CTX_set_ex_data(ctx, *INDEX, scope.cast()) == 1;
        if !kept {
            drop(Box::from_raw(scope));
        }
        kept
    }
}

/// Has a context keep no scope any more.
///
/// # Safety
///
/// `ctx` is a live context that no other thread uses.
pub(super) unsafe fn forget(ctx: *mut SSL_CTX) {
    // SAFETY: by contract; the index holds null or what `keep` has put there.
    unsafe {
        let scope = sys::SSL_CTX_get_ex_data(ctx, *INDEX).cast::<Scope>();
        if !scope.is_null() && sys::SSL_CTX_set_ex_data(ctx, *INDEX, ptr::null_mut()) == 1 {
            drop(Box::from_raw(scope));
        }
    }
}

/// The scope of the context that a connection has now: SNI may have swapped it.
///
/// # Safety
///
/// `ssl` is a live connection, and its context outlives `'a`.
pub(super) unsafe fn of_connection<'a>(ssl: *const SSL) -> Option<&'a Scope> {
    // SAFETY: by contract; the index holds null or what `keep` has put there.
    unsafe {
        let scope = sys::SSL_CTX_get_ex_data(sys::SSL_get_SSL_CTX(ssl), *INDEX);
        scope.cast::<Scope>().as_ref()
    }
}

/// The session id context that a program has set, empty without one; `None` where OpenSSL does not
/// tell, as over QUIC.
///
/// There is no getter. So a connection of the context begins a handshake as a client, without a
/// server: its session has the id context.
///
/// # Safety
///
/// `ctx` is a live context that no other thread uses.
pub(super) unsafe fn id_context_of(ctx: *mut SSL_CTX) -> Option<Vec<u8>> {
    // SAFETY: by contract. The connection is freed below, the buffers with it; what it has borrowed
    // from its session is copied before. Errors that it leaves are taken from the queue.
    unsafe {
        ffi::ERR_set_mark();
        let ssl = sys::SSL_new(ctx);
        let found = if ssl.is_null() { None } else { ask(ssl) };
        sys::SSL_free(ssl);
        ffi::ERR_pop_to_mark();
        found
    }
}

/// # Safety
///
/// `ssl` is a connection that nothing was done with.
unsafe fn ask(ssl: *mut SSL) -> Option<Vec<u8>> {
    /// In place of the program's.
    unsafe extern "C" fn ignore(_: *const SSL, _: c_int, _: c_int) {}
    // SAFETY: by contract. OpenSSL owns the buffers from `SSL_set_bio` on.
    unsafe {
        if sys::SSL_set_ssl_method(ssl, sys::TLS_client_method()) != 1 {
            return None;
        }
        ffi::SSL_set_info_callback(ssl, Some(ignore));
        ffi::SSL_set_msg_callback(ssl, None);
        let [read, write] = [(); 2].map(|()| sys::BIO_new(sys::BIO_s_mem()));
        if read.is_null() || write.is_null() {
            sys::BIO_free_all(read);
            sys::BIO_free_all(write);
            return None;
        }
        sys::SSL_set_bio(ssl, read, write);
        sys::SSL_set_connect_state(ssl);
        sys::SSL_do_handshake(ssl);
        let session = sys::SSL_get_session(ssl);
        (!session.is_null()).then(|| id_context(session).to_vec())
    }
}

/// What a scope is made of without the program: certificates of the server, whether it asks clients
/// for theirs, and then whom it verifies those with. `None` without a certificate.
///
/// # Safety
///
/// `ctx` is a live context that no other thread uses.
pub(super) unsafe fn scope_of(ctx: *mut SSL_CTX) -> Option<ScopeBuilder> {
    let mut scope = ScopeBuilder::default();
    // SAFETY: by contract.
    unsafe {
        let certificates = certificates(ctx);
        if certificates.is_empty() {
            return None;
        }
        for certificate in certificates {
            scope = scope.server_certificate(certificate);
        }
        let mode = sys::SSL_CTX_get_verify_mode(ctx);
        if mode & sys::SSL_VERIFY_PEER == 0 {
            return Some(scope);
        }
        scope = scope.client_auth(match mode & sys::SSL_VERIFY_FAIL_IF_NO_PEER_CERT {
            0 => ClientAuth::Optional,
            _ => ClientAuth::Required,
        });
        let names = ffi::SSL_CTX_get_client_CA_list(ctx);
        for name in items(names.cast()) {
            let name = der(|bytes| sys::i2d_X509_NAME(name.cast(), bytes));
            scope = scope.client_ca(name);
        }
        let mut store = ptr::null_mut::<sys::X509_STORE>();
        let which = ffi::SSL_CTRL_GET_VERIFY_CERT_STORE;
        sys::SSL_CTX_ctrl(ctx, which, 0, (&raw mut store).cast());
        if store.is_null() {
            store = sys::SSL_CTX_get_cert_store(ctx);
        }
        let mut crls = Vec::new();
        // Other contexts may share it, and add what they have looked up.
        ffi::X509_STORE_lock(store);
        for object in items(sys::X509_STORE_get0_objects(store).cast()) {
            let object: *mut X509_OBJECT = object.cast();
            let (ca, crl) = (
                sys::X509_OBJECT_get0_X509(object),
                ffi::X509_OBJECT_get0_X509_CRL(object),
            );
            if !ca.is_null() {
                scope = scope.client_ca(der(|bytes| sys::i2d_X509(ca, bytes)));
            }
            if !crl.is_null() {
                crls.push(der(|bytes| sys::i2d_X509_CRL(crl, bytes)));
            }
        }
        ffi::X509_STORE_unlock(store);
        crls.sort();
        Some(scope.crl_number(crls.concat()))
    }
}

/// # Safety
///
/// As [`scope_of`].
unsafe fn certificates(ctx: *mut SSL_CTX) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    // SAFETY: by contract. Which certificate is the current one is put back.
    unsafe {
        let select = |which| {
            let done = sys::SSL_CTX_ctrl(
                ctx,
                ffi::SSL_CTRL_SET_CURRENT_CERT,
                which,
                ptr::null_mut::<c_void>(),
            );
            (done == 1).then(|| sys::SSL_CTX_get0_certificate(ctx))
        };
        let each = || {
            let mut which = ffi::SSL_CERT_SET_FIRST;
            std::iter::from_fn(move || {
                let certificate = select(which);
                which = ffi::SSL_CERT_SET_NEXT;
                certificate
            })
        };
        let current = sys::SSL_CTX_get0_certificate(ctx);
        for certificate in each() {
            found.push(der(|bytes| sys::i2d_X509(certificate, bytes)));
        }
        each().find(|certificate| *certificate == current);
    }
    found
}

/// The items of a stack, which may be null.
///
/// # Safety
///
/// `stack` is null, or lives and stays as it is while the items are used.
unsafe fn items(stack: *const sys::OPENSSL_STACK) -> impl Iterator<Item = *mut c_void> {
    // SAFETY: by contract; a null pointer has -1 items.
    let len = unsafe { sys::OPENSSL_sk_num(stack) };
    // SAFETY: by contract.
    (0..len.max(0)).map(move |i| unsafe { sys::OPENSSL_sk_value(stack, i) })
}

/// What one of OpenSSL's `i2d` functions writes; nothing if it fails.
fn der(i2d: impl Fn(*mut *mut u8) -> c_int) -> Vec<u8> {
    let mut start = ptr::null_mut();
    let len = i2d(&mut start);
    let Ok(len @ 1..) = usize::try_from(len) else {
        return Vec::new();
    };
    // SAFETY: OpenSSL has allocated and written that many bytes, which are freed here only.
    unsafe {
        let bytes = slice::from_raw_parts(start, len).to_vec();
        sys::CRYPTO_free(start.cast(), ptr::null(), 0);
        bytes
    }
}

/// Sets a session id context.
///
/// # Safety
///
/// `ctx` is a live context that no other thread uses.
pub(super) unsafe fn set_id_context(ctx: *mut SSL_CTX, bytes: &[u8; 32]) {
    // SAFETY: by contract. It refuses nothing but longer ones.
    unsafe { sys::SSL_CTX_set_session_id_context(ctx, bytes.as_ptr(), bytes.len() as c_uint) };
}
