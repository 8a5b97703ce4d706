//! Server names. OpenSSL looks a session up before it reads the name, under the context that the
//! connection began with: without a check, a session of one name resumes under another whose
//! context demands a client's certificate.

use openssl::ssl::{ClientHelloResponse, NameType, SslContext, SslVerifyMode};
use rekindle::openssl::{Resumption, ResumptionBuilder, client_hello_server_name};
use rekindle::resume::Scope;

use crate::common::{self, Client, Connection, Mechanism, ask_for_certificates, server_builder};

/// Contexts of a.test, which the connection begins with, and of b.test, which demands a client's
/// certificate; both have the same session id context.
fn two_names(resumption: &Resumption) -> SslContext {
    let mut b = server_builder(b"tests");
    ask_for_certificates(&mut b, resumption);
    resumption.install(&mut b).unwrap();
    let b = b.build();
    let mut a = server_builder(b"tests");
    resumption.install(&mut a).unwrap();
    a.set_servername_callback(move |ssl, _| {
        let name = ssl.servername(NameType::HOST_NAME).unwrap_or_default();
        if name.eq_ignore_ascii_case("b.test") {
            ssl.set_ssl_context(&b).unwrap();
            ssl.set_verify_callback(
                SslVerifyMode::PEER | SslVerifyMode::FAIL_IF_NO_PEER_CERT,
                |_, _| true,
            );
        }
        Ok(())
    });
    a.build()
}

fn build(
    kind: Mechanism,
    configure: impl FnOnce(ResumptionBuilder) -> ResumptionBuilder,
) -> (Resumption, SslContext, Client) {
    let builder = Resumption::builder()
        .session_storage(common::STORAGE.get())
        .stateless_tickets(kind.stateless());
    let resumption = configure(builder).build().unwrap();
    let server = two_names(&resumption);
    (resumption, server, Client::new(kind))
}

/// A client that has a session of one name, or of none, and offers it under another.
fn offer(client: &Client, server: &SslContext, name: Option<&str>) -> Connection {
    let session = client.session();
    client.try_connect(server, Some(&session), name).unwrap()
}

fn refused(resumption: &Resumption, kind: Mechanism) -> u64 {
    match kind.stateless() {
        true => resumption.ticket_stats().name_differs,
        false => resumption.session_stats().name_differs,
    }
}

#[test]
fn a_session_of_one_name_is_not_resumed_under_another() {
    for kind in Mechanism::ALL {
        for (made_under, asked_for) in [
            (Some("a.test"), Some("b.test")),
            (Some("b.test"), Some("a.test")),
            (Some("a.test"), Some("c.test")),
            (Some("a.test"), None),
            (None, Some("b.test")),
        ] {
            let (resumption, server, client) = build(kind, |builder| builder);
            client.try_connect(&server, None, made_under).unwrap();
            let other = offer(&client, &server, asked_for);
            let case = format!("{kind:?}, {made_under:?}, {asked_for:?}");
            assert!(!other.resumed(), "{case}");
            let shows_certificate = other.server.ssl().peer_certificate().is_some();
            assert_eq!(shows_certificate, asked_for == Some("b.test"), "{case}");
            assert_eq!(refused(&resumption, kind), 1, "{case}");
            // The session that came of it is one of the other name.
            assert!(offer(&client, &server, asked_for).resumed(), "{case}");
        }
    }
}

#[test]
fn a_session_resumes_under_its_own_name_in_any_case_of_letters() {
    for kind in Mechanism::ALL {
        for name in [Some("a.test"), Some("b.test"), None] {
            let (resumption, server, client) = build(kind, |builder| builder);
            client.try_connect(&server, None, name).unwrap();
            assert!(
                offer(&client, &server, name).resumed(),
                "{kind:?}, {name:?}"
            );
            let shouted = name.map(str::to_ascii_uppercase);
            let again = offer(&client, &server, shouted.as_deref());
            assert!(again.resumed(), "{kind:?}, {name:?}");
            assert_eq!(refused(&resumption, kind), 0, "{kind:?}, {name:?}");
        }
    }
}

/// The other way to swap: in the ClientHello callback, before OpenSSL looks the session up.
#[test]
fn a_context_that_is_chosen_by_the_client_hello_is_the_one_that_sessions_belong_to() {
    for kind in Mechanism::ALL {
        let builder = Resumption::builder().session_storage(common::STORAGE.get());
        let resumption = builder.stateless_tickets(kind.stateless()).build().unwrap();
        let scope = |name: &str| Scope::new(name);
        let mut b = server_builder(b"");
        resumption.install_scoped(&mut b, &scope("b")).unwrap();
        let b = b.build();
        let mut a = server_builder(b"");
        resumption.install_scoped(&mut a, &scope("a")).unwrap();
        a.set_client_hello_callback(move |ssl, _| {
            if client_hello_server_name(ssl) == Some(b"b.test") {
                ssl.set_ssl_context(&b)?;
            }
            Ok(ClientHelloResponse::SUCCESS)
        });
        let (server, client) = (a.build(), Client::new(kind));
        for name in ["a.test", "b.test"] {
            let first = client.try_connect(&server, None, Some(name)).unwrap();
            assert_eq!(client_hello_server_name(first.server.ssl()), None);
            assert!(offer(&client, &server, Some(name)).resumed(), "{kind:?}");
        }
        // Revoking one leaves the other alone: the last session is of b.test.
        resumption.revoke(&scope("a"));
        assert!(
            offer(&client, &server, Some("b.test")).resumed(),
            "{kind:?}"
        );
        resumption.revoke(&scope("b"));
        assert!(
            !offer(&client, &server, Some("b.test")).resumed(),
            "{kind:?}"
        );
    }
}

#[test]
fn names_that_are_said_to_be_one_resume_each_others_sessions() {
    for kind in Mechanism::ALL {
        let one = |builder: ResumptionBuilder| builder.names_as_one(["a.test", "c.test"]);
        let (_, server, client) = build(kind, one);
        client.try_connect(&server, None, Some("a.test")).unwrap();
        assert!(
            offer(&client, &server, Some("C.test")).resumed(),
            "{kind:?}"
        );
        assert!(
            !offer(&client, &server, Some("b.test")).resumed(),
            "{kind:?}"
        );

        let (_, server, client) = build(kind, ResumptionBuilder::all_names_as_one);
        client.try_connect(&server, None, Some("a.test")).unwrap();
        assert!(
            offer(&client, &server, Some("d.test")).resumed(),
            "{kind:?}"
        );
        assert!(offer(&client, &server, None).resumed(), "{kind:?}");
    }
}

/// Another program's sessions say their name where OpenSSL has noted it.
#[test]
fn a_session_of_another_program_goes_by_the_name_that_openssl_has_noted() {
    for kind in Mechanism::STATEFUL {
        let (resumption, server, client) = build(kind, |builder| builder);
        client.try_connect(&server, None, Some("a.test")).unwrap();
        let session = resumption.cache().pin();
        let view = session.iter().next().expect("a session");
        let (id, der) = (*view.id(), view.encoded().to_vec());
        drop(session);
        let foreign = without_record(&der);
        resumption.cache().insert_session(&id, foreign).unwrap();
        assert!(
            !offer(&client, &server, Some("b.test")).resumed(),
            "{kind:?}"
        );
    }
}

/// The session as a program leaves it that knows nothing of records.
#[allow(unsafe_code)]
fn without_record(der: &[u8]) -> openssl::ssl::SslSession {
    use foreign_types_shared::ForeignType;
    unsafe extern "C" {
        fn SSL_SESSION_set1_ticket_appdata(
            session: *mut openssl_sys::SSL_SESSION,
            data: *const std::ffi::c_void,
            len: usize,
        ) -> std::ffi::c_int;
    }
    let session = openssl::ssl::SslSession::from_der(der).unwrap();
    // SAFETY: a session of our own, and no data.
    let done = unsafe { SSL_SESSION_set1_ticket_appdata(session.as_ptr(), std::ptr::null(), 0) };
    assert_eq!(done, 1);
    session
}

#[test]
fn names_are_told_apart_however_sessions_are_stored() {
    common::with_other_storages(&[
        a_session_of_one_name_is_not_resumed_under_another,
        a_session_resumes_under_its_own_name_in_any_case_of_letters,
    ]);
}
