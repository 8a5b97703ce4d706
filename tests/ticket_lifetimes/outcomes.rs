//! Each ticket that comes back moves its counters, and no others.

use std::time::Duration;

use openssl::ssl::{SslContext, SslContextBuilder, SslOptions, SslSession, SslSessionRef};
use rekindle::openssl::TicketStats;
use rekindle::tickets::{KeyEntry, KeyLocation, KeyRole, TicketKey, TicketKeys};

use crate::common::{Client, Mechanism, server_builder};
use crate::forge::forge;
use crate::machine::{HOUR, Machine, given_key, given_keys, own_keys, stubborn, timeout};
use crate::records::record;
use crate::wall_clock;

/// What was counted in between; every field.
fn less(after: TicketStats, before: TicketStats) -> TicketStats {
    let mut moved = TicketStats::default();
    macro_rules! subtract {
        ($($field:ident)*) => { $(moved.$field = after.$field - before.$field;)* };
    }
    subtract!(sealed opened renewed ages_sum unknown_key retired_key bad_mac malformed);
    subtract!(expired lineage_ended context_differs unusable not_sealed);
    moved.opened_by = std::array::from_fn(|i| after.opened_by[i] - before.opened_by[i]);
    moved.ages = std::array::from_fn(|i| after.ages[i] - before.ages[i]);
    moved
}

/// Fields that are not named have not moved.
macro_rules! counted {
    ($($field:ident: $value:expr),* $(,)?) => {{
        #[allow(unused_mut)]
        let mut stats = TicketStats::default();
        $(stats.$field = $value;)*
        stats
    }};
}

fn at<const N: usize>(place: usize) -> [u64; N] {
    let mut places = [0; N];
    places[place] = 1;
    places
}

struct Scene {
    kind: Mechanism,
    machine: Machine,
    client: Client,
    ticket: SslSession,
}

impl Scene {
    /// A ticket has come from a machine with these keys, and from a full handshake.
    fn new(kind: Mechanism, records: &[u8]) -> Self {
        let (machine, client) = Machine::and_client(kind, |c| given_keys(c, records), |b| b);
        let before = machine.stats();
        drop(machine.connect(&client));
        let ticket = client.session();
        let this = Self {
            kind,
            machine,
            client,
            ticket,
        };
        this.check("full", before, counted!(sealed: this.full()));
        this
    }

    /// Tickets that a full handshake seals.
    fn full(&self) -> u64 {
        1 + self.again()
    }

    /// Tickets that a resumption seals whose ticket needs no renewal.
    fn again(&self) -> u64 {
        u64::from(self.kind == Mechanism::Tls13Ticket)
    }

    fn check(&self, what: &str, before: TicketStats, expected: TicketStats) {
        let moved = less(self.machine.stats(), before);
        assert_eq!(moved, expected, "{:?}: {what}", self.kind);
    }

    fn comes(&self, what: &str, session: &SslSessionRef, resumes: bool, expected: TicketStats) {
        self.comes_to(&self.machine.server, what, session, resumes, expected);
    }

    fn comes_to(
        &self,
        server: &SslContext,
        what: &str,
        session: &SslSessionRef,
        resumes: bool,
        expected: TicketStats,
    ) {
        wall_clock::is_by(&self.machine.clock);
        let before = self.machine.stats();
        let session = stubborn(&self.machine.clock, session);
        let again = self.client.offer(server, &session);
        assert_eq!(again.resumed(), resumes, "{:?}: {what}", self.kind);
        drop(again);
        self.check(what, before, expected);
    }
}

#[test]
fn opened_and_renewed_by_the_place_of_their_key() {
    for kind in Mechanism::TICKETS {
        let scene = Scene::new(kind, &record(1));
        let ring = scene.machine.resumption.ticket_ring();
        // Key 1 seals, then it is the one before, the second before, and so on.
        for behind in 0..10_usize {
            let keys = (1..=behind as u8 + 1).rev().map(record);
            let keys = keys.collect::<Vec<_>>().concat();
            if behind > 0 {
                ring.update(&keys).unwrap();
            }
            let by = at((1 + behind).min(TicketStats::PLACES - 1));
            let expected = match behind {
                0 => counted!(opened: 1, opened_by: by, ages: at(0), sealed: scene.again()),
                _ => counted!(renewed: 1, opened_by: by, ages: at(0), sealed: 1),
            };
            scene.comes("resumes", &scene.ticket, true, expected);
        }
    }
}

#[test]
fn opened_by_a_key_that_is_to_come() {
    for kind in Mechanism::TICKETS {
        // As in HAProxy's files: the next one, the one that seals.
        let scene = Scene::new(kind, &record(2));
        let given = |number, role, at| {
            let record = record(number);
            let name = *record.first_chunk().unwrap();
            let key = TicketKey::new(name, &record[16..32], &record[32..]).unwrap();
            KeyEntry::new(key, role, KeyLocation::record(at))
        };
        let keys = vec![given(2, KeyRole::Next, 0), given(1, KeyRole::Seal, 1)];
        let ring = scene.machine.resumption.ticket_ring();
        ring.replace(&TicketKeys::new(keys).unwrap()).unwrap();
        let expected = counted!(opened: 1, opened_by: at(0), ages: at(0), sealed: scene.again());
        scene.comes("next", &scene.ticket, true, expected);
    }
}

#[test]
fn opened_at_every_age() {
    for kind in Mechanism::TICKETS {
        let (machine, client) = Machine::and_client(kind, given_key(1), timeout(604_800));
        machine.connect(&client);
        let ticket = client.session();
        let mut ages: Vec<(u64, usize)> = vec![(0, 0)];
        for (bucket, bound) in TicketStats::AGES.into_iter().enumerate() {
            ages.push((bound, bucket));
            if bound < 604_800 {
                ages.push((bound + 1, bucket + 1));
            }
        }
        ages.dedup_by_key(|(age, _)| *age);
        let mut passed = 0;
        for (age, bucket) in ages {
            machine.pass(age - passed);
            passed = age;
            let before = machine.stats();
            assert!(machine.offer(&client, &ticket).resumed(), "{kind:?}, {age}");
            let moved = less(machine.stats(), before);
            assert_eq!(moved.ages, at(bucket), "{kind:?}, {age}");
            assert_eq!((moved.ages_sum, moved.opened), (age, 1), "{kind:?}, {age}");
        }
    }
}

#[test]
fn keys_that_are_unknown_or_have_left() {
    for kind in Mechanism::TICKETS {
        let scene = Scene::new(kind, &record(1));
        let ring = scene.machine.resumption.ticket_ring();
        ring.update(&record(2)).unwrap();
        let expected = counted!(retired_key: 1, sealed: scene.full());
        scene.comes("retired", &scene.ticket, false, expected);
        let other = Scene::new(kind, &record(3));
        let expected = counted!(unknown_key: 1, sealed: scene.full());
        other.comes("unknown", &scene.ticket, false, expected);
    }
}

#[test]
fn forged_damaged_and_cut_tickets() {
    for kind in Mechanism::TICKETS {
        let scene = Scene::new(kind, &record(7));
        let full = scene.full();
        // Name, initialisation vector, first and last bytes of what is encrypted.
        for byte in [0, 5, 15, 16, 31, 32, 60, 100, 150] {
            let damaged = forge(&scene.ticket, |ticket| ticket[byte] ^= 0x40);
            let expected = match byte {
                0..16 => counted!(unknown_key: 1, sealed: full),
                _ => counted!(bad_mac: 1, sealed: full),
            };
            scene.comes(&format!("byte {byte}"), &damaged, false, expected);
        }
        // Under the same name, but another key.
        let mut other = record(7);
        other[40] ^= 1;
        other[20] ^= 1;
        let elsewhere = Scene::new(kind, &other);
        let expected = counted!(bad_mac: 1, sealed: full);
        elsewhere.comes("another key", &scene.ticket, false, expected);
        let whole = counted!(opened: 1, opened_by: at(1), ages: at(0), sealed: scene.again());
        scene.comes("whole", &scene.ticket, true, whole);
    }
}

#[test]
fn what_is_too_short_to_be_a_ticket() {
    for kind in Mechanism::TICKETS {
        let scene = Scene::new(kind, &record(7));
        for len in [19, 31] {
            let short = forge(&scene.ticket, |ticket| ticket.truncate(len));
            let expected = counted!(malformed: 1, sealed: scene.full());
            scene.comes("short", &short, false, expected);
        }
    }
}

#[test]
fn those_that_are_too_old() {
    for kind in Mechanism::TICKETS {
        let scene = Scene::new(kind, &record(1));
        scene.machine.pass(2 * HOUR);
        let bucket = TicketStats::AGES.iter().position(|age| *age == 3 * HOUR);
        let ages = at(bucket.unwrap());
        let expected = counted! {
            opened: 1, opened_by: at(1), ages: ages, ages_sum: 2 * HOUR, sealed: scene.again()
        };
        scene.comes("in its last second", &scene.ticket, true, expected);
        scene.machine.clock.pass(Duration::from_millis(999));
        scene.comes("and at its end", &scene.ticket, true, expected);
        scene.machine.clock.pass(Duration::from_millis(1));
        let expected = counted!(expired: 1, sealed: scene.full());
        scene.comes("expired", &scene.ticket, false, expected);
    }
}

/// Another context with the same resumption.
fn another(
    scene: &Scene,
    id_context: &[u8],
    change: impl FnOnce(&mut SslContextBuilder),
) -> SslContext {
    let mut builder = server_builder(id_context);
    scene.machine.resumption.install(&mut builder).unwrap();
    change(&mut builder);
    builder.build()
}

#[test]
fn those_of_another_session_id_context() {
    for kind in Mechanism::TICKETS {
        let scene = Scene::new(kind, &record(1));
        let other = another(&scene, b"others", |_| ());
        let expected = counted! {
            opened: 1, opened_by: at(1), ages: at(0), context_differs: 1, sealed: scene.full()
        };
        scene.comes_to(&other, "context", &scene.ticket, false, expected);
    }
}

#[test]
fn those_of_another_digest_are_of_no_use() {
    // A ticket of TLS 1.3 is good for suites with its digest only.
    let scene = Scene::new(Mechanism::Tls13Ticket, &record(1));
    let suite = scene.ticket.to_der().unwrap();
    let is_384 = suite.windows(4).any(|w| w == [0x04, 0x02, 0x13, 0x02]);
    assert!(is_384, "OpenSSL's first choice was TLS_AES_256_GCM_SHA384");
    let with = |suite| another(&scene, b"tests", |b| b.set_ciphersuites(suite).unwrap());
    let other = with("TLS_AES_128_GCM_SHA256");
    let expected = counted!(opened: 1, opened_by: at(1), ages: at(0), unusable: 1, sealed: 2);
    scene.comes_to(&other, "digest", &scene.ticket, false, expected);
    // Another suite with the same one will do.
    let other = with("TLS_CHACHA20_POLY1305_SHA256");
    let expected = counted!(opened: 1, opened_by: at(1), ages: at(0), sealed: 1);
    scene.comes_to(&other, "suite", &scene.client.session(), true, expected);
}

#[test]
fn those_without_an_extended_master_secret_are_of_no_use_to_who_has_one() {
    const NO_EXTENDED_MASTER_SECRET: SslOptions = SslOptions::from_bits_retain(1);
    let scene = Scene::new(Mechanism::Tls12Ticket, &record(1));
    let without = another(&scene, b"tests", |builder| {
        builder.set_options(NO_EXTENDED_MASTER_SECRET);
    });
    drop(scene.client.connect(&without));
    let expected = counted!(opened: 1, opened_by: at(1), ages: at(0), unusable: 1, sealed: 1);
    scene.comes("no secret", &scene.client.session(), false, expected);
}

#[test]
fn a_hello_retry_request_shows_the_ticket_twice() {
    let scene = Scene::new(Mechanism::Tls13Ticket, &record(1));
    let retries = |scene| {
        another(scene, b"tests", |builder| {
            builder.set_groups_list("P-384").unwrap()
        })
    };
    let server = retries(&scene);
    // The ticket of the first hello, which is answered by a retry request, is of no use.
    let expected = counted! {
        opened: 2, opened_by: at::<8>(1).map(|n| 2 * n), ages: at::<12>(0).map(|n| 2 * n),
        unusable: 1, sealed: 1,
    };
    scene.comes_to(&server, "retried", &scene.ticket, true, expected);
    let other = Scene::new(Mechanism::Tls13Ticket, &record(2));
    let expected = counted!(unknown_key: 2, sealed: 2);
    other.comes_to(
        &retries(&other),
        "and unknown",
        &scene.ticket,
        false,
        expected,
    );
}

#[test]
fn sessions_in_the_cache_move_nothing() {
    for kind in Mechanism::STATEFUL {
        let (machine, client) = Machine::and_client(kind, own_keys, |b| b);
        machine.connect(&client);
        assert!(machine.reconnect(&client).resumed());
        assert_eq!(machine.stats(), TicketStats::default(), "{kind:?}");
    }
}
