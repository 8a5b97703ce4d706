//! `completions`: what a shell needs to complete flags and their values.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::{Args, Command};
use clap_complete::{Shell, generate};

#[derive(Debug, Args)]
pub(crate) struct Completions {
    /// The shell to complete in
    shell: Shell,
}

/// Prints the script for the flags of `terminator` and of its commands.
pub(crate) fn completions(arguments: &Completions, mut terminator: Command) -> ExitCode {
    let name = terminator.get_name().to_owned();
    let mut script = Vec::new();
    generate(arguments.shell, &mut terminator, name, &mut script);
    // A reader such as `head` may have closed the pipe.
    let _ = io::stdout().write_all(&script);
    ExitCode::SUCCESS
}
