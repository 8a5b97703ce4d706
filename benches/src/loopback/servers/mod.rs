//! The servers: each terminates TLS and forwards the plain bytes over TCP, and each is configured
//! alike as far as it lets itself be.

mod haproxy;
mod hitch;
mod identity;
mod nginx;
mod rekindle;
mod traffic_server;

use std::env;
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::thread::CpuSet;

pub(super) use identity::Identity;
pub(super) use rekindle::build as build_terminator;

use super::exchange::exchange;
use super::process::Process;
use super::upstream::free_port;
use super::way::Way;

/// Sessions that a server's cache has room for. OpenSSL's own has this many unless told, and hitch
/// does not tell it.
const SESSIONS: usize = 20_480;
/// Seconds for which a session can be resumed: OpenSSL's default, and hitch's for that reason.
const TIMEOUT: u32 = 7_200;
/// Connections that may wait to be accepted.
const BACKLOG: u32 = 4_096;

/// How long a server may take to answer its first client.
const LONGEST_START: Duration = Duration::from_secs(20);

/// What a server is to do.
#[derive(Clone, Copy, Debug)]
pub(super) struct Duty<'a> {
    pub(super) identity: &'a Identity,
    pub(super) upstream: SocketAddr,
    /// Worker threads, or processes.
    pub(super) workers: usize,
    /// Whether its tickets carry sessions.
    pub(super) stateless: bool,
}

/// A server that can be started.
#[derive(Clone, Debug)]
pub(super) struct Server {
    pub(super) name: &'static str,
    program: PathBuf,
    configure: Configure,
}

/// Writes the files that a server reads into a directory of its own, and says how to start it.
type Configure = fn(&Path, SocketAddr, &Duty<'_>, &Path) -> io::Result<Command>;

/// The terminator and the peers of those that are here; the names of those that are not.
pub(super) fn available(terminator: PathBuf) -> (Vec<Server>, Vec<&'static str>) {
    let peers: [(_, _, Configure); 4] = [
        ("nginx", "nginx", nginx::configure),
        ("haproxy", "haproxy", haproxy::configure),
        ("hitch", "hitch", hitch::configure),
        (
            "Traffic Server",
            "traffic_server",
            traffic_server::configure,
        ),
    ];
    let mut servers = vec![Server {
        name: "rekindle",
        program: terminator,
        configure: rekindle::configure,
    }];
    let mut missing = Vec::new();
    for (name, program, configure) in peers {
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
#[derive(Debug)]
pub(super) struct Running {
    pub(super) address: SocketAddr,
    pub(super) process: Process,
}

impl Server {
    /// Starts it in `directory`, on `cpus`, and waits until it answers.
    ///
    /// # Errors
    ///
    /// Why it does not, with its last words.
    pub(super) fn start(
        &self,
        directory: &Path,
        duty: &Duty<'_>,
        cpus: &CpuSet,
    ) -> Result<Running, String> {
        let text = |error: io::Error| error.to_string();
        fs::create_dir_all(directory).map_err(text)?;
        let address = free_port().and_then(|l| l.local_addr()).map_err(text)?;
        let command = (self.configure)(&self.program, address, duty, directory).map_err(text)?;
        let process = Process::start(command, cpus, &directory.join("output.log"));
        let mut running = Running {
            address,
            process: process.map_err(text)?,
        };
        running.wait_until_it_answers()?;
        Ok(running)
    }
}

impl Running {
    fn wait_until_it_answers(&mut self) -> Result<(), String> {
        let context = Way::FullTls13.client().map_err(|error| error.to_string())?;
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
