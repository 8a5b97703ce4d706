//! h2o's `ticket-file`: YAML, a list of keys and the times from and until which they are valid.
//!
//! h2o seals with the key of the latest `not_before` that has begun, and opens with all.

mod parse;
mod write;
mod yaml;

pub(crate) use parse::parse;
pub(crate) use write::write;
