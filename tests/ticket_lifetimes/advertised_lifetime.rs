//! What clients are told of their tickets' lifetime: never more than can be kept, never nothing.

use std::ffi::c_long;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use openssl::ssl::{SslContextBuilder, SslVerifyMode};
use openssl_sys::SSL_CTX;
use proptest::prelude::*;
use rekindle::openssl::{ResumedBy, Resumption};
use rekindle::tickets::{TicketKeys, TicketPolicy, TicketRing};
use rekindle::{Clock, Time};

use crate::clock::TwoClocks;
use crate::common::{Client, Way, server_builder};
use crate::machine::{
    HOUR, Machine, TICKETS, a_clock, hint, own_keys, ring, rotating_keys, secs, timed, told,
};
use crate::records::record;

unsafe extern "C" {
    fn SSL_CTX_set_timeout(context: *mut SSL_CTX, seconds: c_long) -> c_long;
}

pub(crate) fn set_timeout(context: &mut SslContextBuilder, seconds: c_long) {
    // SAFETY: a live context that nobody uses yet.
    unsafe { SSL_CTX_set_timeout(context.as_ptr(), seconds) };
}

/// The server asks clients for a certificate, and takes any.
pub(crate) fn mutual(context: &mut SslContextBuilder, _: &Resumption) {
    let mode = SslVerifyMode::PEER | SslVerifyMode::FAIL_IF_NO_PEER_CERT;
    context.set_verify_callback(mode, |_, _| true);
}

/// Two keys by their times: one takes over from the other in 100 seconds, which opens for 150.
fn two_timed_keys(clock: &Arc<TwoClocks>) -> TicketRing {
    let keys = vec![
        timed(clock, -10, 100, 150),
        timed(clock, 100, 90_000, 90_000),
    ];
    let keys = TicketKeys::new(keys).unwrap();
    ring(clock).keys(&keys).build().unwrap()
}

/// A clock that a millisecond passes by at one of its readings.
struct PassesAtReading {
    clock: Arc<TwoClocks>,
    left: AtomicUsize,
}

impl Clock for PassesAtReading {
    fn now(&self) -> Time {
        if self.left.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.clock.pass(Duration::from_millis(1));
        }
        self.clock.now()
    }

    fn unix_time(&self) -> Duration {
        self.clock.unix_time()
    }
}

#[test]
fn a_key_that_takes_over_while_a_ticket_is_issued_does_not_shorten_its_lifetime() {
    for (way, reading) in TICKETS
        .into_iter()
        .flat_map(|way| (1..12).map(move |n| (way, n)))
    {
        let clock = a_clock();
        // The second key takes over at 100 seconds, and opens for 20 seconds only.
        let keys = vec![timed(&clock, -10, 100, 1_000), timed(&clock, 100, 110, 120)];
        let passes = Arc::new(PassesAtReading {
            clock: clock.clone(),
            left: AtomicUsize::new(0),
        });
        let ring = TicketRing::builder().clock(passes.clone());
        let ring = ring.keys(&TicketKeys::new(keys).unwrap()).build().unwrap();
        let machine = Machine::new(&clock, way, ring);
        clock.pass(Duration::from_millis(99_999));
        passes.left.store(reading, Ordering::SeqCst);
        let client = Client::new(way);
        machine.connect(&client);
        let ticket = client.session();
        machine.pass(hint(&ticket) - 1);
        assert!(
            machine.offer(&client, &ticket).resumed(),
            "{way:?}, {reading}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_least_of_all_limits(
        timeout in 1_u64..2_000,
        key in 1_u64..2_000,
        lineage in 1_u64..2_000,
        certificate in 0_u64..2_000,
        millis in 0_u64..1_000,
        way in 0_usize..4,
    ) {
        let way = Way::ALL[way];
        let clock = a_clock();
        let keys = TicketKeys::new(vec![timed(&clock, -10, key as i64, key as i64)]).unwrap();
        let ring = ring(&clock).keys(&keys).build().unwrap();
        let configure = |builder: rekindle::openssl::ResumptionBuilder| {
            builder.session_timeout(secs(timeout)).full_handshake_max_age(secs(lineage))
        };
        let machine = Machine::on(&clock, way, ring, configure, mutual);
        let until = clock.unix_time().as_secs() + certificate;
        let client = Client::with_certificate_until(way, until);
        clock.pass(Duration::from_millis(millis));
        let first = machine.connect(&client);
        let mut least = timeout.min(certificate).min(lineage);
        if way.stateless() {
            // The last millisecond at which it opens is one before its end.
            least = least.min((key * 1_000 - 1).saturating_sub(millis) / 1_000);
        }
        // OpenSSL cannot do with less.
        let least = least.max(1);
        let session = first.server.ssl().session().unwrap();
        prop_assert_eq!(session.timeout(), least as i64, "{:?}", way);
        if way != Way::Tls12Id {
            prop_assert_eq!(told(&client), least, "{:?}", way);
        }
    }
}

#[test]
fn what_the_context_has_if_nothing_says_less() {
    for way in TICKETS {
        let clock = a_clock();
        let machine = Machine::new(&clock, way, own_keys(&clock));
        let client = Client::new(way);
        machine.connect(&client);
        assert_eq!(told(&client), 2 * HOUR, "OpenSSL's default, {way:?}");
    }
}

#[test]
fn own_keys_promise_the_policys_lifetime_and_no_more() {
    for way in TICKETS {
        let clock = a_clock();
        let machine = Machine::new(&clock, way, rotating_keys(&clock, 100, 300));
        for _ in 0..40 {
            let client = Client::new(way);
            machine.connect(&client);
            // Early in its period a key could open for longer, were it not for somebody who provides keys.
            assert_eq!(told(&client), 300, "{way:?}");
            machine.pass(7);
        }
    }
}

#[test]
fn a_given_key_promises_what_its_maximum_age_leaves() {
    for way in TICKETS {
        let clock = a_clock();
        let policy = TicketPolicy::default().period(secs(100));
        let policy = policy.lifetime(secs(400)).max_age(secs(1_000));
        let ring = ring(&clock).policy(policy);
        let keys = TicketKeys::parse(&record(1)).unwrap();
        let ring = ring.keys(&keys).build().unwrap();
        let machine = Machine::new(&clock, way, ring);
        for (age, expected) in [(0, 999), (100, 899), (599, 400)] {
            machine.pass(age - (clock.now().as_millis() / 1_000 - 86_400));
            let client = Client::new(way);
            machine.connect(&client);
            assert_eq!(told(&client), expected, "{way:?}, at {age} s");
        }
        // From now on nothing that it sealed could live out a lifetime: a key of our own takes over.
        machine.pass(1);
        let client = Client::new(way);
        machine.connect(&client);
        assert!(machine.resumption.ticket_ring().status().fallback);
        assert_eq!(told(&client), 400, "{way:?}");
    }
}

#[test]
fn a_timed_key_promises_up_to_its_end_and_the_next_one_anew() {
    let clock = a_clock();
    let set = |context: &mut SslContextBuilder, _: &Resumption| set_timeout(context, 1_000);
    let way = Way::Tls13Ticket;
    let machine = Machine::on(&clock, way, two_timed_keys(&clock), |b| b, set);
    let client = Client::new(way);
    machine.pass(60);
    machine.connect(&client);
    assert_eq!(told(&client), 89);
    machine.pass(39);
    assert!(machine.reconnect(&client).resumed());
    assert_eq!(told(&client), 50);
    machine.pass(21);
    let renewed = machine.reconnect(&client);
    assert_eq!(renewed.resumed_by(), Some(ResumedBy::RenewedTicket));
    assert_eq!(told(&client), 1_000, "the context's own again");
}

#[test]
fn renewals_are_told_the_configured_lifetime_again() {
    let clock = a_clock();
    let configure = |b: rekindle::openssl::ResumptionBuilder| b.session_timeout(secs(500));
    for way in [Way::Tls13Ticket, Way::Tls13Stateful] {
        let machine = Machine::with(&clock, way, own_keys(&clock), configure);
        let client = Client::new(way);
        machine.connect(&client);
        for _ in 0..20 {
            machine.pass(400);
            assert!(machine.reconnect(&client).resumed());
            assert_eq!(told(&client), 500, "{way:?}");
        }
    }
}

#[test]
fn a_renewed_ticket_of_tls_1_2_keeps_the_lifetime_that_its_first_was_told() {
    let clock = a_clock();
    let machine = Machine::with(
        &clock,
        Way::Tls12Ticket,
        rotating_keys(&clock, 50, 300),
        |b| b.session_timeout(secs(200)),
    );
    let client = Client::new(Way::Tls12Ticket);
    machine.connect(&client);
    for _ in 0..3 {
        machine.pass(60);
        let again = machine.reconnect(&client);
        assert_eq!(again.resumed_by(), Some(ResumedBy::RenewedTicket));
        let session = again.server.ssl().session().unwrap();
        assert_eq!(session.timeout(), 200);
        // OpenSSL's own habit in renewals of TLS 1.2: it leaves the lifetime unsaid.
        assert_eq!(told(&client), 0);
    }
}

#[test]
fn a_context_without_a_timeout_has_openssls_default() {
    let set = |context: &mut SslContextBuilder, _: &Resumption| set_timeout(context, 0);
    for way in [Way::Tls12Ticket, Way::Tls13Ticket, Way::Tls13Stateful] {
        let clock = a_clock();
        let machine = Machine::on(&clock, way, own_keys(&clock), |b| b, set);
        let client = Client::new(way);
        machine.connect(&client);
        assert_eq!(told(&client), 2 * HOUR, "{way:?}");
        if way == Way::Tls12Ticket {
            continue;
        }
        for _ in 0..5 {
            machine.pass(HOUR);
            assert!(machine.reconnect(&client).resumed());
            assert_eq!(told(&client), 2 * HOUR, "{way:?}");
        }
    }
    // Also after one that was told less.
    let (clock, way) = (a_clock(), Way::Tls13Ticket);
    let machine = Machine::on(&clock, way, two_timed_keys(&clock), |b| b, set);
    let client = Client::new(way);
    machine.connect(&client);
    assert_eq!(told(&client), 149);
    machine.pass(110);
    assert!(machine.reconnect(&client).resumed());
    assert_eq!(told(&client), 2 * HOUR);
}

#[test]
fn when_sni_swaps_the_context_the_first_ones_timeout_holds() {
    for way in [Way::Tls13Ticket, Way::Tls13Stateful] {
        let clock = a_clock();
        let swap = |front: &mut SslContextBuilder, resumption: &Resumption| {
            set_timeout(front, 300);
            let mut back = server_builder(b"tests");
            resumption.install(&mut back).unwrap();
            let back = back.build();
            front.set_servername_callback(move |ssl, _| {
                ssl.set_ssl_context(&back).unwrap();
                Ok(())
            });
        };
        let machine = Machine::on(&clock, way, own_keys(&clock), |b| b, swap);
        let client = Client::new(way);
        client
            .try_connect(&machine.server, None, Some("other.example"))
            .unwrap();
        assert_eq!(told(&client), 300, "{way:?}");
        for _ in 0..3 {
            machine.pass(200);
            let session = crate::machine::stubborn(&clock, &client.session());
            let again = client
                .try_connect(&machine.server, Some(&session), Some("other.example"))
                .unwrap();
            assert!(again.resumed(), "{way:?}");
            assert_eq!(told(&client), 300, "{way:?}");
        }
    }
}

#[test]
fn renewals_near_the_end_of_a_certificate_are_told_what_is_left_of_it() {
    for way in [Way::Tls13Ticket, Way::Tls13Stateful] {
        let clock = a_clock();
        let machine = Machine::on(&clock, way, own_keys(&clock), |b| b, mutual);
        let until = clock.unix_time().as_secs() + 1_000;
        let client = Client::with_certificate_until(way, until);
        machine.connect(&client);
        assert_eq!(told(&client), 1_000, "{way:?}");
        for left in [700, 400, 100, 1] {
            let now = clock.unix_time().as_secs();
            machine.pass(until - left - now);
            assert!(machine.reconnect(&client).resumed(), "{way:?}, {left}");
            assert_eq!(told(&client), left, "{way:?}");
        }
        machine.pass(2);
        assert!(!machine.reconnect(&client).resumed(), "{way:?}");
        assert_eq!(told(&client), 1, "{way:?}");
    }
}
