//! The QUIC example resumes what quinn's client offers, and takes its early data once.

use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use quinn::crypto::rustls::QuicClientConfig;
use quinn::{ClientConfig, Connection, Endpoint};
use rekindle::rustls::rustls::client::{
    ClientSessionMemoryCache, ClientSessionStore, Resumption, Tls12ClientSessionValue,
    Tls13ClientSessionValue,
};
use rekindle::rustls::rustls::pki_types::pem::PemObject;
use rekindle::rustls::rustls::pki_types::{CertificateDer, ServerName};
use rekindle::rustls::rustls::{self, NamedGroup, RootCertStore};
use rekindle_test_servers::{Files, Process};
use tokio::sync::Semaphore;
use tokio::time::timeout;

/// A client's sessions, and how many of them have come and were not offered yet.
#[derive(Debug)]
struct Sessions {
    kept: ClientSessionMemoryCache,
    there: Semaphore,
}

impl Sessions {
    /// The server sends them at some moment after the handshake.
    async fn wait_for_one(&self) {
        let there = timeout(Duration::from_secs(60), self.there.acquire()).await;
        there.expect("a session").unwrap().forget();
    }
}

impl ClientSessionStore for Sessions {
    fn insert_tls13_ticket(&self, server: ServerName<'static>, session: Tls13ClientSessionValue) {
        self.kept.insert_tls13_ticket(server, session);
        self.there.add_permits(1);
    }

    fn take_tls13_ticket(&self, server: &ServerName<'static>) -> Option<Tls13ClientSessionValue> {
        self.kept.take_tls13_ticket(server)
    }

    fn set_kx_hint(&self, _: ServerName<'static>, _: NamedGroup) {}

    fn kx_hint(&self, _: &ServerName<'_>) -> Option<NamedGroup> {
        None
    }

    fn set_tls12_session(&self, _: ServerName<'static>, _: Tls12ClientSessionValue) {}

    fn tls12_session(&self, _: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        None
    }

    fn remove_tls12_session(&self, _: &ServerName<'static>) {}
}

fn client(certificate: &str, sessions: Arc<Sessions>) -> Endpoint {
    let mut roots = RootCertStore::empty();
    let certificate = CertificateDer::from_pem_file(certificate).unwrap();
    // A self-signed certificate is its own issuer.
    roots.add(certificate).unwrap();
    let provider = rustls::crypto::ring::default_provider();
    let config = rustls::ClientConfig::builder_with_provider(provider.into());
    let config = config
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap();
    let mut config = config.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"hello".to_vec()];
    config.enable_early_data = true;
    config.resumption = Resumption::store(sessions);
    let config = QuicClientConfig::try_from(config).unwrap();
    let mut endpoint = Endpoint::client("127.0.0.1:0".parse().unwrap()).unwrap();
    endpoint.set_default_client_config(ClientConfig::new(Arc::new(config)));
    endpoint
}

async fn ask(connection: &Connection) -> String {
    let (mut send, mut receive) = connection.open_bi().await.unwrap();
    send.write_all(b"hello").await.unwrap();
    send.finish().unwrap();
    let answer = receive.read_to_end(1_000).await.unwrap();
    String::from_utf8(answer).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn quic_server_resumes_with_early_data() {
    let files = Files::with_leaf_certificate("localhost");
    let (cert, key) = (files.cert(), files.key());
    let program = env!("CARGO_BIN_EXE_quic_server");
    let mut command = Command::new(program);
    let server = Process::spawn(command.args(["127.0.0.1:0", &cert, &key]), Stdio::null());
    let line = server.wait_for("listening on ");
    let at: SocketAddr = line.rsplit(' ').next().unwrap().parse().unwrap();

    let sessions = Arc::new(Sessions {
        kept: ClientSessionMemoryCache::new(8),
        there: Semaphore::new(0),
    });
    let client = client(&cert, Arc::clone(&sessions));
    // They stay open: sessions come on them.
    let mut connections = Vec::new();
    let first = client.connect(at, "localhost").unwrap().await.unwrap();
    assert_eq!(
        ask(&first).await,
        "early: false, sessions taken so far: 0\n"
    );
    for visits in 1..=3 {
        sessions.wait_for_one().await;
        let connecting = client.connect(at, "localhost").unwrap();
        let (connection, accepted) = connecting.into_0rtt().expect("a session to resume");
        let answer = ask(&connection).await;
        // Whether it was early for the server as well: only while its handshake goes on.
        let taken = format!("sessions taken so far: {visits}\n");
        assert!(answer.ends_with(&taken), "{answer}");
        assert!(accepted.await, "its early data");
        connections.push(connection);
    }
}
