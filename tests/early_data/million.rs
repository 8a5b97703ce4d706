//! Flights by the million, if asked for (`REKINDLE_FLIGHTS=1000000`), a tenth of them delivered
//! more than once: to the same server, in parallel, to it after a restart, and to another machine
//! with the same keys, while keys rotate and the cache evicts. Each is accepted once at most.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use openssl::ssl::SslContext;
use rekindle::openssl::Resumption;
use rekindle::tickets::{TicketPolicy, TicketRing, TicketSecret};

use crate::clock::{TwoClocks, clock};
use crate::common::{Client, Mechanism, server};
use crate::flight::{Delivered, Flight, WAYS, configured, pass};

const THREADS: u64 = 8;

/// Flights between two restarts.
const PHASE: u64 = 2_000;

/// Flights with one session, before its client comes back for another.
const PER_SESSION: u64 = 25;

struct Machines<'a> {
    secret: &'a TicketSecret,
    clock: &'a Arc<TwoClocks>,
    kind: Mechanism,
}

impl Machines<'_> {
    fn start(&self) -> (Resumption, SslContext) {
        let policy = TicketPolicy::default().period(Duration::from_secs(120));
        let ring = TicketRing::builder()
            .policy(policy)
            .clock(self.clock.clone())
            .secret(self.secret);
        let ring = Arc::new(ring.build().unwrap());
        let resumption = configured(self.kind, self.clock, |builder| {
            builder.ticket_ring(ring).sessions(300)
        });
        let server = server(&resumption);
        (resumption, server)
    }
}

/// How often each flight was accepted, by what no two have in common.
#[derive(Default)]
struct Accepted(Mutex<HashMap<[u8; 32], u32>>);

impl Accepted {
    fn deliver(&self, server: &SslContext, flight: &[u8]) {
        // A cut connection, as when its session was evicted, is no acceptance.
        if Delivered::to(server, flight).is_ok_and(|came| came.accepted()) {
            let random = flight[11..43].try_into().unwrap();
            *self.0.lock().unwrap().entry(random).or_default() += 1;
        }
    }
}

#[test]
fn each_of_many_flights_is_accepted_once_at_most() {
    let wanted = std::env::var("REKINDLE_FLIGHTS").ok();
    let wanted: u64 = wanted.map_or(4_000, |flights| flights.parse().unwrap());
    let secret = TicketSecret::random(Duration::from_secs(120), None).unwrap();
    let (accepted, replays) = (Accepted::default(), AtomicU64::new(0));
    let mut before: Vec<Vec<u8>> = Vec::new();
    for phase in 0..wanted.div_ceil(PHASE) {
        let clock = clock();
        let kind = WAYS[(phase % 2) as usize];
        let machines = Machines {
            secret: &secret,
            clock: &clock,
            kind,
        };
        let [(resumption, here), (_, there)] = [(); 2].map(|()| machines.start());
        // What was accepted before the restart, at once after it.
        for flight in before.drain(..) {
            accepted.deliver(&here, &flight);
            replays.fetch_add(1, Ordering::Relaxed);
        }
        pass(&clock, 31);
        let seen = Mutex::new(Vec::new());
        thread::scope(|threads| {
            for number in 0..THREADS {
                let (accepted, replays, seen) = (&accepted, &replays, &seen);
                let (here, there, resumption, clock) = (&here, &there, &resumption, &clock);
                threads.spawn(move || {
                    let client = Client::new(kind);
                    for i in 0..PHASE / THREADS {
                        if i % PER_SESSION == 0 || kind == Mechanism::Tls13Stateful {
                            client.connect(here);
                        }
                        let flight = Flight::of(&client).bytes;
                        // One of ten comes again, from another thread as well.
                        let again = (i + number) % 10 == 0;
                        if again {
                            seen.lock().unwrap().push(flight.clone());
                        }
                        accepted.deliver(here, &flight);
                        if again {
                            let seen = seen.lock().unwrap();
                            let other = seen[(i as usize * 7) % seen.len()].clone();
                            drop(seen);
                            accepted.deliver(here, &other);
                            accepted.deliver(there, &flight);
                            replays.fetch_add(2, Ordering::Relaxed);
                        }
                        if number == 0 && i % 100 == 0 {
                            pass(clock, 1);
                            resumption.maintain().unwrap();
                        }
                    }
                });
            }
        });
        before = seen.into_inner().unwrap();
    }
    let accepted = accepted.0.into_inner().unwrap();
    let twice = accepted.values().filter(|times| **times > 1).count();
    let flights = wanted.next_multiple_of(PHASE);
    println!(
        "{flights} flights, {} accepted, {} deliveries more, {twice} accepted twice",
        accepted.len(),
        replays.into_inner()
    );
    assert_eq!(twice, 0);
    // The cache has room for some of the sessions only, and tickets move on with the clock.
    assert!(
        accepted.len() as u64 > flights * 3 / 4,
        "{}",
        accepted.len()
    );
}
