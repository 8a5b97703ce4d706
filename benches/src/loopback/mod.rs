//! Handshakes over loopback: rekindle's terminator, nginx, haproxy, hitch and Traffic Server, each
//! terminating TLS in front of the same tiny upstream, and one load generator of ours.
//!
//! - **Alike.** One certificate (ECDSA, P-256), one cipher suite, one group (X25519); tickets on or
//!   off as the way demands; caches for equally many sessions, equally long timeouts; equally many
//!   workers; no logs. Each is a proxy from TLS to TCP. What a server cannot do is noted: the share
//!   that was really resumed is measured at the client.
//! - **Each connection** is TCP, the handshake, one byte to the upstream and one back, `close_notify`,
//!   and the server's end of TCP. The byte makes TLS 1.3's tickets arrive, and Traffic Server
//!   connects to its upstream only when it has something to send. Latency is from connecting to the
//!   answer, with all clients busy all the time: divide the number of clients by the rate.
//! - **Cores.** All servers run on the same ones, as many as they have workers; generator and
//!   upstream on the rest. With two workers on two cores there is no rest, and all share both. All
//!   servers run at once, but only the one in turn has work; each round starts with another.
//! - **Who is the bottleneck.** A TLS client does about as much work as its server, in full
//!   handshakes more (it verifies where the server signs). So both sides' load is recorded: where
//!   `server's cores busy` is not close to 100 %, the rate is the generator's, and only
//!   `CPU time per handshake` tells servers apart.
//! - **Ports.** The server's side of TCP ends first everywhere, so that clients' ports do not stay
//!   in TIME_WAIT. Those with which servers connect upstream do; Linux uses them again after a
//!   second, on loopback, unless `net.ipv4.tcp_tw_reuse` is 0.

mod client;
mod cores;
mod exchange;
mod generator;
mod process;
mod servers;
mod upstream;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use indicatif::ProgressBar;

use self::cores::Cores;
use self::generator::{Generator, Round};
use self::servers::{Duty, Files, Running, Server};
use self::upstream::Upstream;
use crate::record::{Measurement, Recorder, case};
use crate::scale::Scale;
use crate::way::Way;

/// Percentage of handshakes that must be resumed where all should be.
const LEAST_RESUMED: f64 = 99.0;

/// What is recorded of each round, and in which unit.
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
pub struct Options {
    /// Connections at a time.
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=1_000))]
    pub clients: u16,
    /// Sessions that all clients together have, and offer in turn.
    #[arg(long, default_value_t = 1_024, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    pub sessions: u16,
    /// Worker threads, or processes, of each server.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 2], value_parser = clap::value_parser!(u16).range(1..=64))]
    pub threads: Vec<u16>,
    /// Rounds, in each of which every server has its turn.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    pub rounds: u32,
    /// Length of each turn, in milliseconds.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(1..=60_000))]
    pub millis: u64,
    /// Measures this terminator, instead of building the one of this source tree.
    #[arg(long, value_name = "FILE")]
    pub terminator: Option<PathBuf>,
}

impl Options {
    /// For a run of everything.
    #[must_use]
    pub fn at(scale: Scale) -> Self {
        Self {
            clients: scale.pick(16, 16, 4),
            sessions: scale.pick(1_024, 256, 8),
            threads: scale.pick(vec![1, 2], vec![1], vec![1]),
            rounds: scale.pick(5, 2, 1),
            millis: scale.pick(600, 150, 30),
            terminator: None,
        }
    }
}

/// Drives every server that is installed, in every way of a handshake.
///
/// # Panics
///
/// When rekindle's terminator cannot be built or started, or does not resume what it should.
pub fn run(options: &Options, recorder: &mut Recorder) {
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
    let files = Files::make(directory.path()).expect("a certificate");
    let turns = options.threads.len() * Way::ALL.len() * options.rounds as usize * servers.len();
    let bar = recorder.progress("loopback", turns);
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
            let duty = Duty {
                files: &files,
                upstream: bench.upstream.address(),
                workers: bench.workers,
                stateless,
            };
            let place = directory.path().join(format!("{workers}-{stateless}"));
            let contenders = bench.start(&servers, &duty, &place, recorder);
            for way in Way::ALL {
                if way.looks_up() != stateless {
                    bench.compare(way, &contenders, &bar, recorder);
                }
            }
        }
    }
    bar.finish_and_clear();
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

/// A server that takes part.
struct Contender {
    name: &'static str,
    running: Running,
}

/// One of them, in one way.
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
        duty: &Duty<'_>,
        place: &Path,
        recorder: &mut Recorder,
    ) -> Vec<Contender> {
        let mut contenders = Vec::new();
        for server in servers {
            let name = server.name;
            match server.start(
                &place.join(name.replace(' ', "-")),
                duty,
                &self.cores.server,
            ) {
                Ok(running) => contenders.push(Contender { name, running }),
                Err(problem) => missed(recorder, name, &format!("does not start: {problem}")),
            }
        }
        contenders
    }

    fn compare(
        &self,
        way: Way,
        contenders: &[Contender],
        bar: &ProgressBar,
        recorder: &mut Recorder,
    ) {
        let mut all = Vec::new();
        for contender in contenders {
            match Turns::new(contender, way, self) {
                Ok(turns) => all.push(turns),
                Err(problem) => missed(recorder, contender.name, &format!("{way}: {problem}")),
            }
        }
        for round in 0..self.options.rounds as usize {
            let count = all.len();
            for turn in 0..count {
                all[(turn + round) % count].take(self);
                bar.inc(1);
            }
        }
        all.retain(|turns| turns.stands(way, self.workers, recorder));
        self.record(way, &all, recorder);
    }

    fn record(&self, way: Way, all: &[Turns<'_>], recorder: &mut Recorder) {
        for (index, (quantity, unit)) in QUANTITIES.into_iter().enumerate() {
            if index == RESUMED && !way.resumes() {
                continue;
            }
            let measurement = |turns: &Turns<'_>| Measurement {
                part: "handshake".into(),
                quantity: quantity.into(),
                unit: unit.into(),
                case: case([
                    ("where", "loopback".to_owned()),
                    ("way", way.to_string()),
                    ("threads", self.workers.to_string()),
                ]),
                contender: turns.contender.name.into(),
                samples: turns.samples.iter().map(|sample| sample[index]).collect(),
            };
            recorder.add(all.iter().map(measurement).collect());
        }
    }
}

impl<'a> Turns<'a> {
    fn new(contender: &'a Contender, way: Way, bench: &Bench<'_>) -> Result<Self, String> {
        let generator = Generator::new(
            way,
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
    fn stands(&self, way: Way, workers: usize, recorder: &mut Recorder) -> bool {
        let name = self.contender.name;
        let in_case = format!("{way}, {workers} workers");
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
        if !way.resumes() {
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

/// In the order of [`QUANTITIES`].
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
