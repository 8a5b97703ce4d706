//! How large should the cache be? That can be told from how far apart the uses of a session are.
//!
//! The *reuse distance* of a lookup is the number of sessions that were used since its own session
//! was last used, itself included. An LRU cache of that many sessions or more finds it, a smaller
//! one does not. A histogram of reuse distances says what hit ratio any capacity would give.
//!
//! A running terminator estimates the histogram from a sample ([`ReuseEstimator`]) and shows it in
//! its metrics. `rekindle-terminator advise` reads it back as a [`Curve`], or computes exact LRU
//! ([`Lru`]) over recorded [`Requests`].

mod curve;
mod estimator;
mod histogram;
mod lru;
mod recency;
mod requests;
mod sample;

pub(crate) use self::curve::Curve;
pub(crate) use self::estimator::ReuseEstimator;
pub(crate) use self::histogram::Histogram;
pub(crate) use self::lru::Lru;
pub(crate) use self::requests::{Requests, RequestsError, read as read_requests};
