//! One machine of a fleet: a server in this process, with a cache of its own.

use std::io::{Read, Write};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use openssl::ssl::{ErrorCode, Ssl, SslContext, SslSession, SslStream};
use rekindle::SessionId;
use rekindle::openssl::Resumption;
use rekindle::resume::Scope;
use rekindle::tickets::TicketSecret;
use rekindle_fleet::{Fleet, FleetBuilder, Store};

use crate::common::{Client, Connection, Mechanism, Pipe, server_builder, step};

/// Long enough for a busy machine.
const SOON: Duration = Duration::from_secs(20);

pub(crate) const LIFETIME: Duration = Duration::from_secs(600);

pub(crate) struct Host {
    pub(crate) fleet: Arc<Fleet>,
    pub(crate) resumption: Resumption,
    server: SslContext,
}

/// A session that a client was given.
pub(crate) struct Given {
    pub(crate) id: SessionId,
    pub(crate) session: SslSession,
}

pub(crate) fn scope() -> Scope {
    Scope::new("shop.test")
}

pub(crate) fn secret() -> TicketSecret {
    static SECRET: LazyLock<TicketSecret> =
        LazyLock::new(|| TicketSecret::random(Duration::from_secs(3600), None).expect("a secret"));
    SECRET.clone()
}

impl Host {
    pub(crate) fn new(kind: Mechanism, store: impl Store) -> Self {
        Self::with(kind, store, |fleet| fleet)
    }

    pub(crate) fn with(
        kind: Mechanism,
        store: impl Store,
        set: impl FnOnce(FleetBuilder) -> FleetBuilder,
    ) -> Self {
        let resumption = Resumption::builder()
            .sessions(20_000)
            .session_timeout(LIFETIME)
            .stateless_tickets(kind.stateless());
        let resumption = resumption.build().expect("a resumption");
        Self::of(resumption, secret(), store, set)
    }

    pub(crate) fn of(
        resumption: Resumption,
        secret: TicketSecret,
        store: impl Store,
        set: impl FnOnce(FleetBuilder) -> FleetBuilder,
    ) -> Self {
        let mut context = server_builder(b"");
        let installed = resumption.install_scoped(&mut context, &scope());
        installed.expect("a context");
        let fleet = Fleet::builder(secret, store).scopes([scope()]);
        let fleet = set(fleet.session_lifetime(LIFETIME));
        let fleet = Arc::new(fleet.start(resumption.clone()).expect("a fleet"));
        let asked = Arc::clone(&fleet);
        context.set_client_hello_callback(move |ssl, _| asked.on_client_hello(ssl, &scope()));
        Self {
            fleet,
            resumption,
            server: context.build(),
        }
    }

    /// A full handshake: the session that the client was given last.
    #[track_caller]
    pub(crate) fn connect(&self, client: &Client) -> Given {
        self.open(client).1
    }

    /// The same, with the connection.
    #[track_caller]
    pub(crate) fn open(&self, client: &Client) -> (Connection, Given) {
        let connection = client.connect(&self.server);
        assert!(!connection.resumed());
        let given = Given {
            // Of TLS 1.3, the ticket is the id.
            id: SessionId::new(connection.session().id()).expect("an id"),
            session: client.session(),
        };
        (connection, given)
    }

    pub(crate) fn knows(&self, given: &Given) -> bool {
        self.resumption.cache().contains(&given.id)
    }

    /// Waits until it has the session.
    #[track_caller]
    pub(crate) fn waits_for(&self, given: &Given) {
        self.until(|| self.knows(given));
    }

    #[track_caller]
    pub(crate) fn waits_for_end_of(&self, given: &Given) {
        self.until(|| !self.knows(given));
    }

    /// Waits until the store has all sessions that this machine has made.
    #[track_caller]
    pub(crate) fn has_told(&self) {
        self.until(|| {
            let stats = self.fleet.stats();
            let received = stats.replicated + stats.caught_up + stats.fetched;
            let sessions = self.resumption.cache().len() as u64;
            stats.published + received >= sessions
        });
    }

    /// Waits for something that other threads do.
    #[track_caller]
    pub(crate) fn until(&self, mut done: impl FnMut() -> bool) {
        let deadline = Instant::now() + SOON;
        while !done() {
            assert!(Instant::now() < deadline, "{:?}", self.fleet.stats());
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// A client comes back with a session. Whether it resumes.
    #[track_caller]
    pub(crate) fn resumes(&self, client: &Client, given: &Given) -> bool {
        self.offer(client, given).resumed()
    }

    /// The same; the server waits for what is fetched.
    #[track_caller]
    pub(crate) fn offer(&self, client: &Client, given: &Given) -> Connection {
        let client = client.new_connection(Some(&given.session), None);
        let (near, far) = Pipe::pair();
        let server = Ssl::new(&self.server).expect("a server");
        let mut connection = Connection {
            rude: false,
            client: SslStream::new(client, near).expect("a client"),
            server: SslStream::new(server, far).expect("a server"),
        };
        let (mut client_done, mut server_done) = (false, false);
        while !(client_done && server_done) {
            let Connection { client, server, .. } = &mut connection;
            client_done = client_done || step(client.connect()).expect("a handshake");
            server_done = server_done || {
                match server.accept() {
                    Err(error) if error.code() == ErrorCode::WANT_CLIENT_HELLO_CB => {
                        wait(Fleet::awaited(server.ssl()).expect("something to wait for"));
                        false
                    }
                    accepted => step(accepted).expect("a handshake"),
                }
            };
        }
        connection.server.write_all(b"!").expect("a pipe");
        connection.client.read_exact(&mut [0]).expect("a pipe");
        connection
    }
}

fn wait(future: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    runtime.expect("a runtime").block_on(future);
}
