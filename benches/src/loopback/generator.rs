//! The load generator: some clients in a closed loop, each with sessions of its own.

use std::collections::VecDeque;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use openssl::ssl::{SslContext, SslSession, SslSessionRef};
use rustix::thread::{CpuSet, sched_setaffinity};

use super::exchange::{Exchange, client, exchange};
use super::upstream::Question;
use crate::process;
use crate::threads::on_threads;
use crate::tls::HandshakeKind;

/// How long it may take until a client has all its sessions.
const LONGEST_FILL: Duration = Duration::from_secs(60);

/// What all clients do, again and again.
#[derive(Clone, Copy)]
pub(super) struct Load {
    pub(super) kind: HandshakeKind,
    pub(super) question: Question,
    pub(super) clients: u16,
    /// What all clients together have of them, and offer in turn.
    pub(super) sessions: u16,
}

/// The clients of one server.
pub(super) struct Generator {
    context: SslContext,
    pub(super) load: Load,
    address: SocketAddr,
    cpus: CpuSet,
    /// Each client's sessions, in the order in which they will be offered: each comes back as often
    /// as the others.
    clients: Vec<Mutex<VecDeque<SslSession>>>,
}

impl fmt::Display for Load {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.question {
            Question::Byte => write!(f, "{}", self.kind),
            Question::Body(_) => write!(f, "downloads"),
        }
    }
}

/// What the clients of a round saw.
#[derive(Clone)]
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
    /// Clients that have their sessions, got by full handshakes; none for full handshakes. The
    /// error is a connection that failed, or a session of another kind.
    pub(super) fn new(load: Load, address: SocketAddr, cpus: CpuSet) -> Result<Self, String> {
        let generator = Self {
            context: client(load.kind).map_err(|error| error.to_string())?,
            load,
            address,
            cpus,
            clients: (0..load.clients).map(|_| Mutex::default()).collect(),
        };
        if load.kind.resumes() {
            let each = load.sessions.div_ceil(load.clients).into();
            let filled = generator.on_clients(|sessions| generator.fill(sessions, each));
            filled.into_iter().collect::<Result<(), _>>()?;
        }
        Ok(generator)
    }

    /// Connects for so long, with all clients at once.
    pub(super) fn round(&self, length: Duration) -> Round {
        let (start, cpu) = (Instant::now(), process::cpu_time_of_process());
        let deadline = start + length;
        let rounds = self.on_clients(|sessions| self.connect(sessions, deadline));
        let mut sum = Round::new();
        for round in rounds {
            sum.add(round);
        }
        sum.elapsed = start.elapsed();
        sum.cpu = process::cpu_time_of_process().saturating_sub(cpu);
        sum
    }

    fn on_clients<R: Send>(&self, work: impl Fn(&mut VecDeque<SslSession>) -> R + Sync) -> Vec<R> {
        let prepare = |client: usize| {
            sched_setaffinity(None, &self.cpus).expect("our own processors are allowed");
            self.clients[client].lock().expect("not poisoned")
        };
        on_threads(self.clients.len(), prepare, |mut sessions| {
            work(&mut sessions)
        })
    }

    fn fill(&self, sessions: &mut VecDeque<SslSession>, count: usize) -> Result<(), String> {
        let start = Instant::now();
        while sessions.len() < count {
            if start.elapsed() > LONGEST_FILL {
                return Err(format!("{} sessions in {LONGEST_FILL:?}", sessions.len()));
            }
            let session = self.exchange(None)?.session;
            let session = session.ok_or("no session")?;
            self.load.kind.accepts(&session)?;
            sessions.push_back(session);
        }
        Ok(())
    }

    fn exchange(&self, session: Option<&SslSessionRef>) -> Result<Exchange, String> {
        exchange(&self.context, self.address, session, self.load.question)
    }

    fn connect(&self, sessions: &mut VecDeque<SslSession>, deadline: Instant) -> Round {
        let mut round = Round::new();
        // At least once: a busy machine may begin late.
        loop {
            let offered = sessions.pop_front();
            match self.exchange(offered.as_deref()) {
                Ok(done) => {
                    let nanos = u64::try_from(done.latency.as_nanos()).unwrap_or(u64::MAX);
                    round.latency.record(nanos).expect("the histogram grows");
                    round.resumed += u64::from(done.resumed);
                    if self.load.kind.resumes() {
                        sessions.extend(done.session);
                    }
                }
                Err(failure) => {
                    round.failures += 1;
                    round.first_failure.get_or_insert(failure);
                    // A session of TLS 1.3 is offered once. If it was not resumed for want of
                    // another, that shows in the share.
                    if matches!(
                        self.load.kind,
                        HandshakeKind::Tls12Id | HandshakeKind::Tls12Ticket
                    ) {
                        sessions.extend(offered);
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

    fn add(&mut self, other: Self) {
        let latency = &mut self.latency;
        latency.add(&other.latency).expect("the histogram grows");
        self.resumed += other.resumed;
        self.failures += other.failures;
        self.first_failure = self.first_failure.take().or(other.first_failure);
    }
}
