//! What the store holds for a session, beyond its encoding.

use std::sync::Arc;
use std::time::Duration;

use rekindle::ManualClock;
use rekindle_fleet::{FleetBuilder, Sharing};
use rekindle_test_servers::RedisServer;

use super::machine::{Machine, client, wait_for};
use crate::record::{Record, case};
use crate::tls::HandshakeKind;

/// How old sessions are when it is measured.
const AGE: Duration = Duration::from_secs(600);

pub(super) fn run(sessions: usize, record: &mut Record) {
    let (mut overheads, mut product) = (Vec::new(), String::new());
    for sharing in [Sharing::Replicate, Sharing::Fetch, Sharing::Both] {
        let store = RedisServer::start();
        let set = |fleet: FleetBuilder| fleet.sharing(sharing).queue(sessions);
        product = name(&store);
        let clock = Arc::new(ManualClock::new());
        let machine = Machine::with_clock(clock.clone(), &store.url(), set);
        machine.wait_for_store();
        let client = client(HandshakeKind::Tls12Id);
        let before = used(&store);
        let make = |number: usize| {
            let published = machine.fleet().stats().published;
            for _ in 0..number {
                machine.visit(&client, None);
            }
            wait_for("all sessions", || {
                machine.fleet().stats().published >= published + number as u64
            });
        };
        make(sessions);
        // With another session goes what need not be there twice.
        clock.advance(AGE);
        make(1);
        let held = used(&store).saturating_sub(before) as f64 / sessions as f64;
        let guard = machine.resumption.cache().pin();
        let encoded: usize = guard.iter().map(|entry| entry.encoded().len()).sum();
        let encoded = encoded as f64 / guard.iter().count() as f64;
        overheads.push((format!("{sharing:?}").to_lowercase(), vec![held - encoded]));
    }
    let case = case([("sessions", sessions.to_string()), ("store", product)]);
    let what = [
        "fleet",
        "memory in the store for a session, beyond its encoding",
        "bytes",
    ];
    record.add_case(what, &case, overheads);
}

fn used(store: &RedisServer) -> u64 {
    let bytes = told(store, "used_memory:").and_then(|bytes| bytes.parse().ok());
    bytes.expect("a number")
}

/// Valkey tells both versions.
fn name(store: &RedisServer) -> String {
    let names = [("Valkey", "valkey_version:"), ("Redis", "redis_version:")];
    let version = |(name, key)| told(store, key).map(|version| format!("{name} {version}"));
    names.into_iter().find_map(version).expect("a version")
}

/// What `INFO` has behind a key.
fn told(store: &RedisServer, key: &str) -> Option<String> {
    let info = store.ask(&["INFO", "everything"]);
    let value = info.lines().find_map(|line| line.strip_prefix(key))?;
    Some(value.trim().to_owned())
}
