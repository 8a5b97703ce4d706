//! A rustls client and a rustls server that talk in memory.

use std::io::{Read, Write};
use std::sync::Arc;

use rekindle::Clock;
use rekindle::rustls::WallClock;
use rustls::client::Resumption as ClientResumption;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::{NoServerSessionStorage, ProducesTickets, StoresServerSessions};
use rustls::version::{TLS12, TLS13};
use rustls::{
    ClientConfig, ClientConnection, ConnectionCommon, HandshakeKind, RootCertStore, ServerConfig,
    ServerConnection, SideData, SupportedProtocolVersion,
};

pub(crate) const VERSIONS: [&SupportedProtocolVersion; 2] = [&TLS12, &TLS13];

/// A certificate for `localhost`, its key, and a client's trust in it.
pub(crate) struct Identity {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    roots: Arc<RootCertStore>,
}

impl Identity {
    pub(crate) fn new() -> Self {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let certificate = made.cert.der().clone();
        let mut roots = RootCertStore::empty();
        roots.add(certificate.clone()).unwrap();
        Self {
            chain: vec![certificate],
            key: PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into()),
            roots: roots.into(),
        }
    }

    /// A server's configuration; by default it has neither sessions nor tickets.
    pub(crate) fn server(
        &self,
        store: Option<Arc<dyn StoresServerSessions>>,
        ticketer: Option<Arc<dyn ProducesTickets>>,
        clock: Option<Arc<dyn Clock>>,
    ) -> ServerConfig {
        let builder = ServerConfig::builder_with_provider(default_provider().into());
        let builder = builder.with_protocol_versions(&VERSIONS).unwrap();
        let builder = builder.with_no_client_auth();
        let (chain, key) = (self.chain.clone(), self.key.clone_key());
        let mut config = builder.with_single_cert(chain, key).unwrap();
        config.session_storage = store.unwrap_or(Arc::new(NoServerSessionStorage {}));
        if let Some(ticketer) = ticketer {
            config.ticketer = ticketer;
        }
        if let Some(clock) = clock {
            config.time_provider = Arc::new(WallClock(clock));
        }
        config
    }

    /// A client of one version that keeps its sessions.
    pub(crate) fn client(&self, version: &'static SupportedProtocolVersion) -> Client {
        let builder = ClientConfig::builder_with_provider(default_provider().into());
        let builder = builder.with_protocol_versions(&[version]).unwrap();
        let builder = builder.with_root_certificates(Arc::clone(&self.roots));
        let mut config = builder.with_no_client_auth();
        // The oldest rustls keeps none where there is room for a single server.
        config.resumption = ClientResumption::in_memory_sessions(256);
        config.enable_early_data = true;
        Client(config.into())
    }
}

#[derive(Clone)]
pub(crate) struct Client(Arc<ClientConfig>);

impl Client {
    pub(crate) fn connection(&self) -> ClientConnection {
        let name = ServerName::try_from("localhost").unwrap();
        ClientConnection::new(Arc::clone(&self.0), name).unwrap()
    }

    /// Connects, exchanges a byte each way so that tickets arrive, and closes.
    pub(crate) fn visit(&self, server: &Arc<ServerConfig>) -> HandshakeKind {
        let mut client = self.connection();
        let mut server = ServerConnection::new(Arc::clone(server)).unwrap();
        talk(&mut client, &mut server);
        assert_eq!(client.handshake_kind(), server.handshake_kind());
        client.handshake_kind().expect("a handshake")
    }

    #[track_caller]
    pub(crate) fn is_resumed(&self, server: &Arc<ServerConfig>) -> bool {
        self.visit(server) == HandshakeKind::Resumed
    }
}

/// Until both have nothing more to say.
pub(crate) fn talk(client: &mut ClientConnection, server: &mut ServerConnection) {
    client.writer().write_all(b"?").unwrap();
    let (mut asked, mut answered) = ([0], false);
    while client.wants_write() || server.wants_write() {
        move_bytes(client, server);
        if server.reader().read(&mut asked).is_ok_and(|read| read == 1) && !answered {
            server.writer().write_all(b"!").unwrap();
            answered = true;
        }
    }
    client.send_close_notify();
    move_bytes(client, server);
}

/// What each has written goes to the other.
pub(crate) fn move_bytes(client: &mut ClientConnection, server: &mut ServerConnection) {
    pass_on(client, server);
    pass_on(server, client);
}

fn pass_on<A: SideData, B: SideData>(from: &mut ConnectionCommon<A>, to: &mut ConnectionCommon<B>) {
    let mut bytes = Vec::new();
    while from.wants_write() {
        from.write_tls(&mut bytes).unwrap();
    }
    feed(to, &bytes);
}

/// Gives a connection all of these bytes.
pub(crate) fn feed<S: SideData>(to: &mut ConnectionCommon<S>, mut bytes: &[u8]) {
    while !bytes.is_empty() {
        assert_ne!(to.read_tls(&mut bytes).unwrap(), 0);
        to.process_new_packets().unwrap();
    }
}
