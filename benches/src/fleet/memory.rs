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
    let mut overheads = Vec::new();
    for sharing in [Sharing::Replicate, Sharing::Fetch, Sharing::Both] {
        let store = RedisServer::start();
        let set = |fleet: FleetBuilder| fleet.sharing(sharing).queue(sessions);
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
    let case = case([("sessions", sessions.to_string())]);
    let what = [
        "fleet",
        "memory in the store for a session, beyond its encoding",
        "bytes",
    ];
    record.add_case(what, &case, overheads);
}

fn used(store: &RedisServer) -> u64 {
    let info = store.ask(&["INFO", "memory"]);
    let line = info
        .lines()
        .find_map(|line| line.strip_prefix("used_memory:"));
    line.and_then(|bytes| bytes.trim().parse().ok())
        .expect("a number")
}
