//! Flights of early data, delivered in any order, whole, altered, cut, again, after some time: each
//! is accepted once at most, and one whose ClientHello was altered never.
#![no_main]

#[path = "../../tests/common/clock.rs"]
mod clock;
#[path = "../../tests/common/mod.rs"]
mod common;
#[path = "../../tests/early_data/flight.rs"]
#[allow(dead_code)]
mod flight;

use std::sync::Arc;

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use openssl::ssl::SslContext;
use rekindle::openssl::Resumption;

use clock::{TwoClocks, clock};
use common::Client;
use flight::{Delivered, Flight, WAYS, pass, visited};

#[derive(Arbitrary, Debug)]
enum Act {
    /// The client sends another flight.
    Send,
    Deliver {
        which: u8,
        changes: Vec<(u16, u8)>,
        /// Bytes that are missing at the end.
        cut: u16,
    },
    /// Seconds.
    Pass(u8),
}

/// Bytes of a record's header, which are not part of the ClientHello.
const HEADER: usize = 5;

struct Machine {
    clock: Arc<TwoClocks>,
    resumption: Resumption,
    server: SslContext,
    client: Client,
    /// Each with how often it was accepted.
    flights: Vec<(Vec<u8>, u64)>,
}

impl Machine {
    fn new(stateful: bool) -> Self {
        let clock = clock();
        let kind = WAYS[usize::from(stateful)];
        let (resumption, server, client) = visited(kind, &clock);
        let flights = vec![(Flight::of(&client).bytes, 0)];
        Self {
            clock,
            resumption,
            server,
            client,
            flights,
        }
    }

    fn run(&mut self, act: Act) {
        match act {
            Act::Send => {
                self.client.connect(&self.server);
                self.flights.push((Flight::of(&self.client).bytes, 0));
            }
            Act::Pass(seconds) => {
                pass(&self.clock, seconds.into());
                self.resumption.maintain().expect("randomness");
            }
            Act::Deliver {
                which,
                changes,
                cut,
            } => {
                let at = usize::from(which) % self.flights.len();
                let (flight, accepted) = &mut self.flights[at];
                let hello = HEADER + usize::from(u16::from_be_bytes([flight[3], flight[4]]));
                let mut bytes = flight.clone();
                for (at, bits) in changes {
                    let at = usize::from(at) % bytes.len();
                    bytes[at] ^= bits;
                }
                bytes.truncate(bytes.len() - usize::from(cut) % bytes.len());
                let before = self.resumption.early_data_stats().accepted;
                let _ = Delivered::to(&self.server, &bytes);
                let now = self.resumption.early_data_stats().accepted - before;
                let is_whole = bytes.get(HEADER..hello) == flight.get(HEADER..hello);
                assert!(now == 0 || is_whole, "altered and accepted");
                *accepted += now;
                assert!(*accepted <= 1, "accepted twice");
            }
        }
    }
}

fuzz_target!(|input: (bool, Vec<Act>)| {
    let (stateful, acts) = input;
    let mut machine = Machine::new(stateful);
    for act in acts.into_iter().take(40) {
        machine.run(act);
    }
});
