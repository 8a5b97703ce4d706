//! Why there is no advice.

use std::error;
use std::fmt;
use std::io;

use rekindle::ConfigError;

use super::fetch::MAX_BODY;
use super::requests::MAX_LINE;

/// Why there is no advice. Each says which file or address, and where in it.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// Neither a file nor an address was given.
    NoSource,
    /// The file cannot be read.
    Read {
        /// Its name.
        file: String,
        /// What the system says.
        source: io::Error,
    },
    /// A line of the file is no request.
    Line {
        /// Its name.
        file: String,
        /// Counted from one.
        line: u64,
        /// What is wrong.
        reason: LineError,
    },
    /// There is no request in the file.
    NoRequests {
        /// Its name.
        file: String,
    },
    /// A cache of this capacity cannot be had.
    Cache {
        /// Sessions.
        capacity: usize,
        /// Why not.
        reason: ConfigError,
    },
    /// The cache refused a session, so its hit ratio would say nothing.
    Refused,
    /// This is no address that metrics can be had from.
    Url(String),
    /// The terminator did not answer, or not with metrics.
    Fetch {
        /// Asked.
        url: String,
        /// What went wrong.
        source: Box<ureq::Error>,
    },
    /// The terminator answered, but with another status than 200.
    Status {
        /// Asked.
        url: String,
        /// Of HTTP.
        status: u16,
    },
    /// The answer cannot be used.
    Metrics {
        /// Asked.
        url: String,
        /// What is wrong.
        reason: MetricsError,
    },
}

/// Why a line is no request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LineError {
    /// It has more bytes than a request can have.
    TooLong,
    /// It has more than two words.
    Words,
    /// Its id is `-`, by which servers log that there is none.
    NoId,
    /// The first of its two words is no time.
    Time,
    /// It has no time, although one is needed: others have one, or sessions are to end.
    TimeMissing,
    /// It is one request too many.
    TooMany,
}

/// Why an answer cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MetricsError {
    /// It is no text.
    NotText,
    /// It is longer than metrics are.
    TooLong,
    /// A line is no sample in OpenMetrics text, for this reason.
    Line(usize, &'static str),
    /// It does not end with `# EOF`, so the end is missing.
    CutShort,
    /// A series is missing: an older terminator, or something else.
    Missing(String),
    /// A value that counts something is no number, or below zero.
    Value(String),
    /// The buckets of the histogram do not rise, or lack the last one.
    Histogram(String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSource => f.write_str("--hits-file or --metrics is needed"),
            Self::Read { file, source } => write!(f, "{file}: {source}"),
            Self::Line { file, line, reason } => write!(f, "{file}, line {line}: {reason}"),
            Self::NoRequests { file } => write!(f, "{file}: no requests"),
            Self::Cache { capacity, reason } => write!(f, "capacity {capacity}: {reason}"),
            Self::Refused => f.write_str("the cache refused a session"),
            Self::Url(url) => write!(f, "{url}: expected http://HOST:PORT/metrics"),
            Self::Fetch { url, source } => write!(f, "{url}: {source}"),
            Self::Status { url, status } => write!(f, "{url}: status {status}"),
            Self::Metrics { url, reason } => write!(f, "{url}: {reason}"),
        }
    }
}

impl fmt::Display for LineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong => write!(f, "longer than {MAX_LINE} bytes"),
            Self::Words => f.write_str("expected `ID` or `TIME ID`"),
            Self::NoId => f.write_str("`-` is no id: leave such requests out"),
            Self::Time => f.write_str("expected a time in seconds since 1970 before the id"),
            Self::TimeMissing => f.write_str("expected `TIME ID`"),
            Self::TooMany => f.write_str("more than 4,294,967,295 requests"),
        }
    }
}

impl fmt::Display for MetricsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotText => f.write_str("the answer is not UTF-8 text"),
            Self::TooLong => write!(f, "the answer is longer than {MAX_BODY} bytes"),
            Self::Line(line, reason) => write!(f, "line {line} of the answer: {reason}"),
            Self::CutShort => f.write_str("the answer has no `# EOF` at its end"),
            Self::Missing(series) => {
                write!(f, "no {series}: is this a rekindle-terminator of today?")
            }
            Self::Value(series) => write!(f, "{series} is no count"),
            Self::Histogram(name) => write!(f, "the buckets of {name} do not fit together"),
        }
    }
}

impl error::Error for Error {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Read { source, .. } => Some(source),
            Self::Cache { reason, .. } => Some(reason),
            Self::Fetch { source, .. } => Some(source),
            Self::Line { reason, .. } => Some(reason),
            Self::Metrics { reason, .. } => Some(reason),
            _ => None,
        }
    }
}

impl error::Error for LineError {}
impl error::Error for MetricsError {}
