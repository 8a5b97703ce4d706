//! Handshakes, full and resumed, with rekindle beside what OpenSSL brings along.

mod batch;
mod in_process;
mod inserts;
mod options;
mod template;
mod visited_server;

use crate::record::Record;

pub(crate) use options::Options;
pub(crate) use visited_server::VisitedServer;

/// Runs handshakes of every kind, and inserts into OpenSSL's session cache beside ours. Panics when
/// a handshake fails, or one that should resume does not.
pub(crate) fn run(options: &Options, record: &mut Record) {
    in_process::run(options, record);
    inserts::run(options, record);
}
