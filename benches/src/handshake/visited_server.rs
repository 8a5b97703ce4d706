//! A server, and clients of it on each thread that have been there before.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use super::batch::{Costs, Visitors};
use crate::threads::on_threads;
use crate::tls::{HandshakeKind, Server, client_builder};

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
    /// A server with `visitors` clients on each thread, each of which has come back once.
    pub(crate) fn new(
        kind: HandshakeKind,
        server: Server,
        threads: usize,
        visitors: usize,
    ) -> Self {
        let welcome = || {
            let client = client_builder(kind.version()).build();
            let mut visitors = Visitors::new(client, visitors, kind.resumes());
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
