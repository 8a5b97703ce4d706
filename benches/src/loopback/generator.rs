//! The load generator: some clients in a closed loop, each with sessions of its own.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use openssl::ssl::{SslContext, SslSession};
use rustix::thread::CpuSet;

use super::client::client;
use super::cores;
use super::exchange::exchange;
use crate::cpu_time;
use crate::threads::join;
use crate::tls::HandshakeKind;

/// How long it may take until a client has all its sessions.
const LONGEST_FILL: Duration = Duration::from_secs(60);

/// The clients of one server, all of which go one kind.
pub(super) struct Generator {
    context: SslContext,
    kind: HandshakeKind,
    address: SocketAddr,
    cpus: CpuSet,
    clients: Vec<Client>,
}

/// Sessions in the order in which they will be offered: each comes back as often as the others.
#[derive(Default)]
struct Client {
    sessions: VecDeque<SslSession>,
}

#[derive(Debug)]
pub(super) struct Round {
    pub(super) latency: Histogram<u64>,
    pub(super) resumed: u64,
    pub(super) failures: u64,
    pub(super) first_failure: Option<String>,
    /// From the start until the last connection was closed.
    pub(super) elapsed: Duration,
    /// CPU time of this process, upstream included.
    pub(super) cpu: Duration,
}

impl Generator {
    /// Clients that have `sessions` in total, got by full handshakes; none for full handshakes.
    ///
    /// # Errors
    ///
    /// A connection that failed, or that the server's sessions do not lead back this kind.
    pub(super) fn new(
        kind: HandshakeKind,
        address: SocketAddr,
        cpus: CpuSet,
        clients: usize,
        sessions: usize,
    ) -> Result<Self, String> {
        let mut generator = Self {
            context: client(kind).map_err(|error| error.to_string())?,
            kind,
            address,
            cpus,
            clients: (0..clients).map(|_| Client::default()).collect(),
        };
        if kind.resumes() {
            let each = sessions.div_ceil(clients);
            let filled =
                generator.on_threads(|client, context| client.fill(each, context, kind, address));
            filled.into_iter().collect::<Result<(), _>>()?;
        }
        Ok(generator)
    }

    /// Connects for so long, with all clients at once.
    pub(super) fn round(&mut self, length: Duration) -> Round {
        let (kind, address) = (self.kind, self.address);
        let (start, cpu) = (Instant::now(), cpu_time::of_process());
        let deadline = start + length;
        let rounds =
            self.on_threads(|client, context| client.round(deadline, context, kind, address));
        let mut sum = Round::new();
        for round in rounds {
            sum.add(round);
        }
        sum.elapsed = start.elapsed();
        sum.cpu = cpu_time::of_process().saturating_sub(cpu);
        sum
    }

    fn on_threads<R: Send>(
        &mut self,
        work: impl Fn(&mut Client, &SslContext) -> R + Sync,
    ) -> Vec<R> {
        let (context, cpus, work) = (&self.context, &self.cpus, &work);
        thread::scope(|scope| {
            let run = |client| {
                scope.spawn(move || {
                    cores::stay_on(cpus);
                    work(client, context)
                })
            };
            let threads: Vec<_> = self.clients.iter_mut().map(run).collect();
            threads.into_iter().map(join).collect()
        })
    }
}

impl Client {
    fn fill(
        &mut self,
        sessions: usize,
        context: &SslContext,
        kind: HandshakeKind,
        address: SocketAddr,
    ) -> Result<(), String> {
        let start = Instant::now();
        while self.sessions.len() < sessions {
            if start.elapsed() > LONGEST_FILL {
                return Err(format!(
                    "{} sessions in {LONGEST_FILL:?}",
                    self.sessions.len()
                ));
            }
            let session = exchange(context, address, None)?.session;
            let session = session.ok_or("no session")?;
            kind.accepts(&session)?;
            self.sessions.push_back(session);
        }
        Ok(())
    }

    fn round(
        &mut self,
        deadline: Instant,
        context: &SslContext,
        kind: HandshakeKind,
        address: SocketAddr,
    ) -> Round {
        let mut round = Round::new();
        // At least once: a busy machine may begin late.
        loop {
            let offered = self.sessions.pop_front();
            match exchange(context, address, offered.as_deref()) {
                Ok(done) => {
                    round.done(done.latency, done.resumed);
                    if kind.resumes() {
                        self.sessions.extend(done.session);
                    }
                }
                Err(failure) => {
                    round.failed(failure);
                    // A session of TLS 1.3 is offered once. If it was not resumed for want of
                    // another, that shows in the share.
                    if matches!(kind, HandshakeKind::Tls12Id | HandshakeKind::Tls12Ticket) {
                        self.sessions.extend(offered);
                    }
                }
            }
            if Instant::now() >= deadline {
                return round;
            }
        }
    }
}

impl Round {
    fn new() -> Self {
        Self {
            latency: Histogram::new(3).expect("three digits are valid"),
            resumed: 0,
            failures: 0,
            first_failure: None,
            elapsed: Duration::ZERO,
            cpu: Duration::ZERO,
        }
    }

    /// Handshakes that came to their end.
    pub(super) fn handshakes(&self) -> u64 {
        self.latency.len()
    }

    /// In microseconds.
    pub(super) fn latency(&self, quantile: f64) -> f64 {
        self.latency.value_at_quantile(quantile) as f64 / 1e3
    }

    fn done(&mut self, latency: Duration, resumed: bool) {
        let nanos = u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX);
        self.latency.record(nanos).expect("the histogram grows");
        self.resumed += u64::from(resumed);
    }

    fn failed(&mut self, failure: String) {
        self.failures += 1;
        self.first_failure.get_or_insert(failure);
    }

    fn add(&mut self, other: Self) {
        self.latency
            .add(&other.latency)
            .expect("the histogram grows");
        self.resumed += other.resumed;
        self.failures += other.failures;
        self.first_failure = self.first_failure.take().or(other.first_failure);
    }
}
