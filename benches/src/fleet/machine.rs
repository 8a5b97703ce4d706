//! A server in this process, with a cache of its own, that may be one of a fleet.

use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use openssl::ssl::{ErrorCode, SslContext, SslContextBuilder, SslSession, SslStream};
use rekindle::openssl::{Resumption, SessionCache, SessionStorage};
use rekindle::resume::Scope;
use rekindle::tickets::TicketSecret;
use rekindle::{Cache, Clock, MonotonicClock, SessionId};
use rekindle_fleet::{Fleet, FleetBuilder, RedisStore};

use crate::process::{Task, cpu_time_of_thread};
use crate::tls::{
    HandshakeKind, Pipe, client_builder, new_ssl, offer, receive_tickets, server_builder, step,
};

const SESSIONS: usize = 300_000;
const LIFETIME: Duration = Duration::from_secs(3_600);

pub(super) struct Machine {
    pub(super) resumption: Resumption,
    fleet: Option<Arc<Fleet>>,
    /// The fleet's own thread.
    task: Option<Task>,
    context: SslContext,
}

/// What a handshake took on the server's side.
#[derive(Clone, Copy, Default)]
pub(super) struct Took {
    pub(super) wall: Duration,
    pub(super) cpu: Duration,
}

/// A handshake, and the session that the client has after it.
pub(super) struct Visit {
    pub(super) resumed: bool,
    pub(super) took: Took,
    pub(super) id: SessionId,
    pub(super) session: SslSession,
}

fn scope() -> Scope {
    Scope::new("benches")
}

fn secret() -> TicketSecret {
    static SECRET: LazyLock<TicketSecret> = LazyLock::new(|| {
        TicketSecret::random(Duration::from_secs(3_600), None).expect("randomness")
    });
    SECRET.clone()
}

impl Machine {
    pub(super) fn alone() -> Self {
        Self::new(Arc::new(MonotonicClock), |_, _| None)
    }

    /// One that shares.
    pub(super) fn of_fleet(url: &str, set: impl FnOnce(FleetBuilder) -> FleetBuilder) -> Self {
        Self::with_clock(Arc::new(MonotonicClock), url, set)
    }

    /// One that shares and goes by that clock.
    pub(super) fn with_clock(
        clock: Arc<dyn Clock>,
        url: &str,
        set: impl FnOnce(FleetBuilder) -> FleetBuilder,
    ) -> Self {
        Self::new(clock, |resumption, context| {
            let store = RedisStore::new(url).expect("an address");
            let fleet = Fleet::builder(secret(), store)
                .scopes([scope()])
                .session_lifetime(LIFETIME);
            let fleet = Arc::new(set(fleet).start(resumption.clone()).expect("a fleet"));
            let asked = Arc::clone(&fleet);
            context.set_client_hello_callback(move |ssl, _| asked.on_client_hello(ssl, &scope()));
            Some(fleet)
        })
    }

    fn new(
        clock: Arc<dyn Clock>,
        fleet: impl FnOnce(&Resumption, &mut SslContextBuilder) -> Option<Arc<Fleet>>,
    ) -> Self {
        let cache = Cache::builder().capacity(SESSIONS).clock(clock);
        let cache = SessionCache::new(cache, SessionStorage::default());
        let resumption = Resumption::builder()
            .cache(Arc::new(cache.expect("a cache")))
            .session_timeout(LIFETIME)
            .stateless_tickets(false);
        let resumption = resumption.build().expect("valid");
        let mut context = server_builder();
        // As in a program that sets none.
        let id_context = context.set_session_id_context(scope().as_bytes());
        id_context.expect("32 bytes");
        let installed = resumption.install_scoped(&mut context, &scope());
        installed.expect("a fresh context");
        let before = Task::all();
        let fleet = fleet(&resumption, &mut context);
        let is_new = |task: &Task| !before.contains(task);
        Self {
            task: Task::all()
                .into_iter()
                .find(is_new)
                .filter(|_| fleet.is_some()),
            fleet,
            resumption,
            context: context.build(),
        }
    }

    pub(super) fn fleet(&self) -> &Fleet {
        self.fleet.as_ref().expect("it is one of a fleet")
    }

    /// The CPU time of the fleet's own thread so far.
    pub(super) fn cpu_time_of_fleet(&self) -> Duration {
        self.task.map_or(Duration::ZERO, Task::cpu_time)
    }

    /// Waits until its store has answered.
    pub(super) fn wait_for_store(&self) {
        wait_for("the store", || self.fleet().stats().store_up);
    }

    /// A client that offers a session, or none.
    pub(super) fn visit(&self, client: &SslContext, offered: Option<&SslSession>) -> Visit {
        let mut client = new_ssl(client);
        if let Some(session) = offered {
            // OpenSSL marks a session of TLS 1.3 as used up: a copy.
            let copy = session.to_der().and_then(|der| SslSession::from_der(&der));
            offer(&mut client, &copy.expect("a session"));
        }
        let (near, far) = Pipe::pair();
        let mut client = SslStream::new(client, near).expect("a stream");
        let mut server = SslStream::new(new_ssl(&self.context), far).expect("a stream");
        let mut took = Took::default();
        let (mut client_done, mut server_done) = (false, false);
        while !(client_done && server_done) {
            client_done = client_done || step(client.connect()).expect("a handshake");
            let (wall, cpu) = (Instant::now(), cpu_time_of_thread());
            server_done = server_done || accept(&mut server);
            took.cpu += cpu_time_of_thread() - cpu;
            took.wall += wall.elapsed();
        }
        receive_tickets(&mut client);
        let session = client.ssl().session().expect("a session").to_owned();
        let of_server = server.ssl().session().expect("a session");
        let visit = Visit {
            resumed: server.ssl().session_reused(),
            took,
            id: SessionId::new(of_server.id()).expect("an id"),
            session,
        };
        Resumption::keep_session(server.ssl());
        visit
    }
}

/// A step of a server, which waits for what is fetched. Whether it was the last.
fn accept(server: &mut SslStream<Pipe>) -> bool {
    match server.accept() {
        Err(error) if error.code() == ErrorCode::WANT_CLIENT_HELLO_CB => {
            let awaited = Fleet::awaited(server.ssl()).expect("it waits for something");
            let runtime = tokio::runtime::Builder::new_current_thread().build();
            runtime.expect("a runtime").block_on(awaited);
            false
        }
        accepted => step(accepted).expect("a handshake"),
    }
}

/// What clients of that kind have in common.
pub(super) fn client(kind: HandshakeKind) -> SslContext {
    client_builder(kind.version()).build()
}

/// Waits for something that other threads do.
pub(super) fn wait_for(what: &str, mut is_done: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !is_done() {
        assert!(Instant::now() < deadline, "{what} does not come");
        std::thread::sleep(Duration::from_millis(1));
    }
}
