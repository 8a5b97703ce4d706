//! Errors of the `keys` commands.

use std::io;
use std::path::PathBuf;

use rekindle::tickets::{Fingerprint, SecretError, TicketKeyError};
use rekindle_key_files::{Notice, TicketFileError, TicketKeyFormat, WriteError};
use thiserror::Error;

/// Each says which file or flag it is about, and never what is in a file.
#[derive(Debug, Error)]
pub(super) enum KeysError {
    #[error(transparent)]
    Read(#[from] TicketFileError),
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
    #[error("cannot open {path}: {source}")]
    Open { path: PathBuf, source: io::Error },
    #[error(
        "cannot write {path} ({source}), nor put back what was replaced before it; the files \
         from before are beside the others, as .NAME.old"
    )]
    Half { path: PathBuf, source: io::Error },
    #[error(
        "{0} is a mount point, which cannot be replaced in one step: replace the file that is \
         mounted there, or mount its folder"
    )]
    MountPoint(PathBuf),
    #[error("{0} is in the way: a folder for a set of keys holds nothing else")]
    OtherFiles(PathBuf),
    #[error(
        "{format} has one key a file, and these are {keys}: --out FOLDER, which is made if it is \
         not there"
    )]
    OneKeyAFile {
        format: TicketKeyFormat,
        keys: usize,
    },
    #[error(
        "{0} has one key a file, so a new key needs another file: rotate a folder of them \
         (`keys generate --count 3 --out FOLDER`)"
    )]
    NoRoom(TicketKeyFormat),
    #[error("{0}")]
    Disagreement(Notice),
    #[error(
        "{path}: its ratchet would go {periods} periods of {period} s forward, and {usual}; is the \
         clock right ({now})? --force does it, and keeps what is there in {kept}"
    )]
    Leap {
        path: PathBuf,
        periods: u64,
        period: u64,
        usual: String,
        now: String,
        kept: PathBuf,
    },
    #[error(
        "{path}: its ratchet is {periods} periods ahead of the clock ({now}), so no key can be \
         derived now: is the clock right? If the ratchet went too far, take the file of another \
         machine{kept}"
    )]
    Ahead {
        path: PathBuf,
        periods: u64,
        now: String,
        kept: String,
    },
    #[error("{0}: a folder with *.next files is rotated by renaming them")]
    NextFiles(PathBuf),
    #[error("{0} has several keys, and its format has one a file")]
    SeveralKeys(PathBuf),
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
