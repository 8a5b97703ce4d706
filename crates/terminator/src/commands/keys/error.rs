//! Errors of the `keys` commands.

use std::io;
use std::path::PathBuf;

use rekindle::tickets::{Fingerprint, SecretError, TicketKeyError};
use rekindle_key_files::{TicketFileError, WriteError};
use thiserror::Error;

/// Each says which file or flag it is about, and never what is in a file.
#[derive(Debug, Error)]
pub(super) enum KeysError {
    #[error(transparent)]
    Read(#[from] TicketFileError),
    #[error("{path} has {bytes} bytes behind its last whole key: is the format right?")]
    TrailingBytes { path: PathBuf, bytes: usize },
    #[error("bad ticket secret in {path}: {source}")]
    Secret { path: PathBuf, source: SecretError },
    #[error("cannot make a secret: {0}")]
    NoSecret(#[source] SecretError),
    #[error("cannot make a set of keys: {0}")]
    Set(#[from] TicketKeyError),
    #[error("cannot write these keys: {0}")]
    Format(#[from] WriteError),
    #[error("cannot write {path}: {source}")]
    Write { path: PathBuf, source: io::Error },
    #[error("cannot lock {path}: {source}")]
    Lock { path: PathBuf, source: io::Error },
    #[error("{0} is no regular file: it is left as it is")]
    NotAFile(PathBuf),
    #[error("{0} exists: --force overwrites it")]
    Exists(PathBuf),
    #[error(
        "secrets go to a file (--out FILE), or to standard output if that is asked for (--reveal)"
    )]
    NotRevealed,
    #[error(
        "{path} has {keys} keys: let a staged key seal (--promote FINGERPRINT), so that only \
         --keep N are left"
    )]
    TooManyStaged { path: PathBuf, keys: usize },
    #[error("there is no key {key} in {path}")]
    NoSuchKey { path: PathBuf, key: String },
    #[error("key {0} seals already")]
    SealsAlready(Fingerprint),
    #[error("the secret in {0} has no ratchet: its keys can always be derived")]
    NoRatchet(PathBuf),
    #[error("{0}")]
    Flags(&'static str),
}
