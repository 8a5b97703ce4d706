//! Gives every server its turn, and hands in what was measured.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::cores::Cores;
use super::generator::{Generator, Round};
use super::servers::{self, Running, Server, Task};
use super::upstream::{self, Upstream};
use crate::record::{Recorder, case};
use crate::tls::HandshakeKind;

/// Percentage of handshakes that must be resumed where all should be.
const LEAST_RESUMED: f64 = 99.0;

const QUANTITIES: [(&str, &str); 8] = [
    ("handshakes per second", "1/s"),
    ("CPU time per handshake", "us"),
    ("latency, p50", "us"),
    ("latency, p99", "us"),
    ("latency, p99.9", "us"),
    ("really resumed", "%"),
    ("server's cores busy", "%"),
    ("generator's cores busy", "%"),
];

/// Where in a sample these two are.
const RATE: usize = 0;
const RESUMED: usize = 5;

/// What is run.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Options {
    /// Connections at a time.
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=1_000))]
    clients: u16,
    /// Sessions that all clients together have, and offer in turn.
    #[arg(long, default_value_t = 1_024, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    sessions: u16,
    /// Worker threads, or processes, of each server.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 2], value_parser = clap::value_parser!(u16).range(1..=64))]
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
pub(crate) fn run(options: &Options, recorder: &mut Recorder) {
    let terminator = options.terminator.clone().unwrap_or_else(|| {
        recorder.say("building the terminator");
        servers::build_terminator().unwrap_or_else(|error| panic!("the terminator: {error}"))
    });
    let (servers, missing) = servers::available(terminator);
    if !missing.is_empty() {
        let missing = missing.join(", ");
        recorder.note(format!(
            "loopback: not installed and left out: {missing}; benches/install-peers installs them"
        ));
    }
    note_ports(recorder);
    let directory = tempfile::tempdir().expect("a temporary directory");
    servers::write_identity(directory.path()).expect("a certificate");
    for workers in &options.threads {
        let workers = usize::from(*workers);
        let cores = Cores::for_workers(workers);
        if cores.shared {
            recorder.note(format!(
                "loopback: servers with {workers} workers share their cores with the load generator"
            ));
        }
        for stateless in [true, false] {
            let bench = Bench::new(options, workers, &cores);
            let task = Task {
                identity: directory.path(),
                upstream: bench.upstream.address(),
                workers: bench.workers,
                stateless,
            };
            let place = directory.path().join(format!("{workers}-{stateless}"));
            let contenders = bench.start(&servers, &task, &place, recorder);
            for kind in HandshakeKind::ALL {
                if kind.looks_up() != stateless {
                    bench.compare(kind, &contenders, recorder);
                }
            }
        }
    }
}

/// Without this, servers run out of ports towards the upstream within seconds.
fn note_ports(recorder: &mut Recorder) {
    let reuse = fs::read_to_string("/proc/sys/net/ipv4/tcp_tw_reuse").unwrap_or_default();
    if reuse.trim() == "0" {
        recorder
            .note("loopback: net.ipv4.tcp_tw_reuse is 0, connections may fail for want of ports");
    }
}

/// What all servers with a number of workers have in common.
struct Bench<'a> {
    options: &'a Options,
    workers: usize,
    cores: Cores,
    upstream: Upstream,
}

struct Contender {
    name: &'static str,
    running: Running,
}

/// One of them, with one kind of handshake.
struct Turns<'a> {
    contender: &'a Contender,
    generator: Generator,
    /// A value for each quantity, round by round.
    samples: Vec<[f64; QUANTITIES.len()]>,
    failures: u64,
    first_failure: Option<String>,
}

impl<'a> Bench<'a> {
    fn new(options: &'a Options, workers: usize, cores: &Cores) -> Self {
        // Some connections still end while a client begins the next.
        let answering = 2 * usize::from(options.clients);
        let upstream = upstream::free_port()
            .and_then(|listener| Upstream::start(listener, answering, cores.generator))
            .expect("an upstream");
        Self {
            options,
            workers,
            cores: cores.clone(),
            upstream,
        }
    }

    fn start(
        &self,
        servers: &[Server],
        task: &Task<'_>,
        place: &Path,
        recorder: &mut Recorder,
    ) -> Vec<Contender> {
        let mut contenders = Vec::new();
        for server in servers {
            let name = server.name;
            let directory = place.join(name.replace(' ', "-"));
            match server.start(&directory, task, &self.cores.server) {
                Ok(running) => contenders.push(Contender { name, running }),
                Err(problem) => missed(recorder, name, &format!("does not start: {problem}")),
            }
        }
        contenders
    }

    fn compare(&self, kind: HandshakeKind, contenders: &[Contender], recorder: &mut Recorder) {
        let mut all = Vec::new();
        for contender in contenders {
            match Turns::new(contender, kind, self) {
                Ok(turns) => all.push(turns),
                Err(problem) => missed(recorder, contender.name, &format!("{kind}: {problem}")),
            }
        }
        for round in 0..self.options.rounds as usize {
            let count = all.len();
            for turn in 0..count {
                all[(turn + round) % count].take(self);
            }
        }
        all.retain(|turns| turns.stands(kind, self.workers, recorder));
        self.record(kind, &all, recorder);
    }

    fn record(&self, kind: HandshakeKind, all: &[Turns<'_>], recorder: &mut Recorder) {
        for (index, (quantity, unit)) in QUANTITIES.into_iter().enumerate() {
            if index == RESUMED && !kind.resumes() {
                continue;
            }
            let case = case([
                ("where", "loopback".to_owned()),
                ("way", kind.to_string()),
                ("threads", self.workers.to_string()),
            ]);
            let samples = |turns: &Turns<'_>| turns.samples.iter().map(|s| s[index]).collect();
            let measured = all
                .iter()
                .map(|turns| (turns.contender.name, samples(turns)));
            recorder.add_case(["handshake", quantity, unit], &case, measured);
        }
    }
}

impl<'a> Turns<'a> {
    fn new(
        contender: &'a Contender,
        kind: HandshakeKind,
        bench: &Bench<'_>,
    ) -> Result<Self, String> {
        let generator = Generator::new(
            kind,
            contender.running.address,
            bench.cores.generator,
            usize::from(bench.options.clients),
            usize::from(bench.options.sessions),
        )?;
        Ok(Self {
            contender,
            generator,
            samples: Vec::new(),
            failures: 0,
            first_failure: None,
        })
    }

    fn take(&mut self, bench: &Bench<'_>) {
        let process = &self.contender.running.process;
        let before = process.cpu_time();
        let round = (self.generator).round(Duration::from_millis(bench.options.millis));
        let cpu = process.cpu_time().saturating_sub(before);
        self.samples.push(sample(&round, cpu, bench));
        self.failures += round.failures;
        self.first_failure = self.first_failure.take().or(round.first_failure);
    }

    /// Notes what went wrong, and says whether there are figures to record.
    fn stands(&self, kind: HandshakeKind, workers: usize, recorder: &mut Recorder) -> bool {
        let name = self.contender.name;
        let in_case = format!("{kind}, {workers} workers");
        if let Some(first) = &self.first_failure {
            let failures = self.failures;
            recorder.note(format!(
                "loopback: {name}: {in_case}: {failures} connections failed, the first: {first}"
            ));
        }
        if self.samples.iter().any(|sample| sample[RATE] == 0.0) {
            let problem = format!("{in_case}: a round without a single handshake");
            missed(recorder, name, &problem);
            return false;
        }
        let resumed = self.samples.iter().map(|sample| sample[RESUMED]);
        if !kind.resumes() {
            let none = resumed.sum::<f64>() == 0.0;
            assert!(none, "{name}: resumed what was not offered");
            return true;
        }
        let least = resumed.fold(f64::INFINITY, f64::min);
        if least < LEAST_RESUMED {
            let problem = format!("{in_case}: only {least:.1} % were resumed");
            if self.failures == 0 {
                missed(recorder, name, &problem);
            } else {
                // A client whose connection failed has lost a session.
                recorder.note(format!("loopback: {name}: {problem}"));
            }
        }
        true
    }
}

/// Peers may fall short, and that is part of the record; rekindle may not.
fn missed(recorder: &mut Recorder, name: &str, problem: &str) {
    assert!(name != "rekindle", "rekindle: {problem}");
    recorder.note(format!("loopback: {name}: {problem}"));
}

fn sample(round: &Round, server: Duration, bench: &Bench<'_>) -> [f64; QUANTITIES.len()] {
    let handshakes = round.handshakes().max(1) as f64;
    let elapsed = round.elapsed.as_secs_f64();
    let cores = |cpus: &rustix::thread::CpuSet| f64::from(cpus.count());
    let server_cores = cores(&bench.cores.server).min(bench.workers as f64);
    [
        round.handshakes() as f64 / elapsed,
        server.as_secs_f64() * 1e6 / handshakes,
        round.latency(0.5),
        round.latency(0.99),
        round.latency(0.999),
        100.0 * round.resumed as f64 / handshakes,
        100.0 * server.as_secs_f64() / elapsed / server_cores,
        100.0 * round.cpu.as_secs_f64() / elapsed / cores(&bench.cores.generator),
    ]
}
