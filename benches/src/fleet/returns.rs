//! Clients that come back to three machines in turn, beside one machine.

use std::time::Duration;

use openssl::ssl::SslSession;
use rekindle_fleet::{FleetBuilder, Sharing};
use rekindle_test_servers::RedisServer;

use super::machine::{Machine, client};
use crate::record::{Record, case};
use crate::tls::HandshakeKind;

/// How long after its handshake a client comes back.
const PAUSES: [(&str, Duration); 3] = [
    ("at once", Duration::ZERO),
    ("after 5 ms", Duration::from_millis(5)),
    ("after a second", Duration::from_secs(1)),
];

pub(super) fn run(clients: usize, record: &mut Record) {
    let store = RedisServer::start();
    for kind in [HandshakeKind::Tls12Id, HandshakeKind::Tls13Stateful] {
        for (when, pause) in PAUSES {
            let mut shares = vec![(
                "one machine".to_owned(),
                vec![share(&[Machine::alone()], kind, clients, pause)],
            )];
            for sharing in [Sharing::Replicate, Sharing::Both, Sharing::Fetch] {
                store.ask(&["FLUSHALL"]);
                let set = |fleet: FleetBuilder| fleet.sharing(sharing);
                let machines = [(); 3].map(|()| Machine::of_fleet(&store.url(), set));
                machines.iter().for_each(Machine::wait_for_store);
                let share = share(&machines, kind, clients, pause);
                shares.push((format!("three, {sharing:?}").to_lowercase(), vec![share]));
            }
            let case = case([
                ("kind", kind.to_string()),
                ("clients come back", when.into()),
            ]);
            record.add_case(["fleet", "handshakes that resume", "%"], &case, shares);
        }
    }
}

/// Of the clients' second and third visits.
fn share(machines: &[Machine], kind: HandshakeKind, clients: usize, pause: Duration) -> f64 {
    let client = client(kind);
    let mut number = 0;
    let mut visit = |session: Option<&SslSession>| {
        number += 1;
        machines[number % machines.len()].visit(&client, session)
    };
    // Those that wait, wait together.
    let group = if pause < Duration::from_millis(100) {
        1
    } else {
        clients
    };
    let (mut resumed, mut visits) = (0, 0);
    for _ in 0..clients.div_ceil(group) {
        let mut sessions: Vec<_> = (0..group).map(|_| visit(None).session).collect();
        for _ in 0..2 {
            std::thread::sleep(pause);
            for session in &mut sessions {
                let again = visit(Some(session));
                resumed += usize::from(again.resumed);
                visits += 1;
                *session = again.session;
            }
        }
    }
    resumed as f64 * 100.0 / visits as f64
}
