//! Certificates and ticket keys on disk.

use std::fs;

use openssl::rand::rand_bytes;

#[allow(unused_imports, reason = "cross_resumption makes keys of its own")]
pub(crate) use rekindle_test_servers::{Files, TICKET_KEY, ticket_key};

#[track_caller]
pub(crate) fn read(path: &str) -> Vec<u8> {
    fs::read(path).expect("it can be read")
}

/// A secret that ticket keys are derived from, of random bytes.
pub(crate) fn ticket_secret(period: u64) -> String {
    let mut secret = [0; 32];
    rand_bytes(&mut secret).expect("randomness");
    format!("secret {}\nperiod {period}\n", hex(&secret))
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
