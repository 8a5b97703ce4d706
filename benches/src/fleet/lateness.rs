//! From a full handshake on one machine to a resumption on another.

use std::time::{Duration, Instant};

use rekindle_test_servers::RedisServer;

use super::machine::{Machine, client};
use crate::record::{Record, case, quantile};
use crate::tls::HandshakeKind;

/// Between two sessions, so that each is written by itself.
const PAUSE: Duration = Duration::from_millis(50);

/// Between two looks whether it has come.
const LOOK_AGAIN: Duration = Duration::from_micros(50);

pub(super) fn run(sessions: usize, record: &mut Record) {
    let store = RedisServer::start();
    for kind in [HandshakeKind::Tls12Id, HandshakeKind::Tls13Stateful] {
        let [a, b] = [(); 2].map(|()| Machine::of_fleet(&store.url(), |fleet| fleet));
        a.wait_for_store();
        b.wait_for_store();
        let client = client(kind);
        let took = |_| {
            std::thread::sleep(PAUSE);
            let given = a.visit(&client, None);
            let start = Instant::now();
            while !b.resumption.cache().contains(&given.id) {
                assert!(
                    start.elapsed() < Duration::from_secs(10),
                    "it does not come"
                );
                // The processor is for those that carry it.
                std::thread::sleep(LOOK_AGAIN);
            }
            assert!(b.visit(&client, Some(&given.session)).resumed);
            start.elapsed().as_secs_f64() * 1e3
        };
        took(0);
        let took: Vec<f64> = (0..sessions).map(took).collect();
        let case = case([("kind", kind.to_string())]);
        for (quantity, q) in [
            ("full handshake here to resumption there, p50", 0.5),
            ("full handshake here to resumption there, p99", 0.99),
        ] {
            let sample = vec![quantile(&took, q)];
            record.add_case(["fleet", quantity, "ms"], &case, [("rekindle", sample)]);
        }
    }
}
