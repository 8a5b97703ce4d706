//! Scopes: what a session id context is made of.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use openssl::ssl::{SslContext, SslContextBuilder, SslMethod, SslVerifyMode, SslVersion};
use openssl::x509::X509;
use rekindle::openssl::{InstallError, Resumption, Scope};
use rekindle::tickets::TicketRing;

use crate::common::{Client, Mechanism, make_server, server_builder};

/// A server without a session id context of the program's.
fn builder() -> SslContextBuilder {
    server_builder(b"")
}

/// Asks clients for certificates of that authority.
fn verify(builder: &mut SslContextBuilder, ca: &X509, mode: SslVerifyMode) {
    builder.add_client_ca(ca).unwrap();
    builder.cert_store_mut().add_cert(ca.clone()).unwrap();
    builder.set_verify_callback(mode, |_, _| true);
}

fn another_certificate() -> X509 {
    let key = rcgen::KeyPair::generate().unwrap();
    let parameters = rcgen::CertificateParams::new(["ca.test".to_owned()]).unwrap();
    X509::from_der(parameters.self_signed(&key).unwrap().der()).unwrap()
}

#[test]
fn contexts_share_a_scope_if_they_authenticate_alike() {
    let resumption = Resumption::builder().build().unwrap();
    let scope_of = |configure: &dyn Fn(&mut SslContextBuilder)| {
        let mut builder = builder();
        configure(&mut builder);
        resumption.install(&mut builder).unwrap()
    };
    let cas = [another_certificate(), another_certificate()];
    let required = SslVerifyMode::PEER | SslVerifyMode::FAIL_IF_NO_PEER_CERT;
    let plain = scope_of(&|_| ());
    assert_eq!(plain, scope_of(&|_| ()));
    // Clients that are not asked for a certificate are not verified.
    let unused = scope_of(&|builder| verify(builder, &cas[0], SslVerifyMode::NONE));
    assert_eq!(plain, unused);
    let different = [
        plain,
        scope_of(&|builder| verify(builder, &cas[0], SslVerifyMode::PEER)),
        scope_of(&|builder| verify(builder, &cas[0], required)),
        scope_of(&|builder| verify(builder, &cas[1], required)),
        scope_of(&|builder| cas.iter().for_each(|ca| verify(builder, ca, required))),
    ];
    for (i, one) in different.iter().enumerate() {
        assert!(!different[..i].contains(one), "{i}");
    }
    let turned = scope_of(&|builder| {
        cas.iter()
            .rev()
            .for_each(|ca| verify(builder, ca, required))
    });
    assert_eq!(different[4], turned);
}

#[test]
fn sessions_do_not_cross_to_a_context_that_authenticates_differently() {
    for kind in Mechanism::ALL {
        let ring = Arc::new(TicketRing::random().unwrap());
        let resumption = Resumption::builder().ticket_ring(ring);
        let resumption = resumption
            .stateless_tickets(kind.stateless())
            .build()
            .unwrap();
        let open = || {
            let mut open = builder();
            resumption.install(&mut open).unwrap();
            open.build()
        };
        let mut closed = builder();
        let required = SslVerifyMode::PEER | SslVerifyMode::FAIL_IF_NO_PEER_CERT;
        verify(&mut closed, &another_certificate(), required);
        resumption.install(&mut closed).unwrap();
        let client = Client::new(kind);
        client.connect(&open());
        assert!(client.reconnect(&open()).resumed(), "{kind:?}");
        let crossed = client.reconnect(&closed.build());
        assert!(!crossed.resumed(), "{kind:?}");
        assert!(crossed.server.ssl().peer_certificate().is_some());
    }
}

#[test]
fn a_context_that_says_nothing_needs_a_scope() {
    let resumption = Resumption::builder().build().unwrap();
    let mut context = SslContext::builder(SslMethod::tls_server()).unwrap();
    let refused = resumption.install(&mut context);
    assert!(matches!(refused, Err(InstallError::NoScope)), "{refused:?}");
    // Nothing has changed: it can be installed later, and the program's own is left alone.
    make_server(&mut context, b"own");
    resumption.install(&mut context).unwrap();
    let client = Client::new(Mechanism::Tls13Ticket);
    let session = client.connect(&context.build()).session();
    assert_eq!(id_context(&session), b"own");

    let mut context = SslContext::builder(SslMethod::tls_server()).unwrap();
    let scope = Scope::new("tests");
    resumption.install_scoped(&mut context, &scope).unwrap();
    let mut own = SslContext::builder(SslMethod::tls_server()).unwrap();
    own.set_session_id_context(b"own").unwrap();
    resumption.install_scoped(&mut own, &scope).unwrap();
}

#[test]
fn a_scope_becomes_the_session_id_context_unless_there_is_one() {
    for kind in Mechanism::ALL {
        let resumption = Resumption::builder().stateless_tickets(kind.stateless());
        let resumption = resumption.build().unwrap();
        let mut made = builder();
        let scope = resumption.install(&mut made).unwrap();
        let session = Client::new(kind).connect(&made.build()).session();
        assert_eq!(id_context(&session), scope.as_bytes(), "{kind:?}");

        let (mut given, scope) = (builder(), Scope::new("tests"));
        resumption.install_scoped(&mut given, &scope).unwrap();
        let session = Client::new(kind).connect(&given.build()).session();
        assert_eq!(id_context(&session), scope.as_bytes(), "{kind:?}");

        let mut own = server_builder(b"own");
        resumption.install_scoped(&mut own, &scope).unwrap();
        let session = Client::new(kind).connect(&own.build()).session();
        assert_eq!(id_context(&session), b"own", "{kind:?}");
    }
}

/// To learn the session id context takes a connection, of which the program sees nothing.
#[test]
fn an_installation_calls_nothing_of_the_programs_and_changes_nothing_else() {
    let resumption = Resumption::builder().build().unwrap();
    let mut context = builder();
    let calls = Arc::new(AtomicUsize::new(0));
    let count = |calls: &Arc<AtomicUsize>| {
        let calls = Arc::clone(calls);
        move || calls.fetch_add(1, Ordering::Relaxed)
    };
    let (servername, alpn, keylog) = (count(&calls), count(&calls), count(&calls));
    context.set_servername_callback(move |_, _| {
        servername();
        Ok(())
    });
    context.set_alpn_select_callback(move |_, protocols| {
        alpn();
        Ok(&protocols[1..3])
    });
    context.set_keylog_callback(move |_, _| {
        keylog();
    });
    for version in [SslVersion::TLS1_2, SslVersion::TLS1_3] {
        context.set_min_proto_version(Some(version)).unwrap();
        resumption.install_replacing(&mut context).err();
    }
    assert_eq!(calls.load(Ordering::Relaxed), 0);
    assert_eq!(openssl::error::ErrorStack::get().errors().len(), 0);
    let server = context.build();
    let certificate = server.certificate().map(|one| one.to_der().unwrap());
    assert_eq!(
        certificate,
        builder()
            .build()
            .certificate()
            .map(|one| one.to_der().unwrap())
    );
    let client = Client::new(Mechanism::Tls13Ticket);
    client.connect(&server);
    assert!(client.reconnect(&server).resumed());
    assert!(calls.load(Ordering::Relaxed) > 0);
}

#[allow(unsafe_code)]
fn id_context(session: &openssl::ssl::SslSessionRef) -> Vec<u8> {
    use foreign_types_shared::ForeignTypeRef;
    unsafe extern "C" {
        fn SSL_SESSION_get0_id_context(
            session: *const openssl_sys::SSL_SESSION,
            len: *mut std::ffi::c_uint,
        ) -> *const u8;
    }
    let mut len = 0;
    // SAFETY: a live session, whose bytes are copied at once.
    unsafe {
        let start = SSL_SESSION_get0_id_context(session.as_ptr(), &mut len);
        std::slice::from_raw_parts(start, len as usize).to_vec()
    }
}
