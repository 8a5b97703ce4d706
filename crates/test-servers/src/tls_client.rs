//! A client in the test's own process.

use std::cell::Cell;
use std::fmt;
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc;

use openssl::ssl::{
    HandshakeError, Ssl, SslContext, SslContextBuilder, SslMethod, SslSession, SslSessionCacheMode,
    SslStream, SslVerifyMode, SslVersion,
};

use crate::tcp::connect;

/// A client that speaks one version, and offers the last session that it was given.
pub struct TlsClient {
    context: SslContext,
    given: mpsc::Receiver<SslSession>,
    session: Cell<Option<SslSession>>,
}

impl TlsClient {
    /// One that takes any certificate.
    pub fn new(version: SslVersion) -> Self {
        Self::with(version, |_| {})
    }

    /// The same, and `set` may set more.
    pub fn with(version: SslVersion, set: impl FnOnce(&mut SslContextBuilder)) -> Self {
        let mut builder = SslContext::builder(SslMethod::tls_client()).expect("OpenSSL");
        builder.set_verify(SslVerifyMode::NONE);
        let set_min = builder.set_min_proto_version(Some(version));
        set_min
            .and_then(|()| builder.set_max_proto_version(Some(version)))
            .expect("a version");
        builder
            .set_session_cache_mode(SslSessionCacheMode::CLIENT | SslSessionCacheMode::NO_INTERNAL);
        set(&mut builder);
        let (give, given) = mpsc::channel();
        builder.set_new_session_callback(move |_, session| give.send(session).expect("a listener"));
        Self {
            context: builder.build(),
            given,
            session: Cell::default(),
        }
    }

    /// A handshake, which offers the session.
    #[track_caller]
    pub fn connect(&self, address: SocketAddr) -> SslStream<TcpStream> {
        self.try_connect("localhost", connect(address))
            .unwrap_or_else(|error| match error {
                HandshakeError::Failure(stream) => panic!("{}", stream.error()),
                error => panic!("{error}"),
            })
    }

    /// The same with a server of this name, on a connection of the caller's.
    pub fn try_connect(
        &self,
        name: &str,
        tcp: TcpStream,
    ) -> Result<SslStream<TcpStream>, HandshakeError<TcpStream>> {
        let mut ssl = Ssl::new(&self.context).expect("OpenSSL");
        ssl.set_hostname(name).expect("a name");
        if let Some(session) = self.session() {
            // A copy: OpenSSL marks one of a connection that just ends as used up.
            let copy = SslSession::from_der(&session.to_der().expect("DER")).expect("DER");
            #[allow(unsafe_code, reason = "rust-openssl's way to offer a session")]
            // SAFETY: it came from a connection of this context.
            unsafe {
                ssl.set_session(&copy).expect("it fits");
            }
        }
        ssl.connect(tcp)
    }

    /// Keeps the session of a connection in TLS 1.2, which it offers from now on: when a ticket
    /// renews one that was resumed, OpenSSL's clients are not told.
    pub fn keep_session(&self, stream: &SslStream<TcpStream>) {
        let session = stream.ssl().session().map(ToOwned::to_owned);
        self.session.set(session);
    }

    /// The last session that it was given, in TLS 1.3 with what it has read since the handshake.
    pub fn session(&self) -> Option<SslSession> {
        let session = self.given.try_iter().last().or(self.session.take());
        self.session.set(session.clone());
        session
    }
}

/// Shows no session.
impl fmt::Debug for TlsClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsClient").finish_non_exhaustive()
    }
}
