//! Chains of renewals end, counted from their full handshake.

use std::ffi::c_int;
use std::io::{Read, Write};
use std::sync::Arc;
use std::time::Duration;

use foreign_types_shared::ForeignTypeRef;
use openssl_sys::SSL;
use rekindle::Clock;
use rekindle::openssl::{ResumedBy, ResumptionBuilder};

use crate::clock::TwoClocks;
use crate::common::{Client, Connection, Mechanism};
use crate::machine::{Machine, a_clock, given_keys, hint, hint_of, own_keys, rotating_keys, secs};
use crate::records::record;

unsafe extern "C" {
    fn SSL_new_session_ticket(ssl: *mut SSL) -> c_int;
}

pub(crate) const LIMIT: u64 = 100;
pub(crate) const TIMEOUT: u64 = 30;

pub(crate) fn limits(builder: ResumptionBuilder) -> ResumptionBuilder {
    let builder = builder.session_timeout(secs(TIMEOUT));
    builder.full_handshake_max_age(secs(LIMIT))
}

/// Resumes again and again, each time with the last ticket, on machines in turn, which share a
/// clock. Returns how old the chain was, in milliseconds, when a full handshake began another.
fn chain(machines: &[&Machine], client: &Client, mut pause: impl FnMut(usize) -> u64) -> u64 {
    let clock = &machines[0].clock;
    let began = clock.now().as_millis();
    let limit = LIMIT * 1_000;
    for n in 0.. {
        clock.pass(Duration::from_millis(pause(n)));
        let age = clock.now().as_millis() - began;
        let machine = machines[(n + 1) % machines.len()];
        machine.resumption.maintain().unwrap();
        let before = client.session().to_der().unwrap();
        if !machine.reconnect(client).resumed() {
            return age;
        }
        assert!(age < limit + 1_000, "still resumed at {age} ms");
        // At the end there is no other.
        let renewed = client.session().to_der().unwrap() != before;
        // OpenSSL has no tickets below a second.
        let hint = hint(client).max(1) * 1_000;
        let kept = !renewed || age + hint <= limit || hint == 1_000;
        assert!(kept, "told {hint} ms at {age} ms");
    }
    unreachable!("it ends");
}

#[test]
fn renewing_does_not_escape_the_limit_and_a_full_handshake_begins_anew() {
    for kind in [Mechanism::Tls13Ticket, Mechanism::Tls13Stateful] {
        for (every, ends) in [(1, 101), (7, 105), (10, 110), (29, 116)] {
            let (machine, client) = Machine::and_client(kind, |c| rotating_keys(c, 5, 40), limits);
            machine.connect(&client);
            for round in 0..3 {
                assert_eq!(hint(&client), TIMEOUT);
                let ended = chain(&[&machine], &client, |_| every * 1_000);
                let ends = ends * 1_000;
                assert_eq!(ended, ends, "{kind:?}, each {every} s, round {round}");
            }
        }
    }
}

#[test]
fn steps_of_the_time_of_day_make_a_chain_neither_shorter_nor_longer() {
    let (machine, client) = Machine::and_client(Mechanism::Tls13Ticket, own_keys, limits);
    machine.connect(&client);
    let ended = chain(&[&machine], &client, |n| {
        machine.clock.step([-40, 100, -3_600, 3_000][n % 4]);
        5_000
    });
    assert_eq!(ended, 105_000);
}

#[test]
pub(crate) fn renewals_within_seconds_count_too() {
    for kind in [Mechanism::Tls13Ticket, Mechanism::Tls13Stateful] {
        for every in [300, 700, 999] {
            let (machine, client) = Machine::and_client(kind, own_keys, limits);
            // Near the end less than a second would be left.
            machine.connect(&client);
            for _ in 0..4 {
                machine.pass(24);
                assert!(machine.reconnect(&client).resumed());
            }
            let left = chain(&[&machine], &client, |_| every);
            assert!((3_000..=5_999).contains(&left), "{kind:?}, {every}: {left}");
        }
    }
}

#[test]
pub(crate) fn a_cached_session_whose_lineage_has_ended_counts_as_expired() {
    let (machine, client) = Machine::and_client(Mechanism::Tls13Stateful, own_keys, limits);
    machine.connect(&client);
    for _ in 0..4 {
        machine.pass(24);
        assert!(machine.reconnect(&client).resumed());
    }
    for _ in 0..20 {
        // Within the one second that a session has at least.
        machine.clock.pass(Duration::from_millis(300));
        let before = machine.resumption.cache().stats();
        let resumed = machine.reconnect(&client).resumed();
        let after = machine.resumption.cache().stats();
        let counted = (after.hits - before.hits, after.expired - before.expired);
        assert_eq!(counted, (u64::from(resumed), u64::from(!resumed)));
        if !resumed {
            return;
        }
    }
    panic!("the lineage goes on");
}

#[test]
fn a_chain_over_two_machines_ends_as_well() {
    let alike = [1_000, 7_000, 25_000].map(|pause| (pause, pause));
    // Changing machines late in one second and early in the next gains nothing.
    for (one, other) in alike
        .into_iter()
        .chain([(1_300, 400), (990, 10), (10, 990)])
    {
        for offset in [0, 990] {
            let clock = a_clock();
            clock.pass(Duration::from_millis(offset));
            let build = || {
                let ring = given_keys(&clock, &record(1));
                Machine::with(&clock, Mechanism::Tls13Ticket, ring, limits)
            };
            let (a, b) = (build(), build());
            let client = Client::new(Mechanism::Tls13Ticket);
            for machines in [&[&a, &b][..], &[&a, &a, &b, &b], &[&a, &b, &b]] {
                a.connect(&client);
                let pause = |n: usize| [one, other][n % 2];
                // It may end early by a second for each change of machines.
                let ended = chain(machines, &client, pause);
                assert!(ended >= 30_000, "{one}, {other}: {ended}");
                if one % 1_000 == 0 && offset == 0 {
                    assert!(ended > LIMIT * 1_000, "{one}, {other}: {ended}");
                }
            }
        }
    }
}

#[test]
fn a_ticket_at_the_end_of_its_lineage_is_counted() {
    // A machine with another limit has told it more.
    let clock = a_clock();
    let build = |limit| {
        let ring = given_keys(&clock, &record(1));
        Machine::with(&clock, Mechanism::Tls13Ticket, ring, |b| {
            limits(b).full_handshake_max_age(secs(limit))
        })
    };
    let (strict, lax) = (build(LIMIT), build(7 * 86_400));
    let client = Client::new(Mechanism::Tls13Ticket);
    strict.connect(&client);
    for _ in 0..4 {
        lax.pass(24);
        assert!(lax.reconnect(&client).resumed());
    }
    lax.pass(4);
    let session = client.session();
    let at_the_limit = strict.offer(&client, &session);
    assert!(at_the_limit.resumed());
    drop(at_the_limit);
    lax.pass(1);
    assert!(!strict.offer(&client, &session).resumed());
    assert!(lax.offer(&client, &session).resumed());
    let stats = strict.stats();
    assert_eq!((stats.lineage_ended, stats.opened), (1, 1));
    assert_eq!(stats.expired, 0);
}

#[test]
fn rotations_do_not_prolong_a_life_of_tls_1_2() {
    for shorter in [true, false] {
        let timeout = if shorter { TIMEOUT } else { 5_000 };
        let keys = |clock: &Arc<TwoClocks>| rotating_keys(clock, 5, 400);
        let (machine, client) = Machine::and_client(Mechanism::Tls12Ticket, keys, |b| {
            limits(b).session_timeout(secs(timeout))
        });
        machine.connect(&client);
        let ends = timeout.min(LIMIT);
        let mut renewals = 0;
        for age in (3..).step_by(3) {
            machine.pass(3);
            let again = machine.reconnect(&client);
            renewals += u64::from(again.resumed_by() == Some(ResumedBy::RenewedTicket));
            assert_eq!(again.resumed(), age <= ends, "at {age} of {ends}");
            if age > ends {
                break;
            }
        }
        assert!(renewals > ends / 12, "{renewals}");
    }
}

/// Has the server send one more ticket, and the client take it.
pub(crate) fn one_more_ticket(connection: &mut Connection) {
    // SAFETY: a live connection.
    let asked = unsafe { SSL_new_session_ticket(connection.server.ssl().as_ptr()) };
    assert_eq!(asked, 1);
    connection.server.write_all(b"x").unwrap();
    connection.client.read_exact(&mut [0]).unwrap();
}

#[test]
pub(crate) fn further_tickets_of_a_long_connection_are_of_its_lineage() {
    let (machine, client) = Machine::and_client(Mechanism::Tls13Ticket, own_keys, limits);
    for resumes in [false, true] {
        let mut connection = machine.connect(&client);
        if resumes {
            connection = machine.reconnect(&client);
            assert!(connection.resumed());
        }
        machine.pass(90);
        one_more_ticket(&mut connection);
        let late = client.session();
        assert_eq!(hint_of(&late), 10, "{resumes}");
        machine.has_its_last_second_after(10, &client, &late);
        // A ticket that comes too late opens nothing.
        one_more_ticket(&mut connection);
        let before = machine.stats();
        assert!(!machine.reconnect(&client).resumed(), "{resumes}");
        let stats = machine.stats();
        assert_eq!(stats.lineage_ended, before.lineage_ended + 1, "{resumes}");
    }
}
