//! Why there is no advice.

use rekindle::ConfigError;
use thiserror::Error;

use crate::sizing::RequestsError;

/// Why there is no advice. Each says which file or address, and where in it.
#[derive(Debug, Error)]
pub(super) enum AdviseError {
    #[error("--hits-file or --metrics is needed")]
    NoSource,
    #[error(transparent)]
    Requests(#[from] RequestsError),
    #[error("capacity {capacity}: {source}")]
    Cache {
        /// Sessions.
        capacity: usize,
        source: ConfigError,
    },
    /// Its hit ratio would say nothing.
    #[error("the cache refused a session")]
    Refused,
    #[error("{0}: expected http://HOST:PORT/metrics")]
    Url(String),
    #[error("{url}: {source}")]
    Fetch {
        url: String,
        source: Box<ureq::Error>,
    },
    #[error("{url}: status {status}")]
    Status { url: String, status: u16 },
    #[error("{url}: {source}")]
    Metrics { url: String, source: MetricsError },
}

/// Why a terminator's answer cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(super) enum MetricsError {
    #[error("the answer is not UTF-8 text")]
    NotText,
    #[error("the answer is longer than {0} bytes")]
    TooLong(u64),
    /// A line is no sample in OpenMetrics text.
    #[error("line {0} of the answer: {1}")]
    Line(usize, &'static str),
    #[error("the answer has no `# EOF` at its end")]
    CutShort,
    /// An older terminator, or another program.
    #[error("no {0}: is this a rekindle-terminator of today?")]
    Missing(String),
    #[error("{0} is no count")]
    Value(String),
    #[error("the buckets of {0} do not fit together")]
    Histogram(String),
}
