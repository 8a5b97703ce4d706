//! Resumed handshakes: a client and a server of rustls on one thread. The stock store holds 256
//! sessions, which those of the clients fit in; ours 100,000, of others.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rcgen::{CertifiedKey, KeyPair};
use rustls::client::Resumption;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::version::{TLS12, TLS13};
use rustls::{
    ClientConfig, ClientConnection, ConnectionCommon, HandshakeKind, RootCertStore, ServerConfig,
    ServerConnection, SideData, SupportedProtocolVersion,
};

use super::contenders::{Options, REKINDLE, Store, stores};
use super::store::Filled;
use crate::record::{Record, case, interleave};
use crate::threads::on_threads;

/// What rustls's own store holds unless it is told otherwise.
pub(super) const STOCK_SESSIONS: usize = 256;

/// What ours holds meanwhile.
pub(super) const OUR_SESSIONS: usize = 100_000;

const NAME: &str = "localhost";

const VERSIONS: [(&str, &SupportedProtocolVersion); 2] =
    [("TLS 1.2 id", &TLS12), ("TLS 1.3 stateful", &TLS13)];

pub(super) fn run(options: &Options, record: &mut Record) {
    let identity = Identity::new();
    for (way, version) in VERSIONS {
        for &threads in &options.handshake_threads {
            let servers = servers(&identity).map(|(name, server)| {
                // Each thread has a client of its own, whose session stays.
                let client = |_| identity.client(version);
                let clients: Vec<_> = (0..threads).map(client).collect();
                (name, server, clients)
            });
            let turns = interleave(0..=options.rounds, &servers, |(_, server, clients), _| {
                turn(server, clients, options.length())
            });
            let case = case([("way", way.into()), ("threads", threads.to_string())]);
            let names = servers.iter().map(|(name, ..)| name);
            let what = ["rustls", "resumed handshakes per second", "1/s"];
            record.add_turns(what, &case, names, &turns, |rate| *rate);
        }
    }
}

/// Ours is full of other sessions.
pub(super) fn servers(identity: &Identity) -> [(&'static str, Arc<ServerConfig>); 3] {
    stores(STOCK_SESSIONS, 2 * OUR_SESSIONS).map(|(name, store)| {
        if name == REKINDLE {
            Filled::new(Arc::clone(&store), 1).put_up_to(OUR_SESSIONS);
        }
        (name, identity.server(store))
    })
}

fn turn(server: &Arc<ServerConfig>, clients: &[Arc<ClientConfig>], length: Duration) -> f64 {
    let prepare = |thread: usize| {
        // In another turn its session may have ended.
        shake_hands(&clients[thread], server);
        &clients[thread]
    };
    let rates = on_threads(clients.len(), prepare, |client| {
        let (mut handshakes, start) = (0, Instant::now());
        while start.elapsed() < length {
            assert_eq!(shake_hands(client, server), HandshakeKind::Resumed);
            handshakes += 1;
        }
        f64::from(handshakes) / start.elapsed().as_secs_f64()
    });
    rates.iter().sum()
}

fn shake_hands(client: &Arc<ClientConfig>, server: &Arc<ServerConfig>) -> HandshakeKind {
    let mut client = connection(client);
    let mut server = ServerConnection::new(Arc::clone(server)).expect("a connection");
    let mut flight = Vec::new();
    while client.wants_write() || server.wants_write() {
        pass_on(&mut client, &mut server, &mut flight);
        pass_on(&mut server, &mut client, &mut flight);
    }
    assert_eq!(client.handshake_kind(), server.handshake_kind());
    client.handshake_kind().expect("it has ended")
}

pub(super) fn connection(client: &Arc<ClientConfig>) -> ClientConnection {
    let name = ServerName::try_from(NAME).expect("a name");
    ClientConnection::new(Arc::clone(client), name).expect("a connection")
}

fn pass_on<A: SideData, B: SideData>(
    from: &mut ConnectionCommon<A>,
    to: &mut ConnectionCommon<B>,
    flight: &mut Vec<u8>,
) {
    flight.clear();
    while from.wants_write() {
        from.write_tls(flight).expect("a vector takes all");
    }
    feed(to, flight);
}

/// Gives a connection all of these bytes.
pub(super) fn feed<S: SideData>(to: &mut ConnectionCommon<S>, mut bytes: &[u8]) {
    while !bytes.is_empty() {
        to.read_tls(&mut bytes).expect("there is room");
        to.process_new_packets().expect("a handshake");
    }
}

/// A certificate, its key, and a client's trust in it.
pub(super) struct Identity {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    roots: Arc<RootCertStore>,
}

impl Identity {
    pub(super) fn new() -> Self {
        let made: CertifiedKey<KeyPair> =
            rcgen::generate_simple_self_signed(vec![NAME.to_owned()]).expect("a certificate");
        let certificate = made.cert.der().clone();
        let mut roots = RootCertStore::empty();
        roots.add(certificate.clone()).expect("a certificate");
        Self {
            chain: vec![certificate],
            key: PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into()),
            roots: roots.into(),
        }
    }

    pub(super) fn server(&self, store: Store) -> Arc<ServerConfig> {
        let builder = ServerConfig::builder_with_provider(default_provider().into());
        let builder = builder.with_safe_default_protocol_versions();
        let builder = builder.expect("versions").with_no_client_auth();
        let (chain, key) = (self.chain.clone(), self.key.clone_key());
        let mut config = builder.with_single_cert(chain, key).expect("a pair");
        config.session_storage = store;
        // One for each that is taken: else the smallest store would lose those of other clients.
        config.send_tls13_tickets = 1;
        config.into()
    }

    pub(super) fn client(&self, version: &'static SupportedProtocolVersion) -> Arc<ClientConfig> {
        let builder = ClientConfig::builder_with_provider(default_provider().into());
        let builder = builder.with_protocol_versions(&[version]).expect("one");
        let builder = builder.with_root_certificates(Arc::clone(&self.roots));
        let mut config = builder.with_no_client_auth();
        config.resumption = Resumption::in_memory_sessions(8);
        config.into()
    }
}
