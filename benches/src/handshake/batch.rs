//! Connections that shake hands in lockstep: all clients take a step, then all servers, each on its
//! pipe in memory, all on one thread.
//!
//! So the clock is read once for the steps of a whole batch, and the CPU time of the servers alone
//! is known well. A server with many connections meets them interleaved like this, too.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use openssl::ssl::{ShutdownState, Ssl, SslContext, SslSession, SslStream};

use crate::process;
use crate::threads::on_threads;
use crate::tls::{
    HandshakeKind, Pipe, Server, client_builder, new_ssl, offer, receive_tickets, step,
};

const BATCH: usize = 16;

/// A handshake is over long before: an end that takes more steps waits for what will not come.
const STEPS: usize = 10;

#[derive(Clone, Copy, Debug, Default)]
struct Costs {
    handshakes: usize,
    /// From the first byte to the end of the last connection.
    wall: Duration,
    server: Duration,
    both: Duration,
}

impl Costs {
    fn add(&mut self, other: &Self) {
        self.handshakes += other.handshakes;
        self.wall += other.wall;
        self.server += other.server;
        self.both += other.both;
    }
}

/// Clients that come to one server again and again.
struct Visitors {
    context: SslContext,
    /// What each has to offer: the session that the server gave it last.
    sessions: Vec<Option<SslSession>>,
    /// Those that keep none have full handshakes only.
    keep: bool,
    next: usize,
}

impl Visitors {
    /// At least `count` clients with nothing to offer yet.
    fn new(context: SslContext, count: usize, keep: bool) -> Self {
        Self {
            context,
            sessions: vec![None; count.next_multiple_of(BATCH)],
            keep,
            next: 0,
        }
    }

    fn all_visit(&mut self, server: &SslContext) {
        self.next = 0;
        for _ in (0..self.sessions.len()).step_by(BATCH) {
            self.visit(server);
        }
    }

    /// Visits of the next few clients, and what they cost. Panics when a handshake fails, when a
    /// client with a session does not resume, or when one without does.
    fn visit(&mut self, server: &SslContext) -> Costs {
        let (wall, cpu) = (Instant::now(), process::cpu_time_of_thread());
        let visitors = self.next..self.next + BATCH;
        self.next = visitors.end % self.sessions.len();
        let sessions = &mut self.sessions[visitors];

        let mut batch = Batch::shake_hands(
            server,
            sessions.iter().map(|session| {
                let mut client = new_ssl(&self.context);
                if let Some(session) = session {
                    offer(&mut client, session);
                }
                client
            }),
        );
        for (client, session) in batch.clients.iter().zip(sessions) {
            let reused = client.ssl().session_reused();
            assert_eq!(reused, session.is_some(), "whether it resumes");
            if self.keep {
                *session = client.ssl().session().map(ToOwned::to_owned);
            }
        }
        batch.end();
        Costs {
            handshakes: BATCH,
            wall: wall.elapsed(),
            server: batch.at_servers,
            both: process::cpu_time_of_thread() - cpu,
        }
    }

    fn session(&self) -> Option<&SslSession> {
        self.sessions[0].as_ref()
    }
}

/// A server, and clients of it on each thread that have been there before.
pub(crate) struct VisitedServer {
    pub(crate) server: Server,
    visitors: Vec<Mutex<Visitors>>,
}

pub(crate) struct Turn {
    pub(super) rate: f64,
    costs: Costs,
}

impl Turn {
    /// CPU time of the server for a handshake, in microseconds.
    pub(crate) fn server_micros(&self) -> f64 {
        self.micros(self.costs.server)
    }

    /// The same of client and server.
    pub(super) fn micros_of_both(&self) -> f64 {
        self.micros(self.costs.both)
    }

    fn micros(&self, time: Duration) -> f64 {
        time.as_nanos() as f64 / 1e3 / self.costs.handshakes as f64
    }
}

impl VisitedServer {
    /// A server with `each` clients on each thread, each of which has come back once.
    pub(crate) fn new(kind: HandshakeKind, server: Server, threads: usize, each: usize) -> Self {
        let welcome = || {
            let client = client_builder(kind.version()).build();
            let mut visitors = Visitors::new(client, each, kind.resumes());
            if kind.resumes() {
                visitors.all_visit(&server.context);
                visitors.all_visit(&server.context);
            }
            let accepted = visitors.session().map(|session| kind.accepts(session));
            assert_eq!(accepted, kind.resumes().then_some(Ok(())), "{kind}");
            Mutex::new(visitors)
        };
        let visitors = (0..threads).map(|_| welcome()).collect();
        Self { server, visitors }
    }

    /// Lets the clients of all threads come again and again for the length of a turn. Panics when
    /// one that should resume does not, or the other way round.
    pub(crate) fn turn(&self, length: Duration) -> Turn {
        let server = &self.server.context;
        let prepare = |thread: usize| {
            let mut visitors = self.visitors[thread].lock().expect("not poisoned");
            // A new thread seeds its random numbers first.
            visitors.visit(server);
            visitors
        };
        let of_threads = on_threads(self.visitors.len(), prepare, |mut visitors| {
            let start = Instant::now();
            let mut costs = visitors.visit(server);
            while start.elapsed() < length {
                costs.add(&visitors.visit(server));
            }
            costs
        });
        let rate = |costs: &Costs| costs.handshakes as f64 / costs.wall.as_secs_f64();
        let rate = of_threads.iter().map(rate).sum();
        let mut costs = Costs::default();
        of_threads.iter().for_each(|one| costs.add(one));
        Turn { rate, costs }
    }
}

struct Batch {
    clients: Vec<SslStream<Pipe>>,
    servers: Vec<SslStream<Pipe>>,
    at_servers: Duration,
}

impl Batch {
    /// Lets the clients connect; tickets have been received when it returns.
    fn shake_hands(server: &SslContext, clients: impl Iterator<Item = Ssl>) -> Self {
        let with_pipe = |client| {
            let (near, far) = Pipe::pair();
            (SslStream::new(client, near).expect("a stream"), far)
        };
        let (mut clients, pipes): (Vec<_>, Vec<_>) = clients.map(with_pipe).unzip();
        all_step(&mut clients, SslStream::connect);

        let start = process::cpu_time_of_thread();
        let accept = |pipe| SslStream::new(new_ssl(server), pipe).expect("a stream");
        let servers = pipes.into_iter().map(accept).collect();
        let mut this = Self {
            clients,
            servers,
            at_servers: Duration::ZERO,
        };
        all_step(&mut this.servers, SslStream::accept);
        this.at_servers += process::cpu_time_of_thread() - start;
        this.finish();
        this
    }

    fn finish(&mut self) {
        for _ in 0..STEPS {
            let clients_wait = all_step(&mut self.clients, SslStream::connect);
            let start = process::cpu_time_of_thread();
            let servers_wait = all_step(&mut self.servers, SslStream::accept);
            self.at_servers += process::cpu_time_of_thread() - start;
            if !clients_wait && !servers_wait {
                self.clients.iter_mut().for_each(receive_tickets);
                return;
            }
        }
        panic!("a handshake that does not end");
    }

    /// Closes as peers should: OpenSSL throws the session of a connection away that is freed
    /// without. That no end sends the alert, which costs the same everywhere, is enough of it.
    fn end(&mut self) {
        let closed = ShutdownState::SENT | ShutdownState::RECEIVED;
        self.clients.iter_mut().for_each(|c| c.set_shutdown(closed));
        self.clients.clear();
        let start = process::cpu_time_of_thread();
        self.servers.iter_mut().for_each(|s| s.set_shutdown(closed));
        self.servers.clear();
        self.at_servers += process::cpu_time_of_thread() - start;
    }
}

/// Lets every connection that has not finished take a step. Whether any goes on waiting.
fn all_step(
    streams: &mut [SslStream<Pipe>],
    take: impl Fn(&mut SslStream<Pipe>) -> Result<(), openssl::ssl::Error>,
) -> bool {
    let mut waiting = false;
    for stream in streams {
        if !stream.ssl().is_init_finished() {
            waiting |= !step(take(stream)).expect("a handshake");
        }
    }
    waiting
}
