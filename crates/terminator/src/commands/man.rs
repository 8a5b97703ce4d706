//! `man`: manual pages, made from the flags' own definitions.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Command};
use thiserror::Error;

use crate::exit;

#[derive(Debug, Args)]
pub(crate) struct Man {
    /// The command whose page to print, as `keys rotate` [default: the terminator itself]
    #[arg(value_name = "COMMAND")]
    command: Vec<String>,
    /// A folder to write the page of each command to, as `rekindle-terminator-keys-rotate.1`; it is
    /// made if it is missing
    #[arg(long, value_name = "FOLDER", conflicts_with = "command")]
    out: Option<PathBuf>,
}

#[derive(Debug, Error)]
enum ManError {
    #[error("there is no command `{0}`")]
    NoCommand(String),
    #[error("cannot make a page: {0}")]
    Render(#[source] io::Error),
    #[error("cannot write to the folder {folder}: {source}")]
    Write { folder: PathBuf, source: io::Error },
}

/// Prints the page of `terminator` or of one of its commands, or writes all of them.
pub(crate) fn man(arguments: &Man, terminator: Command) -> ExitCode {
    let mut terminator = terminator.disable_help_subcommand(true);
    // Gives each command its full name.
    terminator.build();
    exit::code(match &arguments.out {
        Some(folder) => all(terminator, folder),
        None => one(&terminator, &arguments.command),
    })
}

fn all(terminator: Command, folder: &Path) -> Result<(), ManError> {
    let written =
        fs::create_dir_all(folder).and_then(|()| clap_mangen::generate_to(terminator, folder));
    written.map_err(|source| ManError::Write {
        folder: folder.into(),
        source,
    })
}

fn one(terminator: &Command, names: &[String]) -> Result<(), ManError> {
    let mut command = terminator;
    for name in names {
        let found = command.find_subcommand(name);
        command = found.ok_or_else(|| ManError::NoCommand(names.join(" ")))?;
    }
    let mut page = Vec::new();
    let rendered = clap_mangen::Man::new(command.clone()).render(&mut page);
    rendered.map_err(ManError::Render)?;
    // A reader such as `head` may have closed the pipe.
    let _ = io::stdout().write_all(&page);
    Ok(())
}
