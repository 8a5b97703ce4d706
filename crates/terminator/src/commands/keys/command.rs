//! The subcommands of `keys`.

use std::process::ExitCode;

use clap::Subcommand;

use super::{check, convert, generate, ratchet, rotate, show};
use crate::exit;

#[derive(Debug, Subcommand)]
pub(crate) enum KeysCommand {
    /// Make a file of random keys, or a secret to derive keys from
    Generate(generate::Generate),
    /// Put a fresh key into a file
    ///
    /// Files of which the first key seals (traffic-server, nginx, apache, openssl, envoy) are
    /// rotated in two steps: --stage adds a key that opens; when every machine has the file,
    /// --promote lets it seal. Files of HAProxy and h2o have a next key, so one step does.
    Rotate(rotate::Rotate),
    /// Say what a file or folder would do if it were put in place: exit status 0 if it does no
    /// harm, 1 with warnings, 2 if it cannot be used
    Check(check::Check),
    /// Write keys in another format
    Convert(convert::Convert),
    /// Tell keys apart: a line for each, with its role now, its fingerprint and its cipher
    Fingerprint(show::Fingerprint),
    /// Show keys: what `fingerprint` shows, and names and times
    Show(show::Show),
    /// Move a secret with a ratchet on to the oldest period whose key may still be needed: earlier
    /// keys can then no longer be derived
    Ratchet(ratchet::Ratchet),
}

impl KeysCommand {
    pub(crate) fn run(self) -> ExitCode {
        exit::code(match self {
            Self::Generate(command) => command.run(),
            Self::Rotate(command) => command.run(),
            Self::Check(command) => return command.run(),
            Self::Convert(command) => command.run(),
            Self::Fingerprint(command) => command.run(),
            Self::Show(command) => command.run(),
            Self::Ratchet(command) => command.run(),
        })
    }
}
