//! Files of keys, as the commands read them.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use clap::builder::{PossibleValuesParser, TypedValueParser, ValueParser, ValueParserFactory};
use clap::{Args, value_parser};
use rekindle::tickets::TicketKeys;
use rekindle_key_files::{KeyFileContent, TicketFileError, TicketKeyFile, TicketKeyFormat};

use super::error::KeysError;

/// The content of a file: keys in a format, or a secret from which keys are derived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Keys(TicketKeyFormat),
    Secret,
}

/// How long tickets live, which says how long keys are needed.
#[derive(Debug, Clone, Copy, Args)]
pub(super) struct Lifetime {
    /// How long tickets live, in seconds: the terminator's --session-timeout
    #[arg(long, value_name = "SECONDS", default_value = "7200")]
    #[arg(value_parser = value_parser!(u64).range(1..=604_800).map(Duration::from_secs))]
    pub(super) session_timeout: Duration,
}

impl Kind {
    pub(super) const DEFAULT: Self = Self::Keys(TicketKeyFormat::TrafficServer48);

    pub(super) fn file(self, path: &Path) -> TicketKeyFile {
        match self {
            Self::Keys(format) => TicketKeyFile::keys(path, format),
            Self::Secret => TicketKeyFile::secret(path),
        }
    }

    /// The keys in a file or folder that holds nothing else, or those derived for the time around
    /// now.
    pub(super) fn keys(self, path: &Path, lifetime: Lifetime) -> Result<TicketKeys, KeysError> {
        let keys = keys_of(&self.file(path).read()?, path, lifetime)?;
        if let Self::Keys(format) = self {
            refuse_trailing(&keys, path, format)?;
        }
        Ok(keys)
    }
}

/// Refuses bytes behind the last whole key, other than the newline of an editor.
///
/// They are the end of a key of another format. The command would take secrets for names, and cut
/// them off when it writes the file again.
pub(super) fn refuse_trailing(
    keys: &TicketKeys,
    path: &Path,
    format: TicketKeyFormat,
) -> Result<(), KeysError> {
    let bytes = keys.trailing_bytes;
    if bytes == 0 {
        return Ok(());
    }
    let unreadable = |error: io::Error| TicketFileError {
        path: path.into(),
        fault: error.into(),
    };
    if path.is_dir() {
        // The folder's number is the sum of its files, each of which may have a newline.
        for entry in fs::read_dir(path).map_err(unreadable)? {
            let entry = entry.map_err(unreadable)?;
            let file = entry.path();
            // Reading the folder passes over the same files.
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

/// The keys themselves, or those derived for the time around now.
pub(super) fn keys_of(
    content: &KeyFileContent,
    path: &Path,
    lifetime: Lifetime,
) -> Result<TicketKeys, KeysError> {
    match content {
        KeyFileContent::Keys(keys) => Ok(keys.clone()),
        KeyFileContent::Secret(secret) => {
            let path = PathBuf::from(path);
            let keys = secret.keys_around(now(), lifetime.session_timeout);
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

impl ValueParserFactory for Kind {
    type Parser = ValueParser;

    fn value_parser() -> ValueParser {
        let formats = TicketKeyFormat::ALL.map(TicketKeyFormat::name);
        let names = PossibleValuesParser::new(formats.into_iter().chain(["secret"]));
        let kind = |name: String| name.parse().map_or(Self::Secret, Self::Keys);
        ValueParser::new(names.map(kind))
    }
}
