//! What all servers with a number of workers have in common.

use std::net::SocketAddr;

use rekindle_test_servers::{Files, Running, Task};

use super::exchange::CIPHER_SUITES;
use super::options::Options;
use super::servers::{Cores, Server};
use crate::record::Record;
use crate::tls::SERVER_NAME;

/// Percentage of handshakes that must be resumed where all should be.
pub(super) const LEAST_RESUMED: f64 = 99.0;

pub(super) struct Bench<'a> {
    pub(super) options: &'a Options,
    pub(super) files: &'a Files,
    pub(super) workers: usize,
    pub(super) cores: &'a Cores,
    pub(super) upstream: SocketAddr,
}

/// A server that answers.
pub(super) type Started = (&'static str, Running);

impl Bench<'_> {
    /// Starts a server, whose directory's name begins with `purpose`. With `stateless`, its tickets
    /// carry sessions. The error says why it does not start.
    pub(super) fn start(
        &self,
        server: &Server,
        purpose: &str,
        stateless: bool,
    ) -> Result<Running, String> {
        let task = Task {
            files: self.files,
            server_name: SERVER_NAME,
            upstream: Some(self.upstream),
            workers: self.workers,
            stateless,
            cipher_suites: CIPHER_SUITES,
            ticket_keys: &[],
        };
        let name = format!("{purpose}-{}-{}", self.workers, server.name);
        let directory = self.files.path(&name.replace(' ', "-"));
        let running = server.start(&directory, &task, self.cores.server);
        running.map_err(|problem| format!("does not start: {problem}"))
    }
}

/// Peers may fall short, and that is part of the record; rekindle may not.
pub(super) fn missed(record: &mut Record, name: &str, problem: &str) {
    assert!(name != "rekindle", "rekindle: {problem}");
    record.note(format!("loopback: {name}: {problem}"));
}
