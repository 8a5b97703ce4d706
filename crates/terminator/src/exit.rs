//! How a command ends.

use std::fmt::Display;
use std::process::ExitCode;

/// Prints the error, if there is one.
pub(crate) fn code(done: Result<(), impl Display>) -> ExitCode {
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("rekindle-terminator: {error}");
            ExitCode::FAILURE
        }
    }
}
