//! SIGUSR2: the process that serves starts its successor by itself.

use std::env;
use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Command;
use std::thread;

use tracing::{error, info};

use super::error::HandoverError;
use super::predecessor::Predecessor;

/// Tells a process that its standard input is the channel to its predecessor.
pub(super) const STANDARD_INPUT: &str = "REKINDLE_HANDOVER_STDIN";

/// Whether this process was started by SIGUSR2.
pub(crate) fn is_successor() -> bool {
    env::var_os(STANDARD_INPUT).is_some()
}

/// For this process alone, or not true of the next one.
const NOT_INHERITED: [&str; 4] = ["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "WATCHDOG_PID"];

/// Starts the program of `program` with this process's arguments, and hands over to it, on a
/// thread. The log says what goes wrong, and this process goes on.
pub(crate) fn start_successor(predecessor: Predecessor, program: &Path) {
    let failed = |error: HandoverError| error!("handover failed, this process goes on: {error}");
    let program = program.to_owned();
    let run = move || start(&predecessor, &program).unwrap_or_else(failed);
    let thread = thread::Builder::new().name("successor".into()).spawn(run);
    thread.map_or_else(|error| failed(error.into()), drop);
}

fn start(predecessor: &Predecessor, program: &Path) -> Result<(), HandoverError> {
    let (ours, theirs) = UnixStream::pair()?;
    let arguments: Vec<OsString> = env::args_os().skip(1).collect();
    let mut command = Command::new(program);
    command.args(arguments).stdin(OwnedFd::from(theirs));
    command.env(STANDARD_INPUT, "1");
    for variable in NOT_INHERITED {
        command.env_remove(variable);
    }
    let mut child = command.spawn()?;
    // It holds the other end: this process must not.
    drop(command);
    info!(pid = child.id(), "SIGUSR2: a successor is started");
    let handed_over = predecessor.hand_over(ours, Some(child.id()));
    if handed_over.is_err() {
        // It ends by itself, or hangs.
        let _ = child.kill();
        let _ = child.wait();
    }
    handed_over
}
