//! One machine of a fleet: a server in this process, with a cache of its own.

use std::sync::LazyLock;
use std::time::{Duration, Instant};

use openssl::ssl::{SslContext, SslSession};
use rekindle::SessionId;
use rekindle::openssl::Resumption;
use rekindle::resume::Scope;
use rekindle::tickets::TicketSecret;
use rekindle_fleet::{Fleet, FleetBuilder, Store};

use crate::common::{Client, Connection, Mechanism, server_builder};

/// Long enough for a busy machine.
pub(crate) const SOON: Duration = Duration::from_secs(20);

pub(crate) const LIFETIME: Duration = Duration::from_secs(600);

pub(crate) struct Host {
    pub(crate) fleet: Fleet,
    pub(crate) resumption: Resumption,
    pub(crate) server: SslContext,
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
            .stateless_tickets(kind.stateless())
            .build();
        Self::of(resumption.expect("a resumption"), secret(), store, set)
    }

    pub(crate) fn of(
        resumption: Resumption,
        secret: TicketSecret,
        store: impl Store,
        set: impl FnOnce(FleetBuilder) -> FleetBuilder,
    ) -> Self {
        let mut builder = server_builder(b"");
        resumption
            .install_scoped(&mut builder, &scope())
            .expect("a context");
        let fleet = Fleet::builder(secret, store)
            .scopes([scope()])
            .session_lifetime(LIFETIME);
        Self {
            fleet: set(fleet).start(resumption.clone()).expect("a fleet"),
            resumption,
            server: builder.build(),
        }
    }

    /// A full handshake: the session that the client was given last.
    #[track_caller]
    pub(crate) fn connect(&self, client: &Client) -> Given {
        let connection = client.connect(&self.server);
        assert!(!connection.resumed());
        self.given(client, &connection)
    }

    pub(crate) fn given(&self, client: &Client, connection: &Connection) -> Given {
        Given {
            // Of TLS 1.3, the ticket is the id.
            id: SessionId::new(connection.session().id()).expect("an id"),
            session: client.session(),
        }
    }

    pub(crate) fn knows(&self, given: &Given) -> bool {
        self.resumption.cache().contains(&given.id)
    }

    /// Waits until it has the session.
    #[track_caller]
    pub(crate) fn waits_for(&self, given: &Given) {
        let why = || format!("it does not come: {:?}", self.fleet.stats());
        until(|| self.knows(given), why);
    }

    #[track_caller]
    pub(crate) fn waits_for_end_of(&self, given: &Given) {
        let why = || format!("it stays: {:?}", self.fleet.stats());
        until(|| !self.knows(given), why);
    }

    /// A client comes back with a session. Whether it resumes.
    pub(crate) fn resumes(&self, client: &Client, given: &Given) -> bool {
        client.offer(&self.server, &given.session).resumed()
    }
}

/// A session that a client was given.
pub(crate) struct Given {
    pub(crate) id: SessionId,
    pub(crate) session: SslSession,
}

/// Waits for something that other threads do.
#[track_caller]
pub(crate) fn until(mut done: impl FnMut() -> bool, why: impl FnOnce() -> String) {
    let deadline = Instant::now() + SOON;
    while !done() {
        assert!(Instant::now() < deadline, "{}", why());
        std::thread::sleep(Duration::from_millis(1));
    }
}
