//! Tickets of any kind, offered to a real `SSL_CTX`: arbitrary bytes, real tickets with bits
//! flipped, cut, extended, under another key's name, to servers whose rings have the key, another,
//! or one of that name that is not it. Only a ticket as it was sealed, with a key that is in the
//! ring as it was then, resumes; no other makes the handshake fail, and each is counted.
//!
//! What that rests on, in OpenSSL 3:
//! - a ticket that does not open is ignored, and in TLS 1.3 its binder is not looked at (RFC 8446,
//!   section 4.2.11: a server that finds no PSK to its liking goes on without). So the ClientHello
//!   is recorded once for each session, and only the ticket in it is exchanged;
//! - the binder that the client made with the session's secret stays right for the ticket as it was
//!   sealed, for then the ClientHello is the recorded one;
//! - the callback is asked for tickets of 32 bytes (name and initialisation vector) and more;
//! - in TLS 1.2, an empty ticket is none: the session id is looked up. In TLS 1.3, it is an error
//!   of the client (an identity has a byte or more), so none is made here.
#![no_main]

#[path = "../../../tests/common/mod.rs"]
mod common;
#[path = "../../../tests/common/der.rs"]
mod der;
mod hello;
mod peers;

use arbitrary::Unstructured;
use libfuzzer_sys::fuzz_target;
use openssl::ssl::{SslContext, SslSession, SslVersion};
use rekindle::openssl::{ResumedBy, Resumption, TicketStats};
use rekindle::tickets::KeyLookup;

use common::{Client, Mechanism};
use hello::Hello;

type Record = [u8; 48];

/// Name, HMAC secret, AES key: the name counts up from its number times sixteen, the secrets look
/// random, and are the same for the same numbers.
const fn record(name: u8, mac: u8, aes: u8) -> Record {
    let mut record = [0; 48];
    let mut mixed = [1 + mac as u64, 1 + 16 * aes as u64];
    let mut i = 0;
    while i < 16 {
        record[i] = 16 * name + i as u8;
        let mut secret = 0;
        while secret < 2 {
            let next = mixed[secret].wrapping_mul(6_364_136_223_846_793_005);
            mixed[secret] = next.wrapping_add(1_442_695_040_888_963_407);
            record[16 + 16 * secret + i] = (mixed[secret] >> 56) as u8;
            secret += 1;
        }
        i += 1;
    }
    record
}

/// The first two seal; then come a stranger, and some that have the name of one that seals, or its
/// secrets, but not all of both. The last one is refused.
const KEYS: [Record; 8] = [
    record(1, 2, 3),
    record(4, 5, 6),
    record(7, 8, 9),
    record(1, 0, 3),
    record(1, 2, 0),
    record(4, 2, 3),
    record(0, 5, 6),
    [0; 48],
];

/// A session that was sealed with a key, and the ClientHello that offers it.
struct Sealed {
    version: SslVersion,
    key: Record,
    client: Client,
    der: Vec<u8>,
    hello: Hello,
}

struct Harness {
    resumption: Resumption,
    server: SslContext,
    sealed: Vec<Sealed>,
}

thread_local! {
    static HARNESS: Harness = Harness::new();
}

fuzz_target!(|bytes: &[u8]| HARNESS.with(|harness| harness.run(bytes)));

fn byte(u: &mut Unstructured<'_>) -> u8 {
    u.arbitrary().unwrap_or(0)
}

fn rest(u: &mut Unstructured<'_>) -> Vec<u8> {
    u.bytes(u.len()).expect("as many as there are").to_vec()
}

/// What the client offers.
fn ticket(kind: u8, sealed: &Sealed, u: &mut Unstructured<'_>) -> Vec<u8> {
    let mut ticket = sealed.hello.ticket().to_vec();
    let len = ticket.len();
    let place = |u: &mut Unstructured<'_>| u.arbitrary::<u16>().unwrap_or(0).into();
    match kind % 8 {
        0 => {}
        1 => {
            for _ in 0..1 + byte(u) % 4 {
                let at: usize = place(u);
                ticket[at % len] ^= byte(u);
            }
        }
        2 => ticket.truncate(place(u) % len),
        3 => ticket.extend((0..1 + byte(u) % 64).map(|_| byte(u))),
        // The name of another key, perhaps; the rest as it was.
        4 => ticket[..16].copy_from_slice(&KEYS[usize::from(byte(u) % 8)][..16]),
        5 => ticket = rest(u),
        // The name of a key, and anything.
        6 => {
            ticket.clear();
            ticket.extend(&KEYS[usize::from(byte(u) % 8)][..16]);
            ticket.extend(rest(u));
        }
        // Without some of its middle: name and vector stay, and so does the MAC.
        _ => {
            let start = 32 + place(u) % (len - 32);
            let end = (start + 1 + usize::from(byte(u))).min(len);
            ticket.drain(start..end);
        }
    }
    ticket
}

impl Harness {
    fn new() -> Self {
        let resumption = peers::resumption();
        let server = peers::server(&resumption);
        let mut sealed = Vec::new();
        for mechanism in Mechanism::TICKETS {
            for key in [KEYS[0], KEYS[1]] {
                let done = resumption.ticket_ring().update(&key);
                done.expect("a key");
                let client = Client::new(mechanism);
                let session = peers::session(&client, &server);
                sealed.push(Sealed {
                    version: mechanism.version(),
                    key,
                    der: session.to_der().expect("DER"),
                    hello: peers::hello(&client, &session),
                    client,
                });
            }
        }
        Self {
            resumption,
            server,
            sealed,
        }
    }

    fn run(&self, bytes: &[u8]) {
        let mut u = Unstructured::new(bytes);
        let how = byte(&mut u);
        let ring = self.change_ring(&mut u);
        let sealed = &self.sealed[usize::from(how % 4)];
        // Few go all the way, with a client that has the ticket in its session: that takes as long
        // as a hundred decisions.
        let rare = how >= 0xFC;
        let whole = rare && byte(&mut u) % 16 == 7;
        let kind = if rare { byte(&mut u) } else { how / 4 };
        let mut ticket = ticket(kind, sealed, &mut u);
        if sealed.version == SslVersion::TLS1_3 && ticket.is_empty() {
            ticket.push(0);
        }
        if whole {
            self.shake_hands(sealed, &ticket, &ring);
        } else {
            self.decide(sealed, &ticket, &ring);
        }
    }

    /// Puts up to three keys in the ring, unless they are no ring; then there is the one that seals
    /// first. Returns what is in it.
    fn change_ring(&self, u: &mut Unstructured<'_>) -> Vec<Record> {
        let n = byte(u);
        let keys: Vec<_> = (0..1 + n % 3)
            .map(|_| KEYS[usize::from(byte(u) % 8)])
            .collect();
        let alike = |i: usize, j: usize| {
            let (a, b): (&Record, &Record) = (&keys[i], &keys[j]);
            a[..16] == b[..16] || a[16..] == b[16..]
        };
        let is_duplicate = |i| (0..i).any(|j| alike(i, j));
        let fits = !keys.contains(&[0; 48]) && !(0..keys.len()).any(is_duplicate);
        let ring = self.resumption.ticket_ring();
        if fits {
            ring.update(&keys.concat()).expect("a ring");
            return keys;
        }
        ring.update(&KEYS[0]).expect("a key");
        assert!(ring.update(&keys.concat()).is_err(), "no ring");
        vec![KEYS[0]]
    }

    fn decide(&self, sealed: &Sealed, ticket: &[u8], ring: &[Record]) {
        let (before, misses) = self.counts();
        let hello = sealed.hello.with_ticket(ticket);
        let decided = peers::decide(&self.server, &hello);
        assert_eq!(decided, Ok(sealed.expect(ticket, ring)));
        let expected = self.count(before, sealed, ticket, ring);
        assert_eq!(self.counts(), (expected, misses + sealed.asks(ticket)));
    }

    fn shake_hands(&self, sealed: &Sealed, ticket: &[u8], ring: &[Record]) {
        let (before, misses) = self.counts();
        let der = der::session_with_ticket(&sealed.der, ticket);
        let session = SslSession::from_der(&der).expect("a session");
        let done = peers::handshake(&sealed.client, &self.server, Some(&session));
        let expected = sealed.expect(ticket, ring);
        assert_eq!(done, Ok(expected));
        let tickets = match (sealed.version, expected) {
            (SslVersion::TLS1_2, Some(ResumedBy::Ticket)) => 0,
            (SslVersion::TLS1_2, _) => 1,
            (_, Some(_)) => 1,
            (_, None) => 2,
        };
        let mut expected = self.count(before, sealed, ticket, ring);
        expected.sealed += tickets;
        assert_eq!(self.counts(), (expected, misses + sealed.asks(ticket)));
    }

    fn counts(&self) -> (TicketStats, u64) {
        let cache = self.resumption.cache().stats();
        assert_eq!(cache.entries, 0, "sessions travel in tickets");
        (without_ages(self.resumption.ticket_stats()), cache.misses)
    }

    /// What is counted when a ticket has been offered.
    fn count(
        &self,
        mut stats: TicketStats,
        sealed: &Sealed,
        ticket: &[u8],
        ring: &[Record],
    ) -> TicketStats {
        let Some(name) = ticket.first_chunk::<16>().filter(|_| ticket.len() >= 32) else {
            // An empty one is none.
            stats.malformed += u64::from(!ticket.is_empty());
            return stats;
        };
        let named = |key: &Record| key[..16] == *name;
        match (ring.iter().position(named), sealed.expect(ticket, ring)) {
            (Some(place), Some(_)) => {
                stats.opened_by[1 + place] += 1;
                let counter = if place == 0 {
                    &mut stats.opened
                } else {
                    &mut stats.renewed
                };
                *counter += 1;
            }
            (Some(_), None) => stats.bad_mac += 1,
            (None, _) if self.is_retired(name) => stats.retired_key += 1,
            (None, _) => stats.unknown_key += 1,
        }
        stats
    }

    /// Whether the ring remembers a key of that name that has left.
    fn is_retired(&self, name: &[u8; 16]) -> bool {
        let ring = self.resumption.ticket_ring();
        let (now, keys) = (ring.now(), ring.load());
        let is_retired = matches!(keys.opening(name, now), KeyLookup::Retired);
        assert!(!is_retired || KEYS[..7].iter().any(|key| key[..16] == *name));
        is_retired
    }
}

impl Sealed {
    /// Lookups in the cache that the ticket makes for: with an empty one, OpenSSL looks at the
    /// session id.
    fn asks(&self, ticket: &[u8]) -> u64 {
        u64::from(self.version == SslVersion::TLS1_2 && ticket.is_empty())
    }

    /// How the session comes back, if it does.
    fn expect(&self, ticket: &[u8], ring: &[Record]) -> Option<ResumedBy> {
        let place = ring.iter().position(|key| *key == self.key)?;
        (ticket == self.hello.ticket()).then_some(match place {
            0 => ResumedBy::Ticket,
            _ => ResumedBy::RenewedTicket,
        })
    }
}

/// The counters without the ages of tickets, which depend on the clock. Each ticket that was opened
/// has one.
fn without_ages(mut stats: TicketStats) -> TicketStats {
    let opened = stats.opened + stats.renewed;
    assert_eq!(stats.ages.iter().sum::<u64>(), opened);
    assert_eq!(stats.opened_by.iter().sum::<u64>(), opened);
    (stats.ages, stats.ages_sum) = Default::default();
    stats
}
