//! Runs `advise`.

use std::io::{self, Write};
use std::process::ExitCode;

use super::arguments::Advise;
use super::error::AdviseError;
use super::{hits_file, running};

/// Prints the advice, or why there is none.
pub(crate) fn advise(arguments: &Advise) -> ExitCode {
    match advice(arguments) {
        Ok(text) => {
            // A reader such as `head` may have closed the pipe.
            let _ = io::stdout().write_all(text.as_bytes());
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("advise: {error}");
            ExitCode::FAILURE
        }
    }
}

fn advice(arguments: &Advise) -> Result<String, AdviseError> {
    match (&arguments.hits_file, &arguments.metrics) {
        (Some(file), _) => hits_file::advice(file, arguments),
        (None, Some(url)) => running::advice(url, arguments),
        (None, None) => Err(AdviseError::NoSource),
    }
}
