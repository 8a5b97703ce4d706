//! Why there is no advice.

use std::error;
use std::fmt;

use rekindle::ConfigError;

use super::fetch::MAX_BODY;
use crate::requests::RequestsError;

/// Why there is no advice. Each says which file or address, and where in it.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// Neither a file nor an address was given.
    NoSource,
    /// The file is no stream of requests.
    Requests(RequestsError),
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
            Self::Requests(reason) => reason.fmt(f),
            Self::Cache { capacity, reason } => write!(f, "capacity {capacity}: {reason}"),
            Self::Refused => f.write_str("the cache refused a session"),
            Self::Url(url) => write!(f, "{url}: expected http://HOST:PORT/metrics"),
            Self::Fetch { url, source } => write!(f, "{url}: {source}"),
            Self::Status { url, status } => write!(f, "{url}: status {status}"),
            Self::Metrics { url, reason } => write!(f, "{url}: {reason}"),
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
            Self::Requests(reason) => reason.source(),
            Self::Cache { reason, .. } => Some(reason),
            Self::Fetch { source, .. } => Some(source),
            Self::Metrics { reason, .. } => Some(reason),
            _ => None,
        }
    }
}

impl error::Error for MetricsError {}

impl From<RequestsError> for Error {
    fn from(reason: RequestsError) -> Self {
        Self::Requests(reason)
    }
}
