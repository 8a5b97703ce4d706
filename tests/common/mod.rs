//! TLS peers in process: OpenSSL on both ends of a pipe in memory, driven by one thread. The fuzz
//! target `tickets` includes this file as well.
#![allow(dead_code, unreachable_pub)] // each test file uses a part
#![allow(unsafe_code)] // rust-openssl's way to offer a session

mod pipe;

use std::cell::Cell;
use std::io::{Read, Write};
use std::sync::{Arc, LazyLock};

use openssl::asn1::{Asn1Object, Asn1OctetString, Asn1Time};
use openssl::bn::BigNum;
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::ssl::{
    Ssl, SslContext, SslContextBuilder, SslMethod, SslOptions, SslSession, SslSessionCacheMode,
    SslStream, SslVerifyMode, SslVersion,
};
use openssl::x509::{X509, X509Extension, X509NameBuilder};
use rekindle::openssl::{CachedSession, ResumedBy, Resumption, SessionCache, SessionStorage};
use rekindle::{CacheBuilder, SessionId, Time};

pub use pipe::Pipe;
pub use pipe::step;

/// How a client comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mechanism {
    Tls12Id,
    Tls12Ticket,
    Tls13Ticket,
    Tls13Stateful,
}

impl Mechanism {
    pub const ALL: [Mechanism; 4] = [
        Mechanism::Tls12Id,
        Mechanism::Tls12Ticket,
        Mechanism::Tls13Ticket,
        Mechanism::Tls13Stateful,
    ];
    /// By a ticket that carries the session.
    pub const TICKETS: [Mechanism; 2] = [Mechanism::Tls12Ticket, Mechanism::Tls13Ticket];
    /// From the cache.
    pub const STATEFUL: [Mechanism; 2] = [Mechanism::Tls12Id, Mechanism::Tls13Stateful];

    pub fn version(self) -> SslVersion {
        match self {
            Mechanism::Tls12Id | Mechanism::Tls12Ticket => SslVersion::TLS1_2,
            Mechanism::Tls13Ticket | Mechanism::Tls13Stateful => SslVersion::TLS1_3,
        }
    }

    pub fn stateless(self) -> bool {
        Mechanism::TICKETS.contains(&self)
    }

    pub fn resumed_by(self) -> ResumedBy {
        match self {
            Mechanism::Tls12Id => ResumedBy::SessionId,
            Mechanism::Tls13Stateful => ResumedBy::StatefulTicket,
            Mechanism::Tls12Ticket | Mechanism::Tls13Ticket => ResumedBy::Ticket,
        }
    }
}

struct Identity {
    certificate: X509,
    key: PKey<Private>,
    /// Certificates that are sent behind.
    intermediates: Vec<X509>,
}

static IDENTITY: LazyLock<Identity> = LazyLock::new(|| {
    let today = Asn1Time::days_from_now(0).unwrap();
    identity(&today, &Asn1Time::days_from_now(1).unwrap(), 0)
});

/// A certificate that carries `extra` bytes in an extension.
fn identity(not_before: &Asn1Time, not_after: &Asn1Time, extra: usize) -> Identity {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
    let key = PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap();
    let mut name = X509NameBuilder::new().unwrap();
    name.append_entry_by_nid(Nid::COMMONNAME, "localhost")
        .unwrap();
    let name = name.build();
    let mut builder = X509::builder().unwrap();
    builder.set_version(2).unwrap();
    let serial = BigNum::from_u32(1).unwrap().to_asn1_integer().unwrap();
    builder.set_serial_number(&serial).unwrap();
    builder.set_subject_name(&name).unwrap();
    builder.set_issuer_name(&name).unwrap();
    builder.set_not_before(not_before).unwrap();
    builder.set_not_after(not_after).unwrap();
    builder.set_pubkey(&key).unwrap();
    if extra > 0 {
        let object = Asn1Object::from_str("1.3.6.1.4.1.1").unwrap();
        let content = Asn1OctetString::new_from_bytes(&vec![0; extra]).unwrap();
        let extension = X509Extension::new_from_der(&object, false, &content).unwrap();
        builder.append_extension(extension).unwrap();
    }
    builder.sign(&key, MessageDigest::sha256()).unwrap();
    Identity {
        certificate: builder.build(),
        key,
        intermediates: Vec::new(),
    }
}

/// A server context with a certificate and a session id context, for the caller to add to.
pub fn server_builder(id_context: &[u8]) -> SslContextBuilder {
    let mut builder = SslContext::builder(SslMethod::tls_server()).unwrap();
    make_server(&mut builder, id_context);
    builder
}

/// Gives a context the certificate, and a session id context.
pub fn make_server(builder: &mut SslContextBuilder, id_context: &[u8]) {
    builder.set_certificate(&IDENTITY.certificate).unwrap();
    builder.set_private_key(&IDENTITY.key).unwrap();
    builder.set_session_id_context(id_context).unwrap();
}

pub fn server_with_id_context(resumption: &Resumption, id_context: &[u8]) -> SslContext {
    let mut builder = server_builder(id_context);
    resumption.install(&mut builder).unwrap();
    builder.build()
}

pub fn server(resumption: &Resumption) -> SslContext {
    server_with_id_context(resumption, b"tests")
}

/// Has a server ask clients for a certificate, and take any.
pub fn ask_for_certificates(builder: &mut SslContextBuilder, _: &Resumption) {
    let mode = SslVerifyMode::PEER | SslVerifyMode::FAIL_IF_NO_PEER_CERT;
    builder.set_verify_callback(mode, |_, _| true);
}

thread_local! {
    /// How the caches of the tests on this thread keep sessions.
    pub static STORAGE: Cell<SessionStorage> = const { Cell::new(SessionStorage::Live) };
}

/// Runs tests, which have run with live sessions, with every other storage.
pub fn with_other_storages(tests: &[fn()]) {
    for storage in [
        SessionStorage::Encoded,
        SessionStorage::LiveWithClientCertificate,
    ] {
        STORAGE.set(storage);
        tests.iter().for_each(|test| test());
    }
}

/// A cache for a resumption.
pub fn cache(builder: CacheBuilder<CachedSession>) -> Arc<SessionCache> {
    Arc::new(SessionCache::new(builder, STORAGE.get()).unwrap())
}

/// All that a cache holds, in order.
pub fn content(cache: &SessionCache) -> Vec<(SessionId, Vec<u8>, Time)> {
    let guard = cache.pin();
    let entries = guard.iter();
    let entries = entries.map(|entry| (*entry.id(), entry.encoded().to_vec(), entry.expires_at()));
    let mut all: Vec<_> = entries.collect();
    all.sort();
    all
}

/// A resumption of its own for that kind.
pub fn resumption(kind: Mechanism) -> Resumption {
    let builder = Resumption::builder().sessions(1_000);
    let builder = builder.session_storage(STORAGE.get());
    builder.stateless_tickets(kind.stateless()).build().unwrap()
}

/// A server with a resumption of its own, and a client.
pub fn peers(kind: Mechanism) -> (Resumption, SslContext, Client) {
    let resumption = resumption(kind);
    let server = server(&resumption);
    (resumption, server, Client::new(kind))
}

/// A client: it speaks one version, and keeps the last session that the server gave it.
pub struct Client {
    context: SslContext,
    sessions: Arc<Sessions>,
}

#[derive(Default)]
#[allow(clippy::disallowed_types)] // not library code
struct Sessions(std::sync::Mutex<Option<SslSession>>);

impl Client {
    pub fn new(kind: Mechanism) -> Self {
        Self::build(kind, &IDENTITY, SslOptions::empty())
    }

    /// One that asks for no tickets.
    pub fn without_tickets(kind: Mechanism) -> Self {
        Self::build(kind, &IDENTITY, SslOptions::NO_TICKET)
    }

    /// One whose certificate is valid from 1970 until that moment, in seconds since then.
    pub fn with_certificate_until(kind: Mechanism, unix: u64) -> Self {
        let until = Asn1Time::from_unix(unix.try_into().unwrap()).unwrap();
        let identity = identity(&Asn1Time::from_unix(0).unwrap(), &until, 0);
        Self::build(kind, &identity, SslOptions::empty())
    }

    /// One whose certificate is too large for a ticket, which holds 65,535 bytes at most.
    pub fn with_a_large_certificate(kind: Mechanism) -> Self {
        let today = Asn1Time::days_from_now(0).unwrap();
        let identity = identity(&today, &Asn1Time::days_from_now(1).unwrap(), 66_000);
        Self::build(kind, &identity, SslOptions::empty())
    }

    /// One that sends `count` intermediate certificates.
    pub fn with_intermediates(kind: Mechanism, count: usize) -> Self {
        let today = Asn1Time::days_from_now(0).unwrap();
        let mut identity = identity(&today, &Asn1Time::days_from_now(1).unwrap(), 0);
        identity.intermediates = vec![IDENTITY.certificate.clone(); count];
        Self::build(kind, &identity, SslOptions::empty())
    }

    fn build(kind: Mechanism, identity: &Identity, options: SslOptions) -> Self {
        let mut builder = SslContext::builder(SslMethod::tls_client()).unwrap();
        builder.set_verify(SslVerifyMode::NONE);
        builder.set_options(options);
        builder.set_min_proto_version(Some(kind.version())).unwrap();
        builder.set_max_proto_version(Some(kind.version())).unwrap();
        builder.set_alpn_protos(b"\x02h2").unwrap();
        // For servers that ask.
        builder.set_certificate(&identity.certificate).unwrap();
        builder.set_private_key(&identity.key).unwrap();
        for intermediate in &identity.intermediates {
            builder.add_extra_chain_cert(intermediate.clone()).unwrap();
        }
        builder
            .set_session_cache_mode(SslSessionCacheMode::CLIENT | SslSessionCacheMode::NO_INTERNAL);
        let sessions = Arc::new(Sessions::default());
        let keep = Arc::clone(&sessions);
        builder.set_new_session_callback(move |_, session| *keep.0.lock().unwrap() = Some(session));
        Self {
            context: builder.build(),
            sessions,
        }
    }

    /// The session that the server gave last.
    pub fn session(&self) -> SslSession {
        self.try_session().expect("a session")
    }

    /// The same, if it gave one.
    pub fn try_session(&self) -> Option<SslSession> {
        self.sessions.0.lock().unwrap().clone()
    }

    /// A full handshake.
    pub fn connect(&self, server: &SslContext) -> Connection {
        self.try_connect(server, None, None).expect("a handshake")
    }

    /// A handshake that offers the session that the server gave last.
    pub fn reconnect(&self, server: &SslContext) -> Connection {
        self.offer(server, &self.session())
    }

    pub fn offer(&self, server: &SslContext, session: &SslSession) -> Connection {
        self.try_connect(server, Some(session), None)
            .expect("a handshake")
    }

    /// A handshake that may offer a session and name a server.
    pub fn try_connect(
        &self,
        server: &SslContext,
        session: Option<&SslSession>,
        name: Option<&str>,
    ) -> Result<Connection, String> {
        let client = self.new_connection(session, name);
        self.shake_hands(client, Ssl::new(server).unwrap())
    }

    /// A full handshake with a server's connection that the test has made.
    pub fn connect_to(&self, server: Ssl) -> Result<Connection, String> {
        self.shake_hands(self.new_connection(None, None), server)
    }

    /// As [`connect_to`](Self::connect_to), but it offers a session.
    pub fn offer_to(&self, server: Ssl, session: &SslSession) -> Result<Connection, String> {
        self.shake_hands(self.new_connection(Some(session), None), server)
    }

    fn shake_hands(&self, client: Ssl, server: Ssl) -> Result<Connection, String> {
        let connection = Connection::shake_hands(client, server)?;
        let ours = connection.client.ssl();
        if ours.version2() == Some(SslVersion::TLS1_2) {
            // A ticket that renews another is not announced.
            *self.sessions.0.lock().unwrap() = ours.session().map(ToOwned::to_owned);
        }
        Ok(connection)
    }

    /// The first record of a client that offers a session: its ClientHello.
    pub fn hello(&self, session: &SslSession, name: &str) -> Vec<u8> {
        let (near, far) = Pipe::pair();
        let client = self.new_connection(Some(session), Some(name));
        let connected = SslStream::new(client, near).unwrap().connect();
        assert!(connected.is_err(), "no server answers");
        far.incoming.borrow_mut().drain(..).collect()
    }

    /// A connection that may offer a session and name a server.
    pub fn new_connection(&self, session: Option<&SslSession>, name: Option<&str>) -> Ssl {
        let mut client = Ssl::new(&self.context).unwrap();
        if let Some(session) = session {
            // A copy: OpenSSL offers a session of TLS 1.3 once, and marks it as used up.
            let copy = SslSession::from_der(&session.to_der().unwrap()).unwrap();
            // SAFETY: the session came from a connection of this same context.
            unsafe { client.set_session(&copy).unwrap() };
        }
        if let Some(name) = name {
            client.set_hostname(name).unwrap();
        }
        client
    }
}

/// Both ends of a connection after the handshake.
pub struct Connection {
    /// Hang up instead of closing.
    pub rude: bool,
    pub client: SslStream<Pipe>,
    pub server: SslStream<Pipe>,
}

impl Connection {
    pub fn shake_hands(client: Ssl, server: Ssl) -> Result<Self, String> {
        let (near, far) = Pipe::pair();
        let mut this = Self {
            rude: false,
            client: SslStream::new(client, near).unwrap(),
            server: SslStream::new(server, far).unwrap(),
        };
        let (mut client_done, mut server_done) = (false, false);
        while !(client_done && server_done) {
            client_done = client_done || step(this.client.connect())?;
            server_done = server_done || step(this.server.accept())?;
        }
        // TLS 1.3 tickets come after the handshake, before the first data.
        this.server.write_all(b"!").map_err(|e| e.to_string())?;
        let read = this.client.read_exact(&mut [0]);
        read.map_err(|e| e.to_string()).map(|()| this)
    }

    /// Whether both ends say that the session was resumed.
    pub fn resumed(&self) -> bool {
        let (ours, theirs) = (self.server.ssl(), self.client.ssl());
        assert_eq!(ours.session_reused(), theirs.session_reused());
        ours.session_reused()
    }

    pub fn resumed_by(&self) -> Option<ResumedBy> {
        Resumption::resumed_by(self.server.ssl())
    }

    /// The server's session.
    pub fn session(&self) -> SslSession {
        self.server.ssl().session().unwrap().to_owned()
    }
}

/// Closes as peers should: OpenSSL removes the session of a connection that is freed without.
impl Drop for Connection {
    fn drop(&mut self) {
        if self.rude {
            return;
        }
        let _ = self.client.shutdown();
        let _ = self.server.shutdown();
    }
}
