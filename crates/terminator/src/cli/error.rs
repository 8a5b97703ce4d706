//! What is wrong with the command line or the file.

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;

use thiserror::Error;

/// As many are shown. A file with more is no file of settings.
pub(super) const MOST_FAULTS: usize = 100;

/// Everything that is wrong, in the order of the file. Each fault is a line.
#[derive(Debug, Error)]
pub(crate) struct ConfigurationError(Vec<ConfigurationFault>);

/// One thing that is wrong, with the place that the operator can mend.
#[derive(Debug, Error)]
pub(crate) struct ConfigurationFault {
    pub(super) origin: Origin,
    /// The flag or the key as the operator wrote it. None for the file as a whole.
    pub(super) name: Option<String>,
    pub(super) reason: Reason,
}

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
    Default,
    CommandLine,
    /// A line of the file; none where it is about what the file lacks.
    File(Arc<Path>, Option<usize>),
}

#[derive(Debug, Error)]
pub(crate) enum Reason {
    #[error("{0}")]
    Read(#[from] io::Error),
    #[error("it is no regular file")]
    NotAFile,
    #[error("it has more than {0} bytes")]
    TooLong(usize),
    #[error("it is not UTF-8")]
    NotUtf8,
    #[error("{0}")]
    Syntax(String),
    #[error("there is no such key{}", .suggestion.as_deref().unwrap_or_default())]
    UnknownKey { suggestion: Option<String> },
    #[error("expected {expected}, found {found}")]
    WrongType {
        expected: &'static str,
        found: &'static str,
    },
    #[error("an empty list: leave the key out")]
    EmptyList,
    #[error("it has more than {0} values")]
    TooMany(usize),
    #[error("it holds a NUL byte")]
    Nul,
    /// The flag does not take the value.
    #[error("{0}")]
    Value(String),
    /// The flag does not go with others.
    #[error("{0}")]
    Rule(String),
    /// A file that it names cannot be used.
    #[error("{0}")]
    Content(String),
    #[error("and more: only the first {MOST_FAULTS} errors are shown")]
    More,
}

impl ConfigurationError {
    /// Unless nothing is wrong.
    pub(crate) fn of(mut faults: Vec<ConfigurationFault>) -> Result<(), Self> {
        faults.sort_by_key(ConfigurationFault::position);
        if let Some(next) = faults.get(MOST_FAULTS) {
            let origin = next.origin.clone();
            faults.truncate(MOST_FAULTS);
            let (name, reason) = (None, Reason::More);
            faults.push(ConfigurationFault {
                origin,
                name,
                reason,
            });
        }
        match faults.is_empty() {
            true => Ok(()),
            false => Err(Self(faults)),
        }
    }

    /// Whether only flags of the command line are wrong.
    pub(super) fn is_of_command_line(&self) -> bool {
        (self.0.iter()).all(|fault| !matches!(fault.origin, Origin::File(..)))
    }
}

impl ConfigurationFault {
    /// Names the flag as it is written in that place.
    pub(super) fn about(flag: &str, origin: Origin, reason: Reason) -> Self {
        let dashes = match origin {
            Origin::File(..) => "",
            Origin::Default | Origin::CommandLine => "--",
        };
        Self {
            name: Some(format!("{dashes}{flag}")),
            origin,
            reason,
        }
    }

    /// In the order of the file, then what it lacks, then the command line.
    fn position(&self) -> (u8, usize) {
        match self.origin {
            Origin::File(_, Some(line)) => (0, line),
            Origin::File(_, None) => (1, 0),
            Origin::Default | Origin::CommandLine => (2, 0),
        }
    }
}

impl fmt::Display for ConfigurationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, fault) in self.0.iter().enumerate() {
            let separator = if n == 0 { "" } else { "\n" };
            write!(f, "{separator}{fault}")?;
        }
        Ok(())
    }
}

impl fmt::Display for ConfigurationFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Origin::File(path, line) = &self.origin {
            write!(f, "{}", path.display())?;
            if let Some(line) = line {
                write!(f, ":{line}")?;
            }
            f.write_str(": ")?;
        }
        if let Some(name) = &self.name {
            write!(f, "{name}: ")?;
        }
        self.reason.fmt(f)
    }
}
