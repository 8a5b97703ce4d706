//! Files as they are read.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::{Duration, SystemTime};

use clap::{Args, value_parser};
use rekindle::tickets::TicketKeys;
use rekindle_key_files::{
    KeyFileContent, TicketFileError, TicketKeyFile, TicketKeyFormat, UnknownFormat,
};

use super::error::KeysError;

/// What is in a file: keys in some format, or a secret to derive them from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Keys(TicketKeyFormat),
    Secret,
}

/// How long tickets live, which says how long keys are needed.
#[derive(Debug, Clone, Copy, Args)]
pub(super) struct Lifetime {
    /// How long tickets live, in seconds: the terminator's --session-timeout
    #[arg(long, value_name = "SECONDS", default_value = "7200", value_parser = value_parser!(u64).range(1..=604_800))]
    session_timeout: u64,
}

impl Lifetime {
    pub(super) fn of_tickets(self) -> Duration {
        Duration::from_secs(self.session_timeout)
    }
}

impl Kind {
    pub(super) fn file(self, path: &Path) -> TicketKeyFile {
        match self {
            Self::Keys(format) => TicketKeyFile::keys(path, format),
            Self::Secret => TicketKeyFile::secret(path),
        }
    }

    /// The keys in a file or folder, and nothing else in it, or those that are derived around this moment.
    pub(super) fn keys(self, path: &Path, lifetime: Lifetime) -> Result<TicketKeys, KeysError> {
        let keys = keys_of(&self.file(path).read()?, path, lifetime)?;
        if let Self::Keys(format) = self {
            refuse_trailing(&keys, path, format)?;
        }
        Ok(keys)
    }
}

/// Bytes behind the last whole key, other than a newline that an editor has left, are the end of a key of another format:
/// then secrets would be taken for names, and cut off when the file is written again.
pub(super) fn refuse_trailing(
    keys: &TicketKeys,
    path: &Path,
    format: TicketKeyFormat,
) -> Result<(), KeysError> {
    let bytes = keys.trailing_bytes();
    if bytes == 0 {
        return Ok(());
    }
    let unreadable = |source| {
        let path = path.into();
        TicketFileError::Unreadable { path, source }
    };
    if path.is_dir() {
        // Here it is the sum of all files: each may have a newline.
        for entry in fs::read_dir(path).map_err(unreadable)? {
            let entry = entry.map_err(unreadable)?;
            let file = entry.path();
            // As they are passed over when the folder is read.
            if entry.file_name().as_encoded_bytes().starts_with(b".") || !file.is_file() {
                continue;
            }
            if let KeyFileContent::Keys(keys) = TicketKeyFile::keys(&file, format).read()? {
                refuse_trailing(&keys, &file, format)?;
            }
        }
        return Ok(());
    }
    if bytes == 1 && last_byte(path).map_err(unreadable)? == b'\n' {
        return Ok(());
    }
    let path = path.into();
    Err(KeysError::TrailingBytes { path, bytes })
}

fn last_byte(path: &Path) -> io::Result<u8> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::End(-1))?;
    let mut last = [0];
    file.read_exact(&mut last)?;
    Ok(last[0])
}

/// The keys themselves, or those that are derived around this moment.
pub(super) fn keys_of(
    material: &KeyFileContent,
    path: &Path,
    lifetime: Lifetime,
) -> Result<TicketKeys, KeysError> {
    match material {
        KeyFileContent::Keys(keys) => Ok(keys.clone()),
        KeyFileContent::Secret(secret) => {
            let path = PathBuf::from(path);
            let keys = secret.keys_around(now(), lifetime.of_tickets());
            keys.map_err(|source| KeysError::Secret { path, source })
        }
    }
}

/// Since 1970.
pub(super) fn now() -> Duration {
    SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default()
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Keys(format) => format.fmt(f),
            Self::Secret => f.pad("secret"),
        }
    }
}

impl FromStr for Kind {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        if name == "secret" {
            return Ok(Self::Secret);
        }
        let format = name.parse().map(Self::Keys);
        format.map_err(|error: UnknownFormat| format!("{error}, and `secret`"))
    }
}
