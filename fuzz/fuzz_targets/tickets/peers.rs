//! A server that resumes, and clients of it: OpenSSL on both ends of a pipe in memory.
#![allow(unsafe_code)] // rust-openssl's way to offer a session

use std::cell::Cell;
use std::io::{Read, Write};
use std::time::Duration;

use openssl::asn1::Asn1Time;
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::PKey;
use openssl::ssl::{
    SniError, Ssl, SslContext, SslMethod, SslSession, SslSessionCacheMode, SslStream,
    SslVerifyMode, SslVersion,
};
use openssl::x509::X509;
use rekindle::openssl::{ResumedBy, Resumption};

use crate::hello::Hello;
use crate::pipe::{Pipe, step};

thread_local! {
    /// The session that the server gave last: TLS 1.3 tells it apart from the handshake.
    static GIVEN: Cell<Option<SslSession>> = const { Cell::new(None) };

    /// Whether handshakes end once the server has decided whether it resumes.
    static STOP: Cell<bool> = const { Cell::new(false) };

    /// What it has decided, if it came to that.
    static RESUMES: Cell<Option<bool>> = const { Cell::new(None) };
}

pub(crate) fn resumption() -> Resumption {
    let resumption = Resumption::builder()
        .sessions(10)
        .stateless_tickets(true)
        // The tickets of the first moment are offered as long as the process lives.
        .session_timeout(Duration::from_secs(30 * 24 * 60 * 60));
    resumption.build().expect("a resumption")
}

pub(crate) fn server(resumption: &Resumption) -> SslContext {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).expect("P-256");
    let key = PKey::from_ec_key(EcKey::generate(&group).expect("a key")).expect("a key");
    let mut certificate = X509::builder().expect("a certificate");
    let day = |n| Asn1Time::days_from_now(n).expect("a day");
    certificate.set_not_before(&day(0)).expect("a day");
    certificate.set_not_after(&day(30)).expect("a day");
    certificate.set_pubkey(&key).expect("its key");
    let signed = certificate.sign(&key, MessageDigest::sha256());
    signed.expect("a signature");

    let mut context = SslContext::builder(SslMethod::tls_server()).expect("a context");
    context.set_certificate(&certificate.build()).expect("ours");
    context.set_private_key(&key).expect("ours");
    context.set_session_id_context(b"fuzz").expect("short");
    resumption.install(&mut context).expect("a fresh context");
    // OpenSSL looks for a session in the ClientHello, ticket, PSK and binder included, before it
    // tells the server's name. What comes after would cost ten times as much: two signatures and
    // key exchanges in a full handshake.
    context.set_servername_callback(|ssl, _| {
        RESUMES.set(Some(ssl.session_reused()));
        if STOP.get() {
            return Err(SniError::ALERT_FATAL);
        }
        Ok(())
    });
    context.build()
}

pub(crate) fn client(version: SslVersion) -> SslContext {
    let mut context = SslContext::builder(SslMethod::tls_client()).expect("a context");
    context.set_verify(SslVerifyMode::NONE);
    let fixed = context.set_min_proto_version(Some(version));
    fixed.expect("a version that there is");
    let fixed = context.set_max_proto_version(Some(version));
    fixed.expect("a version that there is");
    context.set_session_cache_mode(SslSessionCacheMode::CLIENT | SslSessionCacheMode::NO_INTERNAL);
    context.set_new_session_callback(|_, session| {
        GIVEN.set(Some(session));
    });
    context.build()
}

fn new_client(context: &SslContext, session: Option<&SslSession>) -> Ssl {
    let mut client = Ssl::new(context).expect("a connection");
    client.set_hostname("fuzz.example").expect("a name");
    if let Some(session) = session {
        // SAFETY: the session is of a connection of this context.
        unsafe { client.set_session(session) }.expect("a session");
    }
    client
}

/// The session that a full handshake gives a client.
pub(crate) fn session(client: &SslContext, server: &SslContext) -> SslSession {
    handshake(client, server, None).expect("a full handshake");
    GIVEN.take().expect("a session")
}

/// What a client says first when it offers a session.
pub(crate) fn hello(client: &SslContext, session: &SslSession) -> Hello {
    let copy = SslSession::from_der(&session.to_der().expect("DER")).expect("a copy");
    let (near, far) = Pipe::pair();
    let mut client = SslStream::new(new_client(client, Some(&copy)), near).expect("a stream");
    assert!(client.connect().is_err(), "no server answers");
    let said: Vec<u8> = far.incoming.borrow_mut().drain(..).collect();
    Hello::new(said)
}

/// Lets a server decide upon a ClientHello. An error if it does not come to that.
pub(crate) fn decide(server: &SslContext, hello: &[u8]) -> Result<Option<ResumedBy>, String> {
    let (near, far) = Pipe::pair();
    far.outgoing.borrow_mut().extend(hello);
    let server = Ssl::new(server).expect("a connection");
    let mut server = SslStream::new(server, near).expect("a stream");
    RESUMES.set(None);
    STOP.set(true);
    let result = server.accept();
    STOP.set(false);
    let how = Resumption::resumed_by(server.ssl());
    match RESUMES.get() {
        None => Err(result.expect_err("undecided").to_string()),
        Some(resumes) => {
            assert_eq!(how.is_some(), resumes);
            Ok(how)
        }
    }
}

/// A whole handshake, and a byte after it.
pub(crate) fn handshake(
    client: &SslContext,
    server: &SslContext,
    session: Option<&SslSession>,
) -> Result<Option<ResumedBy>, String> {
    let (near, far) = Pipe::pair();
    let client = new_client(client, session);
    let mut client = SslStream::new(client, near).expect("a stream");
    let server = Ssl::new(server).expect("a connection");
    let mut server = SslStream::new(server, far).expect("a stream");
    let (mut client_done, mut server_done) = (false, false);
    while !(client_done && server_done) {
        client_done = client_done || step(client.connect())?;
        server_done = server_done || step(server.accept())?;
    }
    server.write_all(b"!").map_err(|e| e.to_string())?;
    client.read_exact(&mut [0]).map_err(|e| e.to_string())?;
    let reused = client.ssl().session_reused();
    assert_eq!(reused, server.ssl().session_reused());
    let how = Resumption::resumed_by(server.ssl());
    assert_eq!(how.is_some(), reused);
    let _ = client.shutdown();
    let _ = server.shutdown();
    Ok(how)
}
