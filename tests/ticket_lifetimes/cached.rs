//! What went wrong once: writes to sessions of the cache, certificates and keys in their last
//! seconds, tickets older than the clock.

use std::time::Duration;

use rekindle::openssl::ResumedBy;
use rekindle::tickets::TicketKeys;
use rekindle::{Clock, SessionId};

use crate::clock::TwoClocks;
use crate::common::{self, Client, Mechanism, ask_for_certificates};
use crate::machine::{
    HOUR, Machine, a_clock, given_keys, hint, own_keys, ring, secs, stubborn, timed, timeout,
};
use crate::records::record;
use crate::{last_second, lineage, wall_clock};

#[test]
fn the_session_in_the_cache_is_never_written_to() {
    for seconds in [100, 7 * 24 * HOUR] {
        let (machine, _) = Machine::and_client(Mechanism::Tls12Ticket, own_keys, timeout(seconds));
        let without = Client::without_tickets(Mechanism::Tls12Id);
        drop(machine.connect(&without));
        let session = without.session();
        let id = SessionId::new(session.id()).unwrap();
        let cached = machine
            .resumption
            .cache()
            .get_session(&id)
            .expect("is cached");
        let before = cached.to_der().unwrap();
        for age in [0, 50, 90] {
            machine.pass(clock_until(&machine.clock, age));
            // A client that takes tickets: the session comes from the cache, and goes into one.
            let sealed = machine.stats().sealed;
            let client = Client::new(Mechanism::Tls12Ticket);
            let again = machine.offer(&client, &session);
            assert_eq!(again.resumed_by(), Some(ResumedBy::SessionId));
            assert_eq!(machine.stats().sealed, sealed + 1);
            assert_eq!(cached.to_der().unwrap(), before, "{seconds}, at {age} s");
        }
    }
}

/// How long until the clock has been going for that many seconds.
fn clock_until(clock: &TwoClocks, seconds: u64) -> u64 {
    seconds + 86_400 - clock.now().as_millis() / 1_000
}

#[test]
fn the_session_behind_a_stateful_ticket_is_never_written_to() {
    let (machine, client) = Machine::and_client(Mechanism::Tls13Stateful, own_keys, |b| {
        timeout(100)(b).full_handshake_max_age(secs(150))
    });
    drop(machine.connect(&client));
    let all = || -> Vec<(SessionId, Vec<u8>)> {
        let cache = machine.resumption.cache().pin();
        let all = cache.iter();
        all.map(|entry| (*entry.id(), entry.value().live().unwrap().to_der().unwrap()))
            .collect()
    };
    for _ in 0..3 {
        let before = all();
        machine.pass(40);
        assert!(machine.reconnect(&client).resumed());
        for (id, der) in before {
            if let Some(session) = machine.resumption.cache().get_session(&id) {
                assert_eq!(session.to_der().unwrap(), der);
            }
        }
    }
}

#[test]
fn a_ticket_of_a_cached_session_begins_no_new_life() {
    let (machine, client) = Machine::and_client(Mechanism::Tls12Ticket, own_keys, timeout(100));
    let without = Client::without_tickets(Mechanism::Tls12Id);
    drop(machine.connect(&without));
    machine.pass(90);
    let by_id = machine.offer(&client, &without.session());
    assert_eq!(by_id.resumed_by(), Some(ResumedBy::SessionId));
    drop(by_id);
    let ticket = client.session();
    machine.has_its_last_second_after(10, &client, &ticket);
    assert_eq!(machine.stats().expired, 1);
}

#[test]
fn a_certificate_that_has_ended_kills_no_handshake() {
    for kind in Mechanism::ALL {
        for ended in [0, 1, 2 * 24 * HOUR] {
            let clock = a_clock();
            let machine = Machine::on(&clock, kind, own_keys(&clock), |b| b, ask_for_certificates);
            let until = clock.unix_time().as_secs() - ended;
            let client = Client::with_certificate_until(kind, until);
            for _ in 0..2 {
                let full = machine.connect(&client);
                assert!(!full.resumed(), "{kind:?}, {ended} s ago");
                assert!(full.server.ssl().peer_certificate().is_some());
                drop(full);
                // No session outlives it for long.
                let session = client.session();
                machine.pass(2);
                let again = machine.offer(&client, &session);
                assert!(!again.resumed(), "{kind:?}, {ended} s ago");
            }
        }
    }
}

#[test]
fn a_certificate_that_ends_meanwhile_ends_the_session() {
    for kind in Mechanism::ALL {
        let clock = a_clock();
        let machine = Machine::on(&clock, kind, own_keys(&clock), |b| b, ask_for_certificates);
        let until = clock.unix_time().as_secs() + 60;
        let client = Client::with_certificate_until(kind, until);
        machine.connect(&client);
        let session = client.session();
        machine.has_its_last_second_after(60, &client, &session);
    }
}

#[test]
fn the_last_second_of_a_key_kills_no_handshake() {
    for kind in Mechanism::TICKETS {
        let clock = a_clock();
        let keys = TicketKeys::new(vec![timed(&clock, -3_600, 100, 100)]).unwrap();
        let ring = ring(&clock).keys(&keys).build().unwrap();
        let machine = Machine::new(&clock, kind, ring);
        let of_the_key = |machine: &Machine| !machine.resumption.ticket_ring().status().fallback;
        // (at, in milliseconds; the lifetime that its client is told)
        let moments = [(98_000, 1), (99_000, 1), (99_500, 1), (99_999, 1)];
        for (at, expected) in moments {
            let now = clock.now().as_millis() - 86_400_000;
            clock.pass(Duration::from_millis(at - now));
            machine.resumption.maintain().unwrap();
            let client = machine.visitor();
            assert!(of_the_key(&machine));
            assert_eq!(hint(&client), expected, "{kind:?}, at {at} ms");
            assert!(machine.reconnect(&client).resumed(), "{kind:?}, at {at} ms");
        }
        clock.pass(Duration::from_millis(1));
        machine.resumption.maintain().unwrap();
        let client = machine.visitor();
        assert!(!of_the_key(&machine));
        assert_eq!(hint(&client), 2 * HOUR, "{kind:?}");
        assert!(machine.reconnect(&client).resumed(), "{kind:?}");
    }
}

#[test]
fn a_ticket_that_is_older_than_the_clock_lives_as_long_as_any() {
    for kind in Mechanism::TICKETS {
        // A machine that has just started, and one that has been up for a day.
        for up in [5, 86_400] {
            let first = a_clock();
            let configure = timeout(100);
            let a = Machine::with(&first, kind, given_keys(&first, &record(1)), configure);
            let client = a.visitor();
            let unix = first.unix_time() + secs(90);
            let clock = std::sync::Arc::new(TwoClocks::new(secs(up), unix));
            let keys = given_keys(&clock, &[record(2), record(1)].concat());
            let b = Machine::with(&clock, kind, keys, configure);
            let renewed = b.reconnect(&client);
            assert_eq!(renewed.resumed_by(), Some(ResumedBy::RenewedTicket));
            drop(renewed);
            let ticket = client.session();
            // In TLS 1.2 the session goes on that has 10 seconds left, in 1.3 another has begun.
            let goes_on = kind == Mechanism::Tls12Ticket;
            b.has_its_last_second_after(if goes_on { 10 } else { 100 }, &client, &ticket);
        }
    }
}

#[test]
fn many_that_resume_one_cached_session_at_once_do_not_meet() {
    let clock = a_clock();
    let machine = Machine::new(&clock, Mechanism::Tls12Ticket, own_keys(&clock));
    let without = Client::without_tickets(Mechanism::Tls12Id);
    drop(machine.connect(&without));
    let session = stubborn(&clock, &without.session()).to_der().unwrap();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                wall_clock::is_by(&machine.clock);
                let client = Client::new(Mechanism::Tls12Ticket);
                let session = openssl::ssl::SslSession::from_der(&session).unwrap();
                for _ in 0..50 {
                    assert!(client.offer(&machine.server, &session).resumed());
                }
            });
        }
    });
}

#[test]
fn sessions_end_alike_however_they_are_stored() {
    common::with_other_storages(&[
        the_session_in_the_cache_is_never_written_to,
        a_ticket_of_a_cached_session_begins_no_new_life,
        a_certificate_that_has_ended_kills_no_handshake,
        a_certificate_that_ends_meanwhile_ends_the_session,
        lineage::renewals_within_seconds_count_too,
        lineage::a_cached_session_whose_lineage_has_ended_counts_as_expired,
        lineage::further_tickets_of_a_long_connection_are_of_its_lineage,
        last_second::the_last_second_counts_and_the_next_does_not,
    ]);
}
