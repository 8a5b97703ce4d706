//! Files of keys, as the commands read them.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use clap::builder::{PossibleValuesParser, TypedValueParser, ValueParser, ValueParserFactory};
use clap::{Args, value_parser};
use rekindle::tickets::TicketKeys;
use rekindle_key_files::{FolderOrder, KeyFileContent, SecretFile, TicketKeyFile, TicketKeyFormat};

use super::error::KeysError;
use crate::key_flags::folder_order;

/// The content of a file: keys in a format, or a secret from which keys are derived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Keys(TicketKeyFormat),
    Secret,
}

/// How long tickets live, which says how long keys are needed.
#[derive(Debug, Clone, Copy, Args)]
pub(super) struct Lifetime {
    /// How long tickets live, in seconds: the terminator's --session-timeout [default: what a
    /// secret's file says, else 7200]
    #[arg(long, value_name = "SECONDS")]
    #[arg(value_parser = value_parser!(u64).range(1..=604_800).map(Duration::from_secs))]
    session_timeout: Option<Duration>,
}

impl Lifetime {
    const DEFAULT: Duration = Duration::from_secs(7200);

    /// What the flag says, what the file of a secret says, or the default.
    pub(super) fn of(self, content: Option<&KeyFileContent>) -> Duration {
        let of_file = match content {
            Some(KeyFileContent::Secret(file)) => file.session_timeout,
            _ => None,
        };
        self.session_timeout.or(of_file).unwrap_or(Self::DEFAULT)
    }

    /// As [`of`](Self::of), where the flag and the file must not differ.
    pub(super) fn agreed(self, path: &Path, file: &SecretFile) -> Result<Duration, KeysError> {
        let lifetime = self.session_timeout.or(file.session_timeout);
        let lifetime = lifetime.unwrap_or(Self::DEFAULT);
        match file.disagreement(path, lifetime) {
            Some(notice) => Err(KeysError::Disagreement(notice)),
            None => Ok(lifetime),
        }
    }
}

/// The order of a folder's files.
#[derive(Debug, Clone, Copy, Args)]
pub(super) struct Order {
    /// Which file of a folder seals: the one with the least name or with the greatest
    #[arg(long, value_name = "first|last", default_value = "last", value_parser = folder_order())]
    pub(super) order: FolderOrder,
}

/// A file or folder of keys, or a file with a secret.
#[derive(Debug, Clone, Copy)]
pub(super) struct Source {
    pub(super) kind: Kind,
    pub(super) order: Order,
}

impl Source {
    pub(super) fn file(self, path: &Path) -> TicketKeyFile {
        match self.kind {
            Kind::Keys(format) => TicketKeyFile::keys(path, format).order(self.order.order),
            Kind::Secret => TicketKeyFile::secret(path),
        }
    }

    /// The keys in a file or folder that holds nothing else, or those derived for the time around
    /// now.
    pub(super) fn keys(self, path: &Path, lifetime: Lifetime) -> Result<TicketKeys, KeysError> {
        let read = self.file(path).read()?;
        let lifetime = lifetime.of(Some(&read.content));
        keys_of(&read.content, path, lifetime)
    }
}

/// The keys themselves, or those derived for the time around now.
pub(super) fn keys_of(
    content: &KeyFileContent,
    path: &Path,
    lifetime: Duration,
) -> Result<TicketKeys, KeysError> {
    match content {
        KeyFileContent::Keys(keys) => Ok(keys.clone()),
        KeyFileContent::Secret(file) => {
            let path = PathBuf::from(path);
            let keys = file.secret.keys_around(now(), lifetime);
            keys.map_err(|source| KeysError::Secret { path, source })
        }
    }
}

/// Since 1970.
pub(super) fn now() -> Duration {
    SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default()
}

impl Kind {
    pub(super) const DEFAULT: Self = Self::Keys(TicketKeyFormat::TrafficServer48);
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
