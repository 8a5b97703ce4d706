//! The servers: each terminates TLS and forwards the plain bytes over TCP, and each is configured
//! alike as far as it lets itself be.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, io};

use clap::ValueEnum;
use rekindle_test_servers::{
    Configure, Files, HAPROXY, HITCH, NGINX, Product, RedisServer, Running, Site, TRAFFIC_SERVER,
    Task, ticket_secret,
};
use rustix::process::{Signal, set_parent_process_death_signal};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use super::exchange::{client, exchange};
use super::upstream::Question;
use crate::tls::HandshakeKind;

/// A server to choose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Contender {
    Rekindle,
    /// The same as one of a fleet, alone in it.
    RekindleFleet,
    /// The same while the fleet's store answers nothing.
    RekindleFleetFrozen,
    /// The same while the fleet's store is not there.
    RekindleFleetDown,
    Nginx,
    Haproxy,
    Hitch,
    TrafficServer,
}

/// What becomes of the store of a fleet.
type Prepare = fn(&mut RedisServer);

impl Contender {
    fn peer(self) -> Option<&'static Product> {
        Some(match self {
            Self::Nginx => &NGINX,
            Self::Haproxy => &HAPROXY,
            Self::Hitch => &HITCH,
            Self::TrafficServer => &TRAFFIC_SERVER,
            _ => return None,
        })
    }

    /// The name of one of a fleet, and what becomes of its store.
    fn of_fleet(self) -> Option<(&'static str, Prepare)> {
        Some(match self {
            Self::RekindleFleet => ("rekindle, fleet", |_| ()),
            Self::RekindleFleetFrozen => ("rekindle, fleet, store frozen", |store| store.freeze()),
            Self::RekindleFleetDown => ("rekindle, fleet, store down", RedisServer::kill),
            _ => return None,
        })
    }

    /// Whether it is measured unless it is named.
    pub(super) fn is_usual(self) -> bool {
        self.of_fleet().is_none()
    }
}

/// A server that can be started.
pub(super) struct Server {
    pub(super) name: &'static str,
    program: PathBuf,
    configure: Configure,
    /// Where it meets the others of its fleet.
    store: Option<RedisServer>,
}

/// Of the servers that were chosen, those that are installed and the names of those that are not.
/// `terminator` says where the project's own is, if it is asked for.
pub(super) fn available(
    chosen: &[Contender],
    terminator: impl Fn() -> PathBuf,
) -> (Vec<Server>, Vec<&'static str>) {
    let (mut servers, mut missing) = (Vec::new(), Vec::new());
    for contender in chosen {
        let mut store = None;
        let kind = (contender.peer(), contender.of_fleet());
        let (name, program, configure): (_, _, Configure) = match kind {
            (Some(peer), _) => (peer.name, peer.find(), peer.configure),
            (None, None) => ("rekindle", Some(terminator()), rekindle),
            (None, Some((name, prepare))) => {
                let is_installed = RedisServer::is_installed("a terminator in a fleet");
                store = is_installed.then(RedisServer::start);
                store.iter_mut().for_each(prepare);
                (name, is_installed.then(&terminator), rekindle)
            }
        };
        match program {
            Some(program) => servers.push(Server {
                name,
                program,
                configure,
                store,
            }),
            None => missing.push(name),
        }
    }
    (servers, missing)
}

fn rekindle(site: &Site<'_>) -> io::Result<Command> {
    let arguments = "--cert {certificate} --key {key} --listen {listen} --upstream {upstream} \
                     --threads {workers} --tickets {on_off} --sessions {sessions} \
                     --session-timeout {timeout} --handshake-timeout {patience}";
    let mut command = site.command(arguments, None);
    command.env("RUST_LOG", "error");
    Ok(command)
}

/// Makes a terminator one of a fleet, alone in it.
fn join(command: &mut Command, store: &RedisServer, files: &Files) {
    files.replace("fleet-secret", ticket_secret(3_600).as_bytes());
    command.args(["--fleet", &store.url()]);
    command.args(["--fleet-secret", &files.text("fleet-secret")]);
}

/// Builds the project's own terminator in the profile of the running harness, beside it, and says
/// where it is. Built each time: an old one would be measured in the place of the source's.
pub(super) fn build_terminator() -> io::Result<PathBuf> {
    let program = env::current_exe()?.with_file_name("rekindle-terminator");
    let target = program.ancestors().nth(2).expect("a target directory");
    let profile = if cfg!(debug_assertions) {
        "dev"
    } else {
        "release"
    };
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(["build", "--quiet", "--package=rekindle-terminator"]);
    command.args(["--profile", profile, "--target-dir"]);
    let command = command.arg(target);
    let status = command.current_dir(env!("CARGO_MANIFEST_DIR")).status()?;
    match status.success() {
        true => Ok(program),
        false => Err(io::Error::other(format!("cargo build: {status}"))),
    }
}

impl Server {
    /// Starts it in `directory`, on `cpus`, and waits until it answers.
    /// The error says why it does not, with its last words.
    pub(super) fn start(
        &self,
        directory: &Path,
        task: &Task<'_>,
        cpus: CpuSet,
    ) -> Result<Running, String> {
        let context = client(HandshakeKind::FullTls13).map_err(|error| error.to_string())?;
        Running::start(
            &self.program,
            self.configure,
            directory,
            task,
            |command| {
                if let Some(store) = &self.store {
                    join(command, store, task.files);
                }
                run_on(command, cpus);
            },
            |address| exchange(&context, address, None, Question::Byte).map(drop),
        )
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

/// A division of the processors that this process may use.
#[derive(Clone, Debug)]
pub(super) struct Cores {
    /// For the server that has its turn.
    pub(super) server: CpuSet,
    /// For clients and upstream.
    pub(super) generator: CpuSet,
    /// Whether both are the same, because there are too few.
    pub(super) shared: bool,
}

impl Cores {
    /// As many processors for the server as it has workers, the rest for the generator; where no
    /// rest would be left, both run on all.
    pub(super) fn for_workers(workers: usize) -> Self {
        let all = sched_getaffinity(None).expect("the system tells where we may run");
        let mut server = CpuSet::new();
        let mut generator = CpuSet::new();
        for cpu in (0..CpuSet::MAX_CPU).filter(|cpu| all.is_set(*cpu)) {
            if (server.count() as usize) < workers {
                server.set(cpu);
            } else {
                generator.set(cpu);
            }
        }
        let shared = generator.count() == 0;
        if shared {
            (server, generator) = (all, all);
        }
        Self {
            server,
            generator,
            shared,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_gets_processors_and_all_are_used() {
        let all = sched_getaffinity(None).unwrap().count();
        for workers in 1..=4 {
            let cores = Cores::for_workers(workers);
            let (server, generator) = (cores.server.count(), cores.generator.count());
            if cores.shared {
                assert!(all as usize <= workers);
                assert_eq!((server, generator), (all, all));
            } else {
                assert_eq!(server as usize, workers);
                assert_eq!(server + generator, all);
            }
        }
    }
}
