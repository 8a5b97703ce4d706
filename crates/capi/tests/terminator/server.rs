//! Starts the example.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::OnceLock;

use rekindle_test_servers::{Process, Signal, bounded};

use crate::common::{SHARED, compile};

/// The example, built once in a process.
pub(crate) fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| compile("terminator", &["examples/terminator.c"], &[SHARED]))
}

/// The example where the name `A,B` has the addresses A and B.
pub(crate) fn program_of_two_addresses() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let sources = ["examples/terminator.c", "tests/c/two_addresses.c"];
        compile("terminator-two-addresses", &sources, &[SHARED])
    })
}

/// A running example on a free port of loopback.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) process: Process,
}

impl Server {
    pub(crate) fn start(arguments: &str) -> Self {
        Self::spawn(Command::new(program()).args(arguments.split_whitespace()))
    }

    pub(crate) fn spawn(command: &mut Command) -> Self {
        let process = Process::spawn(command.args(["-l", "127.0.0.1:0"]), Stdio::null());
        let line = process.wait_for("listening on ");
        let address = line.trim_start_matches("listening on ").parse();
        Self {
            address: address.expect("an address"),
            process,
        }
    }

    /// Sends SIGHUP, and waits for the line that contains `done`.
    #[track_caller]
    pub(crate) fn reload(&self, done: &str) {
        self.process.signal(Signal::HUP);
        self.process.wait_for(done);
    }

    #[track_caller]
    pub(crate) fn counters(&self) -> Counters {
        self.process.signal(Signal::USR1);
        Counters(self.process.wait_for("sessions="))
    }

    /// Sends SIGTERM, and waits for the end. Returns the status and the whole output.
    #[track_caller]
    pub(crate) fn stop(self) -> (ExitStatus, String) {
        self.process.signal(Signal::TERM);
        self.process.wait_for_end()
    }
}

/// Starts the example with arguments that it must refuse. Returns the status and the output.
#[track_caller]
pub(crate) fn refusal(arguments: &str) -> (Option<i32>, String) {
    let mut command = bounded(&format!(
        "{} -l 127.0.0.1:0 {arguments}",
        program().display()
    ));
    let (status, said) = Process::spawn(&mut command, Stdio::null()).wait_for_end();
    (status.code(), said)
}

/// The line that SIGUSR1 prints.
#[derive(Debug)]
pub(crate) struct Counters(String);

impl Counters {
    #[track_caller]
    pub(crate) fn get(&self, name: &str) -> u64 {
        let mut words = self.0.split(' ');
        let value = words.find_map(|word| word.strip_prefix(name)?.strip_prefix('=')?.parse().ok());
        value.unwrap_or_else(|| panic!("no {name} in {}", self.0))
    }
}
