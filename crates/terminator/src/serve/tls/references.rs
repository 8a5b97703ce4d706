//! What a context shares with others. rust-openssl gives a context objects of its own only; in
//! OpenSSL these calls are macros, by which a context takes a reference beside the caller's.

use std::ffi::{c_int, c_long, c_void};

use foreign_types_shared::ForeignTypeRef;
use openssl::error::ErrorStack;
use openssl::ssl::SslContextBuilder;
use openssl::x509::X509Ref;
use openssl::x509::store::X509StoreRef;

/// Makes OpenSSL count a reference of its own.
const SHARED: c_long = 1;

/// Adds to the chain of the certificate that was set last (`SSL_CTX_add1_chain_cert`). What
/// `add_extra_chain_cert` adds would be sent with each certificate.
pub(super) fn add_to_chain(
    context: &mut SslContextBuilder,
    certificate: &X509Ref,
) -> Result<(), ErrorStack> {
    let certificate = certificate.as_ptr().cast();
    control(context, openssl_sys::SSL_CTRL_CHAIN_CERT, certificate)
}

/// Sets what certificates of clients are verified with (`SSL_CTX_set1_verify_cert_store`).
pub(super) fn set_verify_cert_store(
    context: &mut SslContextBuilder,
    store: &X509StoreRef,
) -> Result<(), ErrorStack> {
    let store = store.as_ptr().cast();
    control(context, openssl_sys::SSL_CTRL_SET_VERIFY_CERT_STORE, store)
}

#[allow(unsafe_code)]
fn control(
    context: &mut SslContextBuilder,
    command: c_int,
    object: *mut c_void,
) -> Result<(), ErrorStack> {
    // SAFETY: the context is valid, and so is the object, of the type that the command is for: both
    // callers have borrowed it. OpenSSL takes a reference of its own.
    match unsafe { openssl_sys::SSL_CTX_ctrl(context.as_ptr(), command, SHARED, object) } {
        1 => Ok(()),
        _ => Err(ErrorStack::get()),
    }
}
