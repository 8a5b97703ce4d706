//! Tickets sealed and opened through `ProducesTickets`. rustls's own rotator, as its provider ring
//! makes it, seals with ChaCha20-Poly1305 under one key for all tickets of six hours; ours with
//! the same provider's AES-256-GCM.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::crypto::ring;
use rustls::server::ProducesTickets;

use super::contenders::{Options, REKINDLE, resumption, scope};
use crate::record::{Record, case, interleave};
use crate::threads::on_threads;
use crate::tickets::{Ring, keep_swapped};
use crate::workload::{Value, check};

const BYTES: usize = 160;

/// Tickets between two readings of the clock.
const BATCH: usize = 64;

const CALLS: [(&str, Call); 2] = [("seal", seal), ("open", open)];

pub(super) fn run(options: &Options, record: &mut Record) {
    let ours = resumption(100);
    let contenders: [(&str, Arc<dyn ProducesTickets>); 2] = [
        ("TicketRotator", ring::Ticketer::new().expect("randomness")),
        (
            REKINDLE,
            ours.ticketer_with_provider(&scope(), &ring::default_provider()),
        ),
    ];
    for ring in [Ring::Still, Ring::Swapped] {
        for &threads in &options.threads {
            for (name, call) in CALLS {
                let mut turns = Vec::new();
                let all = || {
                    turns = interleave(0..=options.rounds, &contenders, |(_, ticketer), _| {
                        turn(&**ticketer, call, threads, options.length())
                    });
                };
                keep_swapped(ring, ours.ticket_ring(), record, all);
                let case = case([
                    ("operation", name.into()),
                    ("ring", ring.to_string()),
                    ("threads", threads.to_string()),
                ]);
                let names = contenders.iter().map(|(name, _)| name);
                let what = ["rustls", "time per ticket", "ns"];
                record.add_turns(what, &case, names, &turns, |nanos| *nanos);
            }
        }
    }
}

/// A batch of calls, and how long they took.
type Call = fn(&dyn ProducesTickets) -> Duration;

fn turn(ticketer: &dyn ProducesTickets, call: Call, threads: usize, length: Duration) -> f64 {
    let times = on_threads(
        threads,
        |_| (),
        |()| {
            let (mut time, mut tickets, begin) = (Duration::ZERO, 0, Instant::now());
            while begin.elapsed() < length {
                time += call(ticketer);
                tickets += BATCH;
            }
            time.as_nanos() as f64 / tickets as f64
        },
    );
    times.iter().sum::<f64>() / threads as f64
}

fn seal(ticketer: &dyn ProducesTickets) -> Duration {
    let mut value = Value::new(BYTES);
    let value = value.of(1, 0);
    let start = Instant::now();
    let sealed: Vec<_> = (0..BATCH).map(|_| ticketer.encrypt(value)).collect();
    let took = start.elapsed();
    let ticket = sealed[BATCH - 1].as_ref().expect("a ticket");
    check(1, &ticketer.decrypt(ticket).expect("it opens"), BYTES);
    took
}

fn open(ticketer: &dyn ProducesTickets) -> Duration {
    let mut value = Value::new(BYTES);
    let ticket = |number| ticketer.encrypt(value.of(number, 0)).expect("a ticket");
    let tickets: Vec<_> = (0..BATCH as u64).map(ticket).collect();
    let start = Instant::now();
    for (number, ticket) in (0..).zip(&tickets) {
        check(number, &ticketer.decrypt(ticket).expect("it opens"), BYTES);
    }
    start.elapsed()
}
