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
    generate(arguments.shell, &mut terminator, &name, &mut script);
    let mut script = String::from_utf8_lossy(&script).into_owned();
    if arguments.shell == Shell::Bash {
        // clap_complete writes the dash of a program's name in two ways, so that no command of it
        // is found (https://github.com/clap-rs/clap/issues/6421).
        script = script.replace(&name.replace('-', "__subcmd__"), &name.replace('-', "__"));
    }
    // A reader such as `head` may have closed the pipe.
    let _ = io::stdout().write_all(script.as_bytes());
    ExitCode::SUCCESS
}
