//! The lifetime that clients are told: never more than can be kept, never nothing.

use std::ffi::c_long;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use openssl::ssl::{SslContextBuilder, SslSession};
use openssl_sys::SSL_CTX;
use proptest::prelude::*;
use rekindle::openssl::{ResumedBy, Resumption, ResumptionBuilder};
use rekindle::tickets::{TicketKeys, TicketPolicy, TicketRing};
use rekindle::{Clock, Time};

use crate::clock::TwoClocks;
use crate::common::{Client, Mechanism, ask_for_certificates, server, server_builder};
use crate::machine::{
    HOUR, Machine, a_clock, cases, hint, own_keys, ring, rotating_keys, secs, stubborn, timed,
    timeout,
};
use crate::records::record;

unsafe extern "C" {
    fn SSL_CTX_set_timeout(context: *mut SSL_CTX, seconds: c_long) -> c_long;
}

pub(crate) fn set_timeout(context: &mut SslContextBuilder, seconds: c_long) {
    // SAFETY: a live context that no connection uses yet.
    unsafe { SSL_CTX_set_timeout(context.as_ptr(), seconds) };
}

/// The mechanisms that give the client a new session with each renewal.
const TLS13: [Mechanism; 2] = [Mechanism::Tls13Ticket, Mechanism::Tls13Stateful];

/// Two keys by their times: one takes over from the other in 100 seconds, which opens for 150.
fn two_timed_keys(clock: &Arc<TwoClocks>) -> TicketRing {
    let keys = vec![
        timed(clock, -10, 100, 150),
        timed(clock, 100, 90_000, 90_000),
    ];
    let keys = TicketKeys::new(keys).unwrap();
    ring(clock).keys(&keys).build().unwrap()
}

/// A clock that a millisecond passes by at one of its readings, or just after it, when other keys
/// come.
struct PassesAtReading {
    clock: Arc<TwoClocks>,
    left: AtomicUsize,
    update: OnceLock<Weak<TicketRing>>,
}

impl Clock for PassesAtReading {
    fn now(&self) -> Time {
        if self.left.fetch_sub(1, Ordering::SeqCst) == 1 {
            let before = self.clock.now();
            self.clock.pass(Duration::from_millis(1));
            if let Some(ring) = self.update.get().and_then(Weak::upgrade) {
                ring.replace(&TicketKeys::random().unwrap()).unwrap();
                return before;
            }
        }
        self.clock.now()
    }

    fn unix_time(&self) -> Duration {
        self.clock.unix_time()
    }
}

#[test]
fn a_key_that_takes_over_while_a_ticket_is_issued_does_not_shorten_its_lifetime() {
    for (kind, reading) in (0..24).map(|n| (Mechanism::TICKETS[n % 2], n / 2)) {
        let clock = a_clock();
        // The second key takes over at 100 seconds, and opens for 20 seconds only.
        let keys = vec![timed(&clock, -10, 100, 1_000), timed(&clock, 100, 110, 120)];
        let passes = Arc::new(PassesAtReading {
            clock: clock.clone(),
            left: AtomicUsize::new(0),
            update: OnceLock::new(),
        });
        let ring = TicketRing::builder().clock(passes.clone());
        let ring = ring.keys(&TicketKeys::new(keys).unwrap()).build().unwrap();
        let machine = Machine::new(&clock, kind, ring);
        clock.pass(Duration::from_millis(99_999));
        passes.left.store(reading, Ordering::SeqCst);
        let client = machine.visitor();
        machine.pass(hint(&client) - 1);
        let again = machine.reconnect(&client);
        assert!(again.resumed(), "{kind:?}, {reading}");
    }
}

#[test]
fn keys_that_are_replaced_while_a_ticket_is_issued_end_no_handshake() {
    for (kind, reading) in (0..24).map(|n| (Mechanism::TICKETS[n % 2], n / 2)) {
        let passes = Arc::new(PassesAtReading {
            clock: a_clock(),
            left: AtomicUsize::new(0),
            update: OnceLock::new(),
        });
        let ring = TicketRing::builder().clock(passes.clone());
        let ring = Arc::new(ring.keys(&TicketKeys::random().unwrap()).build().unwrap());
        passes.update.set(Arc::downgrade(&ring)).unwrap();
        let resumption = Resumption::builder()
            .sessions(10)
            .ticket_ring(ring)
            .build()
            .unwrap();
        let (server, client) = (server(&resumption), Client::new(kind));
        client.connect(&server);
        passes.left.store(reading, Ordering::SeqCst);
        client.connect(&server);
        client.reconnect(&server);
    }
}

proptest! {
    #![proptest_config(cases(200))]

    #[test]
    fn the_least_of_all_limits(
        timeout in 1_u64..2_000,
        key in 1_u64..2_000,
        lineage in 1_u64..2_000,
        certificate in 0_u64..2_000,
        millis in 0_u64..1_000,
        kind in 0_usize..4,
    ) {
        let kind = Mechanism::ALL[kind];
        let clock = a_clock();
        let keys = TicketKeys::new(vec![timed(&clock, -10, key as i64, key as i64)]).unwrap();
        let ring = ring(&clock).keys(&keys).build().unwrap();
        let configure = |builder: ResumptionBuilder| {
            builder.session_timeout(secs(timeout)).full_handshake_max_age(secs(lineage))
        };
        let machine = Machine::on(&clock, kind, ring, configure, ask_for_certificates);
        let until = clock.unix_time().as_secs() + certificate;
        let client = Client::with_certificate_until(kind, until);
        clock.pass(Duration::from_millis(millis));
        let first = machine.connect(&client);
        let mut least = timeout.min(certificate).min(lineage);
        if kind.stateless() {
            // The last millisecond at which it opens is one before its end.
            least = least.min((key * 1_000 - 1).saturating_sub(millis) / 1_000);
        }
        // OpenSSL has no less.
        let least = least.max(1);
        prop_assert_eq!(first.session().timeout(), least as i64, "{:?}", kind);
        if kind != Mechanism::Tls12Id {
            prop_assert_eq!(hint(&client), least, "{:?}", kind);
        }
    }
}

#[test]
fn what_the_context_has_if_nothing_says_less() {
    for kind in Mechanism::TICKETS {
        let (machine, client) = Machine::and_client(kind, own_keys, |b| b);
        machine.connect(&client);
        assert_eq!(hint(&client), 2 * HOUR, "OpenSSL's default, {kind:?}");
    }
}

#[test]
fn own_keys_promise_the_policys_lifetime_and_no_more() {
    for kind in Mechanism::TICKETS {
        let clock = a_clock();
        let machine = Machine::new(&clock, kind, rotating_keys(&clock, 100, 300));
        for _ in 0..40 {
            let client = machine.visitor();
            // Early in its period a key could open for longer, but a provider's keys may come.
            assert_eq!(hint(&client), 300, "{kind:?}");
            machine.pass(7);
        }
    }
}

#[test]
fn a_given_key_promises_what_its_maximum_age_leaves() {
    for kind in Mechanism::TICKETS {
        let clock = a_clock();
        let policy = TicketPolicy::default().period(secs(100));
        let policy = policy.lifetime(secs(400)).max_age(secs(1_000));
        let ring = ring(&clock).policy(policy);
        let keys = TicketKeys::parse(&record(1)).unwrap();
        let ring = ring.keys(&keys).build().unwrap();
        let machine = Machine::new(&clock, kind, ring);
        for (age, expected) in [(0, 999), (100, 899), (599, 400)] {
            machine.pass(age - (clock.now().as_millis() / 1_000 - 86_400));
            let client = machine.visitor();
            assert_eq!(hint(&client), expected, "{kind:?}, at {age} s");
        }
        // From now on no ticket of it could live out a lifetime: a local key takes over.
        machine.pass(1);
        let client = machine.visitor();
        assert!(machine.resumption.ticket_ring().status().fallback);
        assert_eq!(hint(&client), 400, "{kind:?}");
    }
}

#[test]
fn a_timed_key_promises_up_to_its_end_and_the_next_one_anew() {
    let clock = a_clock();
    let set = |context: &mut SslContextBuilder, _: &Resumption| set_timeout(context, 1_000);
    let kind = Mechanism::Tls13Ticket;
    let machine = Machine::on(&clock, kind, two_timed_keys(&clock), |b| b, set);
    let client = Client::new(kind);
    machine.pass(60);
    machine.connect(&client);
    assert_eq!(hint(&client), 89);
    machine.pass(39);
    assert!(machine.reconnect(&client).resumed());
    assert_eq!(hint(&client), 50);
    machine.pass(21);
    let renewed = machine.reconnect(&client);
    assert_eq!(renewed.resumed_by(), Some(ResumedBy::RenewedTicket));
    assert_eq!(hint(&client), 1_000, "the context's own again");
}

#[test]
fn renewals_are_told_the_configured_lifetime_again() {
    for kind in TLS13 {
        let (machine, client) = Machine::and_client(kind, own_keys, timeout(500));
        machine.connect(&client);
        for _ in 0..20 {
            machine.pass(400);
            assert!(machine.reconnect(&client).resumed());
            assert_eq!(hint(&client), 500, "{kind:?}");
        }
    }
}

#[test]
fn a_renewed_ticket_of_tls_1_2_keeps_the_lifetime_that_its_first_was_told() {
    let keys = |clock: &Arc<TwoClocks>| rotating_keys(clock, 50, 300);
    let (machine, client) = Machine::and_client(Mechanism::Tls12Ticket, keys, timeout(200));
    machine.connect(&client);
    for _ in 0..3 {
        machine.pass(60);
        let again = machine.reconnect(&client);
        assert_eq!(again.resumed_by(), Some(ResumedBy::RenewedTicket));
        assert_eq!(again.session().timeout(), 200);
        // OpenSSL's own habit in renewals of TLS 1.2: no lifetime.
        assert_eq!(hint(&client), 0);
    }
}

#[test]
fn a_context_without_a_timeout_has_openssls_default() {
    let set = |context: &mut SslContextBuilder, _: &Resumption| set_timeout(context, 0);
    for kind in Mechanism::ALL.into_iter().skip(1) {
        let clock = a_clock();
        let machine = Machine::on(&clock, kind, own_keys(&clock), |b| b, set);
        let client = machine.visitor();
        assert_eq!(hint(&client), 2 * HOUR, "{kind:?}");
        if kind == Mechanism::Tls12Ticket {
            continue;
        }
        for _ in 0..5 {
            machine.pass(HOUR);
            assert!(machine.reconnect(&client).resumed());
            assert_eq!(hint(&client), 2 * HOUR, "{kind:?}");
        }
    }
    // Also after a ticket with a shorter lifetime.
    let (clock, kind) = (a_clock(), Mechanism::Tls13Ticket);
    let machine = Machine::on(&clock, kind, two_timed_keys(&clock), |b| b, set);
    let client = machine.visitor();
    assert_eq!(hint(&client), 149);
    machine.pass(110);
    assert!(machine.reconnect(&client).resumed());
    assert_eq!(hint(&client), 2 * HOUR);
}

#[test]
fn when_sni_swaps_the_context_the_first_ones_timeout_holds() {
    for kind in TLS13 {
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
        let machine = Machine::on(&clock, kind, own_keys(&clock), |b| b, swap);
        let client = Client::new(kind);
        let connect = |session: Option<&SslSession>| {
            let name = Some("other.example");
            client.try_connect(&machine.server, session, name).unwrap()
        };
        connect(None);
        assert_eq!(hint(&client), 300, "{kind:?}");
        for _ in 0..3 {
            machine.pass(200);
            let session = stubborn(&clock, &client.session());
            assert!(connect(Some(&session)).resumed(), "{kind:?}");
            assert_eq!(hint(&client), 300, "{kind:?}");
        }
    }
}

#[test]
fn renewals_near_the_end_of_a_certificate_are_told_what_is_left_of_it() {
    for kind in TLS13 {
        let clock = a_clock();
        let machine = Machine::on(&clock, kind, own_keys(&clock), |b| b, ask_for_certificates);
        let until = clock.unix_time().as_secs() + 1_000;
        let client = Client::with_certificate_until(kind, until);
        machine.connect(&client);
        assert_eq!(hint(&client), 1_000, "{kind:?}");
        for left in [700, 400, 100, 1] {
            let now = clock.unix_time().as_secs();
            machine.pass(until - left - now);
            assert!(machine.reconnect(&client).resumed(), "{kind:?}, {left}");
            assert_eq!(hint(&client), left, "{kind:?}");
        }
        machine.pass(2);
        assert!(!machine.reconnect(&client).resumed(), "{kind:?}");
        assert_eq!(hint(&client), 1, "{kind:?}");
    }
}
