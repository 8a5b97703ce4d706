//! Which servers there are, and their start.

use std::env;
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::thread::CpuSet;

use super::configure::{self, Configure, Start, Task};
use crate::loopback::client::client;
use crate::loopback::exchange::exchange;
use crate::loopback::process::Process;
use crate::loopback::upstream::free_port;
use crate::tls::HandshakeKind;

/// How long a server may take to answer its first client.
const LONGEST_START: Duration = Duration::from_secs(20);

/// Name, program and configuration of each peer.
const PEERS: [(&str, &str, Configure); 4] = [
    ("nginx", "nginx", configure::nginx),
    ("haproxy", "haproxy", configure::haproxy),
    ("hitch", "hitch", configure::hitch),
    (
        "Traffic Server",
        "traffic_server",
        configure::traffic_server,
    ),
];

/// A server that can be started.
pub(in crate::loopback) struct Server {
    pub(in crate::loopback) name: &'static str,
    program: PathBuf,
    configure: Configure,
}

/// The terminator and the peers that are installed; the names of those that are not.
pub(in crate::loopback) fn available(terminator: PathBuf) -> (Vec<Server>, Vec<&'static str>) {
    let (name, program) = ("rekindle", terminator);
    let mut servers = vec![Server {
        name,
        program,
        configure: configure::rekindle,
    }];
    let mut missing = Vec::new();
    for (name, program, configure) in PEERS {
        match find(program) {
            Some(program) => servers.push(Server {
                name,
                program,
                configure,
            }),
            None => missing.push(name),
        }
    }
    (servers, missing)
}

/// A server that answers.
pub(in crate::loopback) struct Running {
    pub(in crate::loopback) name: &'static str,
    pub(in crate::loopback) address: SocketAddr,
    pub(in crate::loopback) process: Process,
}

impl Server {
    /// Starts it in `directory`, on `cpus`, and waits until it answers.
    /// The error says why it does not, with its last words.
    pub(in crate::loopback) fn start(
        &self,
        directory: &Path,
        task: &Task<'_>,
        cpus: &CpuSet,
    ) -> Result<Running, String> {
        let text = |error: io::Error| error.to_string();
        fs::create_dir_all(directory).map_err(text)?;
        let address = free_port().and_then(|l| l.local_addr()).map_err(text)?;
        let start = Start {
            program: &self.program,
            listen: address,
            task,
            directory,
        };
        let command = (self.configure)(&start).map_err(text)?;
        let process = Process::start(command, cpus, &directory.join("output.log"));
        let mut running = Running {
            name: self.name,
            address,
            process: process.map_err(text)?,
        };
        running.wait_until_it_answers()?;
        Ok(running)
    }
}

impl Running {
    fn wait_until_it_answers(&mut self) -> Result<(), String> {
        let context = client(HandshakeKind::FullTls13).map_err(|error| error.to_string())?;
        let start = Instant::now();
        loop {
            let Err(failure) = exchange(&context, self.address, None) else {
                return Ok(());
            };
            let problem = match self.process.ended() {
                Some(status) => format!("it ended with {status}"),
                None if start.elapsed() > LONGEST_START => failure,
                None => {
                    std::thread::sleep(Duration::from_millis(20));
                    continue;
                }
            };
            return Err(format!("{problem}: {}", self.process.last_words()));
        }
    }
}

/// Where a program is. Debian keeps servers where not every user's `PATH` leads.
fn find(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let system = ["/usr/sbin", "/usr/bin"].map(PathBuf::from);
    let mut candidates = env::split_paths(&path)
        .chain(system)
        .map(|d| d.join(program));
    candidates.find(|candidate| candidate.is_file())
}
