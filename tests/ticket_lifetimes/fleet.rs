//! Machines that share only a secret: each opens what the others seal, at once.

use std::sync::Arc;
use std::time::Duration;

use rekindle::Clock;
use rekindle::openssl::ResumedBy;
use rekindle::tickets::{TicketPolicy, TicketSecret};

use crate::clock::TwoClocks;
use crate::common::{Client, Mechanism};
use crate::machine::{Machine, a_clock, hint_of, ring, secs};

/// Up for different times, with wall clocks that are apart by up to 30 seconds.
fn clocks(machines: usize) -> Vec<Arc<TwoClocks>> {
    let now = a_clock().unix_time();
    let skews = [0, 30, 11, 29, 4];
    let clock = |n: usize| TwoClocks::new(secs(5 + 1_000 * n as u64), now + secs(skews[n]));
    (0..machines).map(clock).map(Arc::new).collect()
}

fn machine(clock: &Arc<TwoClocks>, kind: Mechanism, secret: &TicketSecret) -> Machine {
    let policy = TicketPolicy::default().lifetime(secs(300));
    let ring = ring(clock).policy(policy);
    Machine::new(clock, kind, ring.secret(secret).build().unwrap())
}

fn secret(period: u64, ratchet: bool) -> TicketSecret {
    // With a ratchet that has some way to go.
    let from = a_clock().unix_time() - secs(900);
    TicketSecret::random(secs(period), ratchet.then_some(from)).unwrap()
}

fn fleet(kind: Mechanism, machines: usize, secret: &TicketSecret) -> Vec<Machine> {
    let clocks = clocks(machines);
    clocks
        .iter()
        .map(|clock| machine(clock, kind, secret))
        .collect()
}

fn each_resumes_all_others(kind: Mechanism, machines: usize, secret: &TicketSecret, seconds: u64) {
    let fleet = fleet(kind, machines, secret);
    let name = |machine: &Machine| {
        let ring = machine.resumption.ticket_ring();
        *ring.load().sealing(ring.now()).unwrap().key().name()
    };
    let mut seen: Vec<Vec<[u8; 16]>> = vec![Vec::new(); machines];
    let (mut next, mut previous) = (0, 0);
    for second in 0..seconds / 2 {
        for (machine, seen) in fleet.iter().zip(&mut seen) {
            machine.pass(2);
            seen.push(name(machine));
        }
        // By turns, so that each moment has few handshakes.
        let from = second as usize % machines;
        let client = Client::new(kind);
        fleet[from].connect(&client);
        let ticket = client.session();
        for (to, other) in fleet.iter().enumerate() {
            let before = other.stats();
            let again = other.offer(&client, &ticket);
            assert!(again.resumed(), "{kind:?}, {from} to {to}, at {second}");
            let renewed = again.resumed_by() == Some(ResumedBy::RenewedTicket);
            previous += u64::from(renewed);
            next += other.stats().opened_by[0] - before.opened_by[0];
            assert!(from != to || !renewed, "its own key");
        }
    }
    for (machine, mut seen) in fleet.iter().zip(seen) {
        seen.dedup();
        assert!(seen.len() > 1, "it has rotated");
        let stats = machine.stats();
        let refused = stats.unknown_key + stats.retired_key + stats.bad_mac + stats.expired;
        assert_eq!(refused, 0, "{stats:?}");
    }
    // A slow machine has opened what a fast one sealed with its next key, and the reverse.
    assert!(next > 0 && previous > 0, "{next}, {previous}");
}

#[test]
fn two_and_five_machines_across_rotations() {
    for kind in Mechanism::TICKETS {
        for machines in [2, 5] {
            for ratchet in [false, true] {
                each_resumes_all_others(kind, machines, &secret(60, ratchet), 150);
                each_resumes_all_others(kind, machines, &secret(15, ratchet), 60);
            }
        }
    }
}

#[test]
fn a_ticket_opens_everywhere_for_its_lifetime() {
    for kind in Mechanism::TICKETS {
        for ratchet in [false, true] {
            let secret = secret(60, ratchet);
            let fleet = fleet(kind, 5, &secret);
            for from in &fleet {
                let client = from.visitor();
                let ticket = client.session();
                let hint = hint_of(&ticket);
                assert!(hint >= 300, "{hint}");
                let mut age = 0;
                for wanted in [30, 100, 200, 269] {
                    fleet.iter().for_each(|machine| machine.pass(wanted - age));
                    age = wanted;
                    for to in &fleet {
                        assert!(to.offer(&client, &ticket).resumed(), "{kind:?}, at {age} s");
                    }
                }
                // By its own machine's clock it is younger than by those that are ahead.
                fleet.iter().for_each(|machine| machine.pass(hint - age));
                let again = from.offer(&client, &ticket);
                assert!(again.resumed(), "{kind:?}, at {hint} s");
                drop(again);
                fleet.iter().for_each(|machine| machine.pass(31));
                for to in &fleet {
                    assert!(!to.offer(&client, &ticket).resumed(), "{kind:?}");
                }
            }
        }
    }
}

#[test]
fn without_a_shared_secret_never() {
    for kind in Mechanism::TICKETS {
        let clocks = clocks(2);
        for ratchet in [false, true] {
            let a = machine(&clocks[0], kind, &secret(60, ratchet));
            let b = machine(&clocks[1], kind, &secret(60, ratchet));
            for _ in 0..40 {
                a.pass(3);
                b.pass(3);
                for (one, other) in [(&a, &b), (&b, &a)] {
                    let client = one.visitor();
                    assert!(!other.reconnect(&client).resumed(), "{kind:?}");
                }
            }
            for stats in [a.stats(), b.stats()] {
                assert_eq!((stats.unknown_key, stats.opened + stats.renewed), (40, 0));
            }
        }
    }
}

#[test]
fn one_that_starts_later_opens_what_was_sealed_before() {
    for kind in Mechanism::TICKETS {
        let secret = secret(60, false);
        let clock = a_clock();
        let old = machine(&clock, kind, &secret);
        let client = old.visitor();
        clock.pass(Duration::from_secs(200));
        let restarted = Arc::new(TwoClocks::new(secs(1), clock.unix_time()));
        let new = machine(&restarted, kind, &secret);
        assert!(new.reconnect(&client).resumed(), "{kind:?}");
    }
}
