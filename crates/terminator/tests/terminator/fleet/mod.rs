//! Terminators that share sessions, removals and revocations over a real Redis.

mod configuration;
mod fetch;
mod minutes;
mod outages;
mod restarts;
mod secrecy;
mod sharing;

use rekindle_test_servers::{Files, RedisServer};

use crate::common::{Terminator, eventually, ticket_secret};

/// Words of a client that resumes by a session in the cache, and `--tickets`.
const KINDS: [(&str, &str, &str); 3] = [
    ("-tls1_2 -no_ticket", "on", "session_id"),
    ("-tls1_2", "off", "session_id"),
    ("-tls1_3", "off", "stateful_ticket"),
];

const PUBLISHED: &str = "rekindle_fleet_published_total{what=\"session\"}";
const ENDINGS: &str = "rekindle_fleet_received_total{what=\"ending\"}";
const STORE_UP: &str = "rekindle_fleet_store_up";

/// A series of `rekindle_fleet_fetches_total`.
fn fetches(result: &str) -> String {
    format!("rekindle_fleet_fetches_total{{result=\"{result}\"}}")
}

/// A store, and what the machines that meet there have in common.
struct Meeting {
    store: RedisServer,
    files: Files,
}

impl Meeting {
    /// None if there is no Redis.
    fn new() -> Option<Self> {
        Self::with("")
    }

    fn with(arguments: &str) -> Option<Self> {
        if !RedisServer::is_installed("terminators that share sessions") {
            return None;
        }
        let store = RedisServer::with(arguments);
        let files = Files::with_certificate("localhost");
        files.replace("secret", ticket_secret(3_600).as_bytes());
        Some(Self { store, files })
    }

    /// The flags of a machine.
    fn words(&self) -> String {
        let secret = self.files.text("secret");
        format!("--fleet {} --fleet-secret {secret}", self.store.url())
    }

    /// A machine that answers by itself, and has reached the store.
    fn machine(&self, words: &str) -> Terminator {
        // OpenSSL stores a session of TLS 1.2 after it has sent its last message.
        let terminator = Terminator::demo(&format!("--threads 1 {} {words}", self.words()));
        terminator.wait_for_metric(STORE_UP, 1);
        terminator
    }

    fn machines<const N: usize>(&self, words: &str) -> [Terminator; N] {
        [(); N].map(|()| self.machine(words))
    }
}

/// Waits until these machines have reached the store.
#[track_caller]
fn reach_the_store(machines: &[&Terminator]) {
    for machine in machines {
        machine.wait_for_metric(STORE_UP, 1);
    }
}

/// Waits until each of these machines has as many sessions in its cache.
#[track_caller]
fn all_have(machines: &[&Terminator], sessions: u64) {
    for machine in machines {
        machine.wait_for_metric("rekindle_cache_entries", sessions);
    }
}

/// Sessions that a full handshake makes.
fn sessions_of(kind: &str) -> u64 {
    match kind {
        "-tls1_3" => 2,
        _ => 1,
    }
}

/// Sessions of others that a machine has taken, as they were announced or since it had joined.
fn received(machine: &Terminator) -> u64 {
    let of = |what| machine.metric(&format!("rekindle_fleet_received_total{{what=\"{what}\"}}"));
    of("announced") + of("caught_up")
}

/// Waits until a machine has taken as many.
#[track_caller]
fn receives(machine: &Terminator, sessions: u64) {
    eventually("sessions of others", || received(machine) >= sessions);
}

/// Waits until a series has at least that value.
#[track_caller]
fn at_least(machine: &Terminator, series: &str, value: u64) {
    eventually(&format!("{series} >= {value}"), || {
        machine.metric(series) >= value
    });
}
