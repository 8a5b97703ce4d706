//! Contexts of a library context of their own (`SSL_CTX_new_ex`), in a process whose default one
//! has no algorithm.
#![allow(unsafe_code)] // rust-openssl makes contexts of the default library context only

#[path = "../common/mod.rs"]
mod common;

use std::ffi::c_char;
use std::path::Path;

use common::{Connection, Mechanism};
use foreign_types_shared::ForeignTypeRef;
use openssl::lib_ctx::{LibCtx, LibCtxRef};
use openssl::provider::Provider;
use openssl::ssl::{
    Ssl, SslContext, SslContextBuilder, SslFiletype, SslMethod, SslSession, SslVerifyMode,
};
use openssl_sys::{OSSL_LIB_CTX, SSL_CTX, SSL_METHOD};
use rekindle::openssl::{BuildError, Resumption};

unsafe extern "C" {
    fn SSL_CTX_new_ex(
        library: *mut OSSL_LIB_CTX,
        properties: *const c_char,
        method: *const SSL_METHOD,
    ) -> *mut SSL_CTX;
}

fn context(library: &LibCtxRef, method: &SslMethod, kind: Mechanism) -> SslContextBuilder {
    // SAFETY: all of them live, and the new context is the builder's.
    let mut builder = unsafe {
        let ctx = SSL_CTX_new_ex(library.as_ptr(), std::ptr::null(), method.as_ptr());
        assert!(!ctx.is_null());
        SslContextBuilder::from_ptr(ctx)
    };
    let version = Some(kind.version());
    builder.set_min_proto_version(version).unwrap();
    builder.set_max_proto_version(version).unwrap();
    builder.set_verify(SslVerifyMode::NONE);
    builder
}

fn server(library: &LibCtxRef, kind: Mechanism, resumption: &Resumption) -> SslContext {
    let mut builder = context(library, &SslMethod::tls_server(), kind);
    // Made for this test: no program trusts it.
    let folder = Path::new("tests/library_context");
    let (key, certificate) = (folder.join("key.pem"), folder.join("certificate.pem"));
    builder
        .set_certificate_file(certificate, SslFiletype::PEM)
        .unwrap();
    builder.set_private_key_file(key, SslFiletype::PEM).unwrap();
    builder.set_session_id_context(b"tests").unwrap();
    resumption.install(&mut builder).unwrap();
    builder.build()
}

fn connect(client: &SslContext, server: &SslContext, session: Option<&SslSession>) -> Connection {
    let mut client = Ssl::new(client).unwrap();
    if let Some(session) = session {
        // SAFETY: it came from a connection of this same context.
        unsafe { client.set_session(session).unwrap() };
    }
    Connection::shake_hands(client, Ssl::new(server).unwrap()).unwrap()
}

#[test]
fn ciphers_and_randomness_are_those_of_the_library_context() {
    let _none = Provider::load(None, "null").unwrap();
    let library: &'static LibCtx = Box::leak(Box::new(LibCtx::new().unwrap()));
    let _all = Provider::load(Some(library), "default").unwrap();
    let without = Resumption::builder().build();
    assert!(matches!(without, Err(BuildError::OpenSsl(_))));
    for kind in Mechanism::ALL {
        let builder = Resumption::builder().stateless_tickets(kind.stateless());
        let resumption = builder.library_context(library).build().unwrap();
        let server = server(library, kind, &resumption);
        let client = context(library, &SslMethod::tls_client(), kind).build();
        let first = connect(&client, &server, None);
        let session = first.client.ssl().session().unwrap().to_owned();
        drop(first);
        let again = connect(&client, &server, Some(&session));
        assert!(again.resumed(), "{kind:?}");
        assert_eq!(again.resumed_by(), Some(kind.resumed_by()));
    }
}
