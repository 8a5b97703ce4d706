//! Gives every server its turn, and hands in what was measured.

use std::{fs, io};

use rekindle_test_servers::Files;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::bench::{Bench, Started, missed};
use super::generator::Load;
use super::options::{Measure, Options};
use super::servers::{self, Cores, Server};
use super::upstream::{Question, start_upstream};
use super::{burst, closed_loop, idle};
use crate::record::Record;
use crate::tls::{HandshakeKind, SERVER_NAME};

/// Drives every server that was chosen and is installed. Panics when rekindle's terminator cannot
/// be built or started, or does not resume what it should.
pub(crate) fn run(options: &Options, record: &mut Record) {
    let terminator = || {
        options.terminator.clone().unwrap_or_else(|| {
            record.say("building the terminator");
            servers::build_terminator().unwrap_or_else(|error| panic!("the terminator: {error}"))
        })
    };
    let (servers, missing) = servers::available(&options.servers(), terminator);
    if !missing.is_empty() {
        let missing = missing.join(", ");
        record.note(format!(
            "loopback: not installed and left out: {missing}; benches/install-peers installs them"
        ));
    }
    note_ports(record);
    allow_descriptors(options.burst.max(options.idle)).expect("as many descriptors as it takes");
    let files = Files::with_certificate(SERVER_NAME);
    for workers in &options.threads {
        let workers = usize::from(*workers);
        let cores = Cores::for_workers(workers);
        if cores.shared {
            record.note(format!(
                "loopback: servers with {workers} workers share their cores with the load generator"
            ));
        }
        let upstream = start_upstream(cores.generator, options.download_bytes);
        let bench = Bench {
            options,
            files: &files,
            workers,
            cores: &cores,
            upstream: upstream.expect("an upstream"),
        };
        bench.compare(&servers, record);
    }
}

impl Bench<'_> {
    fn compare(&self, servers: &[Server], record: &mut Record) {
        let options = self.options;
        for stateless in [true, false] {
            let handshakes = |kind| Load {
                kind,
                question: Question::Byte,
                clients: options.clients,
                sessions: options.sessions,
            };
            let kinds = options.kinds(stateless).into_iter();
            let mut loads: Vec<_> = kinds.map(handshakes).collect();
            let downloads = Load {
                kind: HandshakeKind::FullTls13,
                question: Question::Body(options.download_bytes),
                clients: options.downloads,
                sessions: 0,
            };
            let downloads = Some(downloads).filter(|_| options.measures(Measure::Downloads));
            let bursts = stateless && options.measures(Measure::Burst);
            loads.extend(downloads.filter(|_| stateless));
            if loads.is_empty() && !bursts {
                continue;
            }
            let started = self.start_all(servers, stateless, record);
            for load in loads {
                closed_loop::compare(load, self, &started, record);
            }
            if bursts {
                burst::compare(self, &started, record);
            }
        }
        if options.measures(Measure::Idle) {
            idle::compare(self, servers, record);
        }
    }

    fn start_all(&self, servers: &[Server], stateless: bool, record: &mut Record) -> Vec<Started> {
        let mut started = Vec::new();
        for server in servers {
            match self.start(server, &stateless.to_string(), stateless) {
                Ok(running) => started.push((server.name, running)),
                Err(problem) => missed(record, server.name, &problem),
            }
        }
        started
    }
}

/// Without this, servers run out of ports towards the upstream within seconds.
fn note_ports(record: &mut Record) {
    let reuse = fs::read_to_string("/proc/sys/net/ipv4/tcp_tw_reuse").unwrap_or_default();
    if reuse.trim() == "0" {
        record.note("loopback: net.ipv4.tcp_tw_reuse is 0, connections may fail for want of ports");
    }
}

/// A connection has two descriptors here, the client's and the upstream's, and two in its server,
/// which inherits the limit. A limit that suffices stays: HAProxy sizes its tables by it.
fn allow_descriptors(connections: u16) -> io::Result<()> {
    let needed = 2 * u64::from(connections) + 1_024;
    let limit = getrlimit(Resource::Nofile);
    match limit.current {
        Some(current) if current < needed => {
            let current = Some(needed);
            let maximum = limit.maximum.map(|maximum| maximum.max(needed));
            setrlimit(Resource::Nofile, Rlimit { current, maximum })?;
        }
        _ => {}
    }
    Ok(())
}
