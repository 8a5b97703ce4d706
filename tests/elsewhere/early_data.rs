//! Early data is the matter of the machine that has made the session: others resume it without.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use openssl::ssl::{SslContext, SslSession};
use rekindle::openssl::EarlyDataStatus;

use crate::common::{self, Client, Mechanism};
use crate::flight::{Delivered, Flight, counted};
use crate::machine::Machine;

const KIND: Mechanism = Mechanism::Tls13Stateful;

/// Two machines, a client that has been at the first one, and its session, which both have.
fn visited() -> ([Machine; 2], Client, SslSession) {
    let machines = [(); 2].map(|()| Machine::with_early_data());
    let (client, stored) = machines[0].visited(KIND);
    assert!(machines[1].insert(&stored).unwrap());
    let session = client.session();
    (machines, client, session)
}

fn deliver(client: &Client, session: &SslSession, server: &SslContext) -> Delivered {
    let flight = Flight::new(client, session, None);
    flight.complete(server).unwrap()
}

#[test]
fn another_machine_resumes_without_early_data() {
    let ([here, there], client, session) = visited();
    // What the client has said arrives once, after the handshake: `Flight::complete`.
    let came = deliver(&client, &session, &there.server());
    assert_eq!(came.status, EarlyDataStatus::Rejected);
    assert!(!came.accepted() && came.resumed);
    assert_eq!(counted(&there.resumption), [("foreign", 1)]);
    // The ticket that the other machine has given out is its own.
    let came = deliver(&client, &client.session(), &there.server());
    assert!(came.accepted() && came.resumed);
    assert_eq!(
        counted(&there.resumption),
        [("accepted", 1), ("foreign", 1)]
    );
    // The first machine accepts early data with its own, once.
    let came = deliver(&client, &session, &here.server());
    assert!(came.accepted() && came.resumed);
    let came = deliver(&client, &session, &here.server());
    assert!(!came.accepted() && !came.resumed);
    assert_eq!(
        counted(&here.resumption),
        [("accepted", 1), ("not_resumed", 1)]
    );
}

#[test]
fn a_machine_without_early_data_resumes_as_well() {
    let here = Machine::with_early_data();
    let there = Machine::new(KIND);
    let (client, stored) = here.visited(KIND);
    let session = client.session();
    assert!(there.insert(&stored).unwrap());
    let came = deliver(&client, &session, &there.server());
    assert!(!came.accepted() && came.resumed);
    assert_eq!(counted(&there.resumption), []);
    assert!(deliver(&client, &session, &here.server()).accepted());
}

/// The same bytes, delivered to all machines at the same time by a network that is not honest.
#[test]
fn of_a_flight_that_all_machines_get_one_accepts_it() {
    let mut in_all = 0;
    for _ in 0..20 {
        let ([here, there], client, session) = visited();
        let flight = Flight::new(&client, &session, None).bytes;
        let accepted = [(); 2].map(|()| AtomicUsize::new(0));
        thread::scope(|threads| {
            for (machine, accepted) in [&here, &there].into_iter().zip(&accepted) {
                let (server, flight) = (machine.server(), &flight);
                for _ in 0..4 {
                    let server = server.clone();
                    threads.spawn(move || {
                        let came = Delivered::to(&server, flight).unwrap();
                        accepted.fetch_add(came.accepted().into(), Ordering::Relaxed);
                    });
                }
            }
        });
        // None, if a connection that was refused broke off first: its session is removed.
        let [here, there] = accepted.map(AtomicUsize::into_inner);
        assert!(here <= 1 && there == 0, "{here}, {there}");
        in_all += here;
    }
    assert!(in_all >= 10, "{in_all}");
}

/// A machine reads what it has told itself.
#[test]
fn a_machine_that_is_told_its_own_session_keeps_it_as_its_own() {
    let here = Machine::with_early_data();
    let (client, stored) = here.visited(KIND);
    assert!(!here.insert(&stored).unwrap());
    let session = client.session();
    assert!(deliver(&client, &session, &here.server()).accepted());
    // The flight has taken it. What comes back is of elsewhere, and no flight is accepted again.
    assert!(here.insert(&stored).unwrap());
    let came = deliver(&client, &session, &here.server());
    assert!(!came.accepted() && came.resumed);
    assert_eq!(counted(&here.resumption), [("accepted", 1), ("foreign", 1)]);
}

#[test]
fn early_data_is_refused_elsewhere_however_sessions_are_stored() {
    common::with_other_storages(&[
        another_machine_resumes_without_early_data,
        a_machine_without_early_data_resumes_as_well,
        of_a_flight_that_all_machines_get_one_accepts_it,
        a_machine_that_is_told_its_own_session_keeps_it_as_its_own,
    ]);
}
