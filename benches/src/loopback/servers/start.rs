//! Which servers there are, and their start on their processors.

use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use rekindle_test_servers::{
    Configure, HAPROXY, HITCH, NGINX, Product, Running, Site, TRAFFIC_SERVER, Task,
};
use rustix::process::{Signal, set_parent_process_death_signal};
use rustix::thread::{CpuSet, sched_setaffinity};

use crate::loopback::client::client;
use crate::loopback::exchange::exchange;
use crate::tls::HandshakeKind;

const PEERS: [&Product; 4] = [&NGINX, &HAPROXY, &HITCH, &TRAFFIC_SERVER];

/// A server that can be started.
pub(in crate::loopback) struct Server {
    pub(in crate::loopback) name: &'static str,
    program: PathBuf,
    configure: Configure,
}

/// A server that answers.
pub(in crate::loopback) struct Contender {
    pub(in crate::loopback) name: &'static str,
    pub(in crate::loopback) running: Running,
}

/// The terminator and the peers that are installed; the names of those that are not.
pub(in crate::loopback) fn available(terminator: PathBuf) -> (Vec<Server>, Vec<&'static str>) {
    let server = |name, program, configure| Server {
        name,
        program,
        configure,
    };
    let mut servers = vec![server("rekindle", terminator, rekindle)];
    let mut missing = Vec::new();
    for peer in PEERS {
        match peer.find() {
            Some(program) => servers.push(server(peer.name, program, peer.configure)),
            None => missing.push(peer.name),
        }
    }
    (servers, missing)
}

fn rekindle(site: &Site<'_>) -> io::Result<Command> {
    let arguments = "--cert {certificate} --key {key} --listen {listen} --upstream {upstream} \
                     --threads {workers} --tickets {on_off} --sessions {sessions} \
                     --session-timeout {timeout}";
    let mut command = site.command(arguments, None);
    command.env("RUST_LOG", "error");
    Ok(command)
}

impl Server {
    /// Starts it in `directory`, on `cpus`, and waits until it answers.
    /// The error says why it does not, with its last words.
    pub(in crate::loopback) fn start(
        &self,
        directory: &Path,
        task: &Task<'_>,
        cpus: CpuSet,
    ) -> Result<Contender, String> {
        let context = client(HandshakeKind::FullTls13).map_err(|error| error.to_string())?;
        let running = Running::start(
            &self.program,
            self.configure,
            directory,
            task,
            |command| run_on(command, cpus),
            |address| exchange(&context, address, None).map(drop),
        )?;
        Ok(Contender {
            name: self.name,
            running,
        })
    }
}

/// The process will run on `cpus`, and ends when the thread that starts it does, so that nothing
/// outlives a harness that was killed.
fn run_on(command: &mut Command, cpus: CpuSet) {
    let prepare = move || {
        sched_setaffinity(None, &cpus)?;
        set_parent_process_death_signal(Some(Signal::TERM))?;
        Ok(())
    };
    // SAFETY: between fork and exec it makes two system calls, and neither allocates nor locks.
    #[allow(unsafe_code)]
    unsafe {
        command.pre_exec(prepare);
    }
}
