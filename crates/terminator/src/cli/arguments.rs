//! The command line: settings to serve with, or a subcommand.

use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use super::configuration::Configuration;
use super::error::ConfigurationError;
use super::reload;
use super::settings::Settings;
use crate::commands::{Advise, Completions, KeysCommand, Man, advise, completions, man};

const USAGE: &str = "rekindle-terminator --config FILE [FLAGS]
       rekindle-terminator --listen ADDR --upstream ADDR --cert FILE --key FILE [FLAGS]
       rekindle-terminator --demo [FLAGS]
       rekindle-terminator <COMMAND>";

/// A TLS terminator that resumes sessions: by session id and by ticket, in TLS 1.2 and 1.3.
///
/// SIGHUP reloads the file of --config, the certificates and the ticket keys; a change of the
/// ticket keys' file reloads them as well. SIGUSR2 restarts, SIGTERM and SIGINT drain. The log goes
/// to standard error. RUST_LOG sets its level: error, warn, info (the default), debug or trace.
#[derive(Debug, Parser)]
#[command(name = "rekindle-terminator", version, max_term_width = 100)]
#[command(args_conflicts_with_subcommands = true, after_long_help = reload::help())]
#[command(override_usage = USAGE)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,

    #[command(flatten)]
    settings: Settings,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make, check, convert and show files of ticket keys
    #[command(subcommand)]
    Keys(KeysCommand),
    /// Advise how large the cache should be, from a log of session ids or from the metrics of a
    /// running terminator
    Advise(Advise),
    /// Tell whether the terminator would start with these flags and this file: every error with
    /// file and line. The files that they name are read; no address is bound and none is looked up
    Check(Box<Settings>),
    /// Print the manual page of a command, in roff: `rekindle-terminator man | man -l -`
    Man(Man),
    /// Print a script that completes flags in a shell: `. <(rekindle-terminator completions bash)`
    Completions(Completions),
}

/// What the command line asks for.
#[derive(Debug)]
pub(crate) enum Invocation {
    Serve(Configuration),
    Check(Configuration),
    /// A subcommand, which has run.
    Done(ExitCode),
}

impl Invocation {
    /// Runs a subcommand that needs no settings. Exits with a message if the command line is wrong.
    pub(crate) fn of_command_line() -> Self {
        let matches = Cli::command().get_matches();
        let cli = Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
        match cli.command {
            None => Self::Serve(Configuration::new(&matches)),
            Some(Command::Keys(command)) => Self::Done(command.run()),
            Some(Command::Advise(arguments)) => Self::Done(advise(&arguments)),
            Some(Command::Man(arguments)) => Self::Done(man(&arguments, Cli::command())),
            Some(Command::Completions(arguments)) => {
                Self::Done(completions(&arguments, Cli::command()))
            }
            Some(Command::Check(_)) => {
                let matches = matches.subcommand_matches("check").unwrap_or(&matches);
                Self::Check(Configuration::new(matches))
            }
        }
    }
}

impl ConfigurationError {
    /// Tells standard error: as clap does, if only flags are wrong.
    pub(crate) fn report(&self) -> ExitCode {
        if self.is_of_command_line() {
            Cli::command()
                .error(ErrorKind::ArgumentConflict, self)
                .exit()
        }
        eprintln!("{self}");
        ExitCode::FAILURE
    }
}
