//! Gives every server its turn, and hands in what was measured.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::ValueEnum;
use rekindle_test_servers::{Files, Running, Task};

use super::exchange::{CIPHER_SUITES, start_upstream};
use super::generator::{Generator, Round};
use super::servers::{self, Contender, Cores, Server};
use crate::record::{Record, case};
use crate::tls::{HandshakeKind, SERVER_NAME};

/// Percentage of handshakes that must be resumed where all should be.
const LEAST_RESUMED: f64 = 99.0;

/// A round of a server with that number of workers, and the server's CPU time in it.
struct Sample {
    round: Round,
    server: Duration,
    server_cores: f64,
    generator_cores: f64,
}

/// What is recorded of each round: a quantity, its unit, its value.
type Quantity = (&'static str, &'static str, fn(&Sample) -> f64);

const QUANTITIES: [Quantity; 8] = [
    ("handshakes per second", "1/s", |s| {
        s.handshakes() / s.seconds()
    }),
    ("CPU time per handshake", "us", |s| {
        s.server.as_secs_f64() * 1e6 / s.handshakes().max(1.0)
    }),
    ("latency, p50", "us", |s| s.latency(0.5)),
    ("latency, p99", "us", |s| s.latency(0.99)),
    ("latency, p99.9", "us", |s| s.latency(0.999)),
    (RESUMED, "%", Sample::resumed),
    ("server's cores busy", "%", |s| {
        s.busy(s.server, s.server_cores)
    }),
    ("generator's cores busy", "%", |s| {
        s.busy(s.round.cpu, s.generator_cores)
    }),
];

const RESUMED: &str = "really resumed";

impl Sample {
    fn handshakes(&self) -> f64 {
        self.round.latency.len() as f64
    }

    fn seconds(&self) -> f64 {
        self.round.elapsed.as_secs_f64()
    }

    /// In microseconds.
    fn latency(&self, quantile: f64) -> f64 {
        self.round.latency.value_at_quantile(quantile) as f64 / 1e3
    }

    fn resumed(&self) -> f64 {
        100.0 * self.round.resumed as f64 / self.handshakes().max(1.0)
    }

    fn busy(&self, time: Duration, cores: f64) -> f64 {
        100.0 * time.as_secs_f64() / self.seconds() / cores
    }
}

/// What is run.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Options {
    /// Servers; ratios are to the first [default: all].
    #[arg(long, value_enum, value_delimiter = ',')]
    servers: Vec<Contender>,
    /// Kinds of handshakes [default: all].
    #[arg(long, value_enum, value_delimiter = ',')]
    kinds: Vec<HandshakeKind>,
    /// Connections at a time.
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=1_000))]
    clients: u16,
    /// Sessions that all clients together have, and offer in turn.
    #[arg(long, default_value_t = 1_024, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    sessions: u16,
    /// Worker threads, or processes, of each server.
    #[arg(
        long, value_delimiter = ',', default_values_t = [1, 2],
        value_parser = clap::value_parser!(u16).range(1..=64)
    )]
    threads: Vec<u16>,
    /// Rounds, in each of which every server has its turn.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Length of each turn, in milliseconds.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(1..=60_000))]
    millis: u64,
    /// Measures this terminator, instead of building the one of this source tree.
    #[arg(long, value_name = "FILE")]
    terminator: Option<PathBuf>,
}

/// Drives every server that is installed, with every kind of handshake. Panics when rekindle's
/// terminator cannot be built or started, or does not resume what it should.
pub(crate) fn run(options: &Options, record: &mut Record) {
    let terminator = || {
        options.terminator.clone().unwrap_or_else(|| {
            record.say("building the terminator");
            servers::build_terminator().unwrap_or_else(|error| panic!("the terminator: {error}"))
        })
    };
    let (servers, missing) = servers::available(&chosen(&options.servers), terminator);
    let kinds = chosen(&options.kinds);
    if !missing.is_empty() {
        let missing = missing.join(", ");
        record.note(format!(
            "loopback: not installed and left out: {missing}; benches/install-peers installs them"
        ));
    }
    note_ports(record);
    let files = Files::with_certificate(SERVER_NAME);
    for workers in &options.threads {
        let workers = usize::from(*workers);
        let cores = Cores::for_workers(workers);
        if cores.shared {
            record.note(format!(
                "loopback: servers with {workers} workers share their cores with the load generator"
            ));
        }
        // Some connections still end while a client begins the next.
        let answering = 2 * usize::from(options.clients);
        let bench = Bench {
            options,
            workers,
            cores: &cores,
            upstream: start_upstream(answering, cores.generator).expect("an upstream"),
        };
        for stateless in [true, false] {
            let task = Task {
                files: &files,
                server_name: SERVER_NAME,
                upstream: Some(bench.upstream),
                workers: bench.workers,
                stateless,
                cipher_suites: CIPHER_SUITES,
                ticket_keys: &[],
            };
            let kinds = kinds.iter().filter(|kind| kind.looks_up() != stateless);
            let kinds: Vec<_> = kinds.copied().collect();
            if kinds.is_empty() {
                continue;
            }
            let started = bench.start(&servers, &task, record);
            for kind in kinds {
                bench.compare(kind, &started, record);
            }
        }
    }
}

/// What was chosen, or everything.
fn chosen<T: ValueEnum + Clone>(chosen: &[T]) -> Vec<T> {
    match chosen {
        [] => T::value_variants().to_vec(),
        some => some.to_vec(),
    }
}

/// Without this, servers run out of ports towards the upstream within seconds.
fn note_ports(record: &mut Record) {
    let reuse = fs::read_to_string("/proc/sys/net/ipv4/tcp_tw_reuse").unwrap_or_default();
    if reuse.trim() == "0" {
        record.note("loopback: net.ipv4.tcp_tw_reuse is 0, connections may fail for want of ports");
    }
}

/// What all servers with a number of workers have in common.
struct Bench<'a> {
    options: &'a Options,
    workers: usize,
    cores: &'a Cores,
    upstream: SocketAddr,
}

/// A server that answers.
type Started = (&'static str, Running);

/// A server with one kind of handshake.
struct ServerLoad<'a> {
    name: &'static str,
    running: &'a Running,
    generator: Generator,
    samples: Vec<Sample>,
}

impl Bench<'_> {
    fn start(&self, servers: &[Server], task: &Task<'_>, record: &mut Record) -> Vec<Started> {
        let parent = format!("{}-{}", self.workers, task.stateless);
        let mut started = Vec::new();
        for server in servers {
            let name = server.name;
            let directory = task.files.path(&parent).join(name.replace(' ', "-"));
            match server.start(&directory, task, self.cores.server) {
                Ok(running) => started.push((name, running)),
                Err(problem) => missed(record, name, &format!("does not start: {problem}")),
            }
        }
        started
    }

    fn compare(&self, kind: HandshakeKind, started: &[Started], record: &mut Record) {
        let (clients, sessions) = (self.options.clients.into(), self.options.sessions.into());
        let mut all = Vec::new();
        for (name, running) in started {
            let (address, cpus) = (running.address, self.cores.generator);
            match Generator::new(kind, address, cpus, clients, sessions) {
                Ok(generator) => all.push(ServerLoad {
                    name,
                    running,
                    generator,
                    samples: Vec::new(),
                }),
                Err(problem) => missed(record, name, &format!("{kind}: {problem}")),
            }
        }
        for round in 0..self.options.rounds as usize {
            let count = all.len();
            for turn in 0..count {
                all[(turn + round) % count].take(self);
            }
        }
        all.retain(|load| load.stands(kind, self.workers, record));
        let case = case([
            ("where", "loopback".to_owned()),
            ("way", kind.to_string()),
            ("threads", self.workers.to_string()),
        ]);
        for (quantity, unit, value) in QUANTITIES {
            if quantity != RESUMED || kind.resumes() {
                let samples = |load: &ServerLoad<'_>| load.samples.iter().map(value).collect();
                let measured = all.iter().map(|load| (load.name, samples(load)));
                record.add_case(["handshake", quantity, unit], &case, measured);
            }
        }
    }
}

impl ServerLoad<'_> {
    fn take(&mut self, bench: &Bench<'_>) {
        let process = &self.running.process;
        let before = process.cpu_time();
        let length = Duration::from_millis(bench.options.millis);
        let round = self.generator.round(length);
        let server_cores = f64::from(bench.cores.server.count());
        self.samples.push(Sample {
            round,
            server: process.cpu_time().saturating_sub(before),
            server_cores: server_cores.min(bench.workers as f64),
            generator_cores: f64::from(bench.cores.generator.count()),
        });
    }

    /// Notes what went wrong, and says whether there are figures to record.
    fn stands(&self, kind: HandshakeKind, workers: usize, record: &mut Record) -> bool {
        let name = self.name;
        let in_case = format!("{kind}, {workers} workers");
        let rounds = || self.samples.iter().map(|sample| &sample.round);
        let failures: u64 = rounds().map(|round| round.failures).sum();
        let mut firsts = rounds().filter_map(|round| round.first_failure.as_ref());
        if let Some(first) = firsts.next() {
            record.note(format!(
                "loopback: {name}: {in_case}: {failures} connections failed, the first: {first}"
            ));
        }
        if self.samples.iter().any(|sample| sample.handshakes() == 0.0) {
            let problem = format!("{in_case}: a round without a single handshake");
            missed(record, name, &problem);
            return false;
        }
        let resumed = self.samples.iter().map(Sample::resumed);
        if !kind.resumes() {
            let none = resumed.sum::<f64>() == 0.0;
            assert!(none, "{name}: resumed what was not offered");
            return true;
        }
        let least = resumed.fold(f64::INFINITY, f64::min);
        if least < LEAST_RESUMED {
            let problem = format!("{in_case}: only {least:.1} % were resumed");
            if failures == 0 {
                missed(record, name, &problem);
            } else {
                // A client whose connection failed has lost a session.
                record.note(format!("loopback: {name}: {problem}"));
            }
        }
        true
    }
}

/// Peers may fall short, and that is part of the record; rekindle may not.
fn missed(record: &mut Record, name: &str, problem: &str) {
    assert!(name != "rekindle", "rekindle: {problem}");
    record.note(format!("loopback: {name}: {problem}"));
}
