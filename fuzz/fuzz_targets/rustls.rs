//! rustls's traits against plain oracles: a store is a map from keys to what was put last, tickets
//! are a list of what was sealed. Two scopes share one cache and one ring; another ring has one of
//! the scopes as well.
#![no_main]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use rekindle::rustls::{Resumption, Scope, SessionStore, TicketStats, Ticketer};
use rekindle::tickets::{TicketPolicy, TicketRing};
use rekindle::{Cache, ManualClock};
use rustls::server::{ProducesTickets, StoresServerSessions};

const TIMEOUT: Duration = Duration::from_secs(5_000);
const LIFETIME: Duration = Duration::from_secs(7_200);

#[derive(Arbitrary, Debug)]
enum Operation {
    Put(Store, Key, Vec<u8>),
    Get(Store, Key),
    Take(Store, Key),
    Seal(By, Vec<u8>),
    /// A ticket that was sealed before, as it was.
    Open(By, u8),
    Altered(By, u8, Alteration),
    /// What no ticketer has made.
    Foreign(By, Vec<u8>),
    Advance(u16),
    Maintain,
}

#[derive(Arbitrary, Clone, Copy, Debug, PartialEq, Eq)]
enum Store {
    A,
    B,
}

/// A ticketer: its scope, its ring, and whether its cipher is the provider's.
#[derive(Arbitrary, Clone, Copy, Debug)]
enum By {
    A,
    AOfProvider,
    B,
    AOfOtherRing,
}

#[derive(Arbitrary, Debug)]
enum Key {
    /// One of a few, so that calls meet.
    Known(u8),
    Any(Vec<u8>),
}

#[derive(Arbitrary, Debug)]
enum Alteration {
    Flip { at: u16, bits: u8 },
    Cut(u16),
    Append(u8),
}

impl Key {
    fn bytes(self) -> Vec<u8> {
        match self {
            Self::Known(number) => vec![number % 8; 32],
            Self::Any(bytes) => bytes,
        }
    }
}

impl Alteration {
    /// The ticket, altered; `None` if that would leave it as it was.
    fn applied(&self, ticket: &[u8]) -> Option<Vec<u8>> {
        let (len, mut altered) = (ticket.len(), ticket.to_vec());
        match *self {
            Self::Flip { at, bits } => altered[usize::from(at) % len] ^= bits,
            Self::Cut(by) => altered.truncate(len - usize::from(by) % len),
            Self::Append(byte) => altered.push(byte),
        }
        (altered != ticket).then_some(altered)
    }
}

impl By {
    /// Tickets of ticketers that are equal in this open at each other.
    fn opens(self) -> (Store, bool) {
        match self {
            Self::A | Self::AOfProvider => (Store::A, false),
            Self::B => (Store::B, false),
            Self::AOfOtherRing => (Store::A, true),
        }
    }
}

struct Sealed {
    by: By,
    at: Duration,
    value: Vec<u8>,
    ticket: Vec<u8>,
}

/// What the counters have to say in the end.
#[derive(Default)]
struct Counted {
    asked: u64,
    invalid_keys: u64,
    stored: u64,
    taken: u64,
    sealed: u64,
    opened: u64,
    not_opened: u64,
}

struct Harness {
    clock: Arc<ManualClock>,
    now: Duration,
    resumptions: [Resumption; 2],
    stores: [Arc<SessionStore>; 2],
    ticketers: [Arc<Ticketer>; 4],
    sessions: BTreeMap<Vec<u8>, (Store, Vec<u8>, Duration)>,
    tickets: Vec<Sealed>,
    counted: Counted,
}

impl Harness {
    fn new() -> Self {
        let clock = Arc::new(ManualClock::new());
        let resumption = || {
            let policy = TicketPolicy::default()
                .period(LIFETIME / 2)
                .lifetime(LIFETIME);
            let ring = TicketRing::builder().policy(policy).clock(clock.clone());
            let cache = Cache::builder().capacity(10_000).clock(clock.clone());
            Resumption::builder()
                .ticket_ring(Arc::new(ring.build().expect("a ring")))
                .cache(Arc::new(cache.build().expect("a cache")))
                .session_timeout(TIMEOUT)
                .build()
                .expect("it can be built")
        };
        let resumptions = [resumption(), resumption()];
        let [ours, other] = &resumptions;
        let [a, b] = ["a", "b"].map(Scope::new);
        let provider = rustls::crypto::ring::default_provider();
        Self {
            stores: [ours.store(&a), ours.store(&b)],
            ticketers: [
                ours.ticketer(&a),
                ours.ticketer_with_provider(&a, &provider),
                ours.ticketer(&b),
                other.ticketer(&a),
            ],
            resumptions,
            clock,
            now: Duration::ZERO,
            sessions: BTreeMap::new(),
            tickets: Vec::new(),
            counted: Counted::default(),
        }
    }

    fn run(&mut self, operation: Operation) {
        match operation {
            Operation::Put(store, key, value) => {
                let key = key.bytes();
                let is_valid = self.is_valid(&key);
                let put = self.stores[store as usize].put(key.clone(), value.clone());
                assert_eq!(put, is_valid);
                if put {
                    self.counted.stored += 1;
                    self.sessions
                        .insert(key, (store, value, self.now + TIMEOUT));
                }
            }
            Operation::Get(store, key) => {
                let key = key.bytes();
                self.counted.asked += u64::from(self.is_valid(&key));
                let found = self.stores[store as usize].get(&key);
                assert_eq!(found, self.expected(store, &key));
            }
            Operation::Take(store, key) => {
                let key = key.bytes();
                self.counted.asked += u64::from(self.is_valid(&key));
                let expected = self.expected(store, &key);
                let taken = self.stores[store as usize].take(&key);
                assert_eq!(taken, expected);
                if taken.is_some() {
                    self.counted.taken += 1;
                    self.sessions.remove(&key);
                }
            }
            Operation::Seal(by, value) => {
                let ticketer = &self.ticketers[by as usize];
                let ticket = ticketer.encrypt(&value).expect("randomness");
                let told = Duration::from_secs(ticketer.lifetime().into());
                assert_eq!(told, LIFETIME);
                let at = self.now;
                self.counted.sealed += 1;
                self.tickets.push(Sealed {
                    by,
                    at,
                    value,
                    ticket,
                });
            }
            Operation::Open(by, number) => {
                let Some(sealed) = self.sealed(number) else {
                    return;
                };
                let is_live = self.now - sealed.at <= LIFETIME;
                let opens = is_live && sealed.by.opens() == by.opens();
                let expected = opens.then(|| sealed.value.clone());
                let ticket = sealed.ticket.clone();
                self.open(by, &ticket, expected.as_deref());
            }
            Operation::Altered(by, number, alteration) => {
                let sealed = self.sealed(number);
                let altered = sealed.and_then(|sealed| alteration.applied(&sealed.ticket));
                if let Some(ticket) = altered {
                    self.open(by, &ticket, None);
                }
            }
            Operation::Foreign(by, bytes) => self.open(by, &bytes, None),
            Operation::Advance(seconds) => {
                let passed = Duration::from_secs(seconds.into());
                self.clock.advance(passed);
                self.now += passed;
            }
            Operation::Maintain => {
                for resumption in &self.resumptions {
                    resumption.maintain().expect("randomness");
                }
            }
        }
    }

    fn is_valid(&mut self, key: &[u8]) -> bool {
        let is_valid = (1..=32).contains(&key.len());
        self.counted.invalid_keys += u64::from(!is_valid);
        is_valid
    }

    fn expected(&self, store: Store, key: &[u8]) -> Option<Vec<u8>> {
        let (of, value, until) = self.sessions.get(key)?;
        (*of == store && self.now <= *until).then(|| value.clone())
    }

    fn sealed(&self, number: u8) -> Option<&Sealed> {
        let last = self.tickets.len().checked_sub(1)?;
        self.tickets.get(usize::from(number).min(last))
    }

    fn open(&mut self, by: By, ticket: &[u8], expected: Option<&[u8]>) {
        let opened = self.ticketers[by as usize].decrypt(ticket);
        assert_eq!(opened.as_deref(), expected);
        match opened {
            Some(_) => self.counted.opened += 1,
            None => self.counted.not_opened += 1,
        }
    }

    fn check_counters(&self) {
        let store = self.resumptions[0].store_stats();
        let counted = &self.counted;
        assert_eq!(store.hits + store.misses, counted.asked);
        assert_eq!(store.invalid_keys, counted.invalid_keys);
        assert_eq!((store.stored, store.taken), (counted.stored, counted.taken));
        let tickets = self.resumptions.each_ref().map(Resumption::ticket_stats);
        let sum = |of: fn(&TicketStats) -> u64| -> u64 { tickets.iter().map(of).sum() };
        assert_eq!(sum(|stats| stats.sealed), counted.sealed);
        assert_eq!(sum(|stats| stats.opened + stats.renewed), counted.opened);
        let not_opened = sum(|stats| {
            stats.malformed + stats.unknown_key + stats.retired_key + stats.bad_mac + stats.expired
        });
        assert_eq!(not_opened, counted.not_opened);
    }
}

fuzz_target!(|operations: Vec<Operation>| {
    let mut harness = Harness::new();
    for operation in operations {
        harness.run(operation);
    }
    harness.check_counters();
});
