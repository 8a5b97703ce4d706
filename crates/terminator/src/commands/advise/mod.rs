//! `rekindle-terminator advise`: how large should the cache be?
//!
//! From a recorded stream of requests, or from the metrics of a running terminator: the hit ratio
//! that other capacities would give, and the smallest capacity that is enough.

mod arguments;
mod command;
mod error;
mod fetch;
mod hits_file;
mod openmetrics;
mod replay;
mod report;
mod running;

pub(crate) use self::arguments::Advise;
pub(crate) use self::command::advise;
