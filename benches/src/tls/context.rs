//! Contexts of servers and clients, and connections in memory.

use std::fs;
use std::sync::LazyLock;

use openssl::error::ErrorStack;
use openssl::pkey::{PKey, Private};
use openssl::ssl::{
    ErrorCode, Ssl, SslContext, SslContextBuilder, SslMethod, SslSessionCacheMode, SslStream,
    SslVerifyMode, SslVersion,
};
use openssl::x509::X509;
use rekindle_test_servers::Files;

/// The name that clients ask for and the certificate has.
pub(crate) const SERVER_NAME: &str = "bench.test";

/// What most servers have today: a certificate for a key on P-256.
static IDENTITY: LazyLock<Identity> =
    LazyLock::new(|| read_identity(&Files::with_certificate(SERVER_NAME)));

type Identity = (X509, PKey<Private>);

/// The certificate and the key in those files.
pub(crate) fn read_identity(files: &Files) -> Identity {
    let [certificate, key] =
        [files.cert(), files.key()].map(|file| fs::read(file).expect("a file"));
    let key = PKey::private_key_from_pem(&key).expect("a key");
    (X509::from_pem(&certificate).expect("a certificate"), key)
}

/// A server's context with certificate, key and session id context, for the caller to add to.
pub(crate) fn server_builder() -> SslContextBuilder {
    let build = || {
        let mut builder = SslContext::builder(SslMethod::tls_server())?;
        builder.set_certificate(&IDENTITY.0)?;
        builder.set_private_key(&IDENTITY.1)?;
        builder.set_session_id_context(b"benches")?;
        Ok::<_, ErrorStack>(builder)
    };
    build().expect("a server's context")
}

/// A client's context that speaks one version and trusts every server: checking chains is not what
/// is measured. The caller keeps the sessions.
pub(crate) fn client_builder(version: SslVersion) -> SslContextBuilder {
    let build = || {
        let mut builder = SslContext::builder(SslMethod::tls_client())?;
        builder.set_min_proto_version(Some(version))?;
        builder.set_max_proto_version(Some(version))?;
        builder.set_verify(SslVerifyMode::NONE);
        builder.set_session_cache_mode(SslSessionCacheMode::OFF);
        Ok::<_, ErrorStack>(builder)
    };
    build().expect("a client's context")
}

#[path = "../../../tests/common/pipe.rs"]
mod pipe;

pub(crate) use pipe::{Pipe, step};

pub(crate) fn new_ssl(context: &SslContext) -> Ssl {
    Ssl::new(context).expect("memory for a connection")
}

/// Both ends of a connection after its handshake; the client has not read its tickets.
pub(crate) fn shake_hands(client: Ssl, server: Ssl) -> (SslStream<Pipe>, SslStream<Pipe>) {
    let (near, far) = Pipe::pair();
    let mut client = SslStream::new(client, near).expect("a stream");
    let mut server = SslStream::new(server, far).expect("a stream");
    let (mut client_done, mut server_done) = (false, false);
    while !(client_done && server_done) {
        client_done = client_done || step(client.connect()).expect("a handshake");
        server_done = server_done || step(server.accept()).expect("a handshake");
    }
    (client, server)
}

/// Reads the tickets that TLS 1.3 sends behind the handshake.
pub(crate) fn receive_tickets(client: &mut SslStream<Pipe>) {
    if client.ssl().version2() != Some(SslVersion::TLS1_3) {
        return;
    }
    let nothing = client.ssl_read(&mut [0]).expect_err("no data, but tickets");
    assert_eq!(nothing.code(), ErrorCode::WANT_READ, "{nothing}");
}
