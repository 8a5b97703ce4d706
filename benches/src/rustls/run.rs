//! All of it, one after the other.

use super::contenders::Options;
use super::{handshakes, hello, store, tail, tickets};
use crate::record::Record;

/// Runs all of it. Panics when an answer is wrong.
pub(crate) fn run(options: &Options, record: &mut Record) {
    store::run(options, record);
    tickets::run(options, record);
    handshakes::run(options, record);
    hello::run(options, record);
    tail::run(options, record);
}
