//! Handshakes and downloads: some clients that are busy all the time, and the servers in turn.

use std::time::Duration;

use rekindle_test_servers::Running;

use super::bench::{Bench, LEAST_RESUMED, Started, missed};
use super::generator::{Generator, Load, Round};
use super::upstream::Question;
use crate::record::{Record, case};

/// A round of a server with that number of workers, and the server's CPU time in it.
struct Sample {
    round: Round,
    /// Bytes of each answer.
    answer: u64,
    server: Duration,
    server_cores: f64,
    generator_cores: f64,
}

/// What is recorded of each round: a quantity, its unit, its value.
type Quantity = (&'static str, &'static str, fn(&Sample) -> f64);

const OF_HANDSHAKES: [Quantity; 8] = [
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
    SERVER_BUSY,
    GENERATOR_BUSY,
];

const OF_DOWNLOADS: [Quantity; 4] = [
    ("download rate", "MB/s", |s| {
        s.gigabytes() * 1e3 / s.seconds()
    }),
    ("CPU time per gigabyte", "s", |s| {
        s.server.as_secs_f64() / s.gigabytes()
    }),
    SERVER_BUSY,
    GENERATOR_BUSY,
];

const SERVER_BUSY: Quantity = ("server's cores busy", "%", |s| {
    s.busy(s.server, s.server_cores)
});
const GENERATOR_BUSY: Quantity = ("generator's cores busy", "%", |s| {
    s.busy(s.round.cpu, s.generator_cores)
});
const RESUMED: &str = "really resumed";

impl Sample {
    fn handshakes(&self) -> f64 {
        self.round.latency.len() as f64
    }

    fn gigabytes(&self) -> f64 {
        self.handshakes() * self.answer as f64 / 1e9
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

/// A server with its clients.
struct ServerLoad<'a> {
    name: &'static str,
    running: &'a Running,
    generator: Generator,
    samples: Vec<Sample>,
}

/// Gives every server its turn in every round.
pub(super) fn compare(load: Load, bench: &Bench<'_>, started: &[Started], record: &mut Record) {
    let mut all = Vec::new();
    for (name, running) in started {
        let (address, cpus) = (running.address, bench.cores.generator);
        match Generator::new(load, address, cpus) {
            Ok(generator) => all.push(ServerLoad {
                name,
                running,
                generator,
                samples: Vec::new(),
            }),
            Err(problem) => missed(record, name, &format!("{load}: {problem}")),
        }
    }
    for round in 0..bench.options.rounds as usize {
        let count = all.len();
        for turn in 0..count {
            all[(turn + round) % count].take(bench);
        }
    }
    all.retain(|one| one.stands(load, bench.workers, record));
    let threads = ("threads", bench.workers.to_string());
    let (part, case, quantities): (_, _, &[Quantity]) = match load.question {
        Question::Byte => {
            let (place, way) = ("loopback".to_owned(), load.kind.to_string());
            let case = case([("where", place), ("way", way), threads]);
            ("handshake", case, &OF_HANDSHAKES)
        }
        Question::Body(_) => {
            let case = case([("connections", load.clients.to_string()), threads]);
            ("loopback", case, &OF_DOWNLOADS)
        }
    };
    for (quantity, unit, value) in quantities {
        if *quantity != RESUMED || load.kind.resumes() {
            let samples = |one: &ServerLoad<'_>| one.samples.iter().map(value).collect();
            let measured = all.iter().map(|one| (one.name, samples(one)));
            record.add_case([part, quantity, unit], &case, measured);
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
            answer: self.generator.load.question.length(),
            server: process.cpu_time().saturating_sub(before),
            server_cores: server_cores.min(bench.workers as f64),
            generator_cores: f64::from(bench.cores.generator.count()),
        });
    }

    /// Notes what went wrong, and says whether there are figures to record.
    fn stands(&self, load: Load, workers: usize, record: &mut Record) -> bool {
        let name = self.name;
        let in_case = format!("{load}, {workers} workers");
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
        if !load.kind.resumes() {
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
