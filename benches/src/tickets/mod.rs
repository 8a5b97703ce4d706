//! Tickets sealed and opened through rekindle's callback, beside OpenSSL's built-in key.
//!
//! What is timed is OpenSSL's own code around the key, which is the same for both, and what differs:
//! the built-in key is a field of the context; the callback asks the ring for one. (The built-in key is
//! AES-256, those of the ring AES-128, both with HMAC-SHA256.) To time no more than that:
//!
//! - **seal**: a connection of TLS 1.3 is asked for 16 more tickets after its handshake
//!   (`SSL_new_session_ticket`), and the one call that seals and sends them is timed. So each ticket
//!   also pays for a copy of the session with a key of its own, its encoding, and a record on the wire.
//! - **open**: a ClientHello of TLS 1.3 may offer many tickets. OpenSSL opens one after the other until
//!   one leads to a session that can be used: it checks the MAC, decrypts, and decodes the session.
//!   Here all of them are good, but their sessions go with SHA-384 and the ClientHello with SHA-256, so
//!   it opens every one and goes on. The handshake ends there, when the server is asked about the
//!   name in the ClientHello and refuses it. The time of the same call without any ticket is
//!   subtracted. A ticket of TLS 1.2 is opened by the same function of OpenSSL.
//! - **resumed handshakes** of TLS 1.2 and 1.3, whole, as CPU time of the server.
//!
//! All times are CPU time of the threads at work, so that neither other processes nor the thread that
//! swaps the ring count. Little is lost with that: OpenSSL's locks are taken for reading on these
//! paths, and what threads do to each other's caches shows.
//!
//! Every sealed ticket reaches its client, and every ticket that is opened is counted by OpenSSL's
//! own callback for that; both are checked.

mod connection;
mod hello;
mod open;
mod seal;
mod swap;

use std::collections::BTreeMap;
use std::time::Duration;

use rekindle::openssl::Resumption;

use crate::handshake::{Contender, Keeper, Server, Way};
use crate::record::{Measurement, Recorder, case};
use crate::scale::Scale;
use swap::{Ring, while_swapping};

/// What is run.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// Threads that seal or open.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 2])]
    pub threads: Vec<usize>,
    /// Rounds; each runs every contender once.
    #[arg(long, default_value_t = 25)]
    pub rounds: usize,
    /// Length of one contender's turn in a round, in milliseconds.
    #[arg(long, default_value_t = 60)]
    pub millis: u64,
}

impl Options {
    /// For a run of everything.
    #[must_use]
    pub fn at(scale: Scale) -> Self {
        Self {
            threads: scale.pick(vec![1, 2], vec![1, 2], vec![1]),
            rounds: scale.pick(25, 5, 1),
            millis: scale.pick(60, 30, 5),
        }
    }

    fn turn(&self) -> Duration {
        Duration::from_millis(self.millis)
    }
}

/// Who is held against whom, the reference first.
const CONTENDERS: [(&str, Keeper); 2] = [
    ("OpenSSL's built-in key", Keeper::BuiltInKey),
    ("rekindle", Keeper::RekindleTickets),
];

/// Sessions in a cache that is there but not used.
const ROOM: usize = 100;

/// Clients on each thread that resume by ticket.
const VISITORS: usize = 32;

/// Seals and opens, with the ring left alone and swapped.
///
/// # Panics
///
/// When a ticket is not sealed, or does not open.
pub fn run(options: &Options, recorder: &mut Recorder) {
    let bar = recorder.progress("tickets", 8 * options.threads.len());
    for ring in [Ring::Still, Ring::Swapped] {
        for &threads in &options.threads {
            seal(ring, threads, options, recorder);
            bar.inc(1);
            open(ring, threads, options, recorder);
            bar.inc(1);
            for way in [Way::Tls12Ticket, Way::Tls13Ticket] {
                resume(way, ring, threads, options, recorder);
                bar.inc(1);
            }
        }
    }
}

fn seal(ring: Ring, threads: usize, options: &Options, recorder: &mut Recorder) {
    let servers = CONTENDERS.map(|(_, keeper)| seal::server(keeper));
    let turn = |i: usize| seal::turn(&servers[i], threads, options.turn());
    let case = per_ticket("seal", ring, threads);
    compare(case, ours(&servers[1]), turn, options, recorder);
}

fn open(ring: Ring, threads: usize, options: &Options, recorder: &mut Recorder) {
    let doors = CONTENDERS.map(|(_, keeper)| open::Door::new(keeper));
    let turn = |i: usize| doors[i].turn(threads, options.turn());
    let case = per_ticket("open", ring, threads);
    compare(case, ours(&doors[1].server), turn, options, recorder);
}

fn resume(way: Way, ring: Ring, threads: usize, options: &Options, recorder: &mut Recorder) {
    let contenders = CONTENDERS.map(|(_, keeper)| {
        Contender::with_visitors(way, Server::new(keeper, ROOM), threads, VISITORS)
    });
    let turn = |i: usize| contenders[i].turn(options.turn()).server_micros();
    let case = Case {
        quantity: "server's CPU time per resumed handshake",
        unit: "us",
        ring,
        names: case([
            ("way", way.to_string()),
            ("ring", ring.to_string()),
            ("threads", threads.to_string()),
        ]),
    };
    compare(case, ours(&contenders[1].server), turn, options, recorder);
}

fn ours(server: &Server) -> &Resumption {
    server.resumption.as_ref().expect("rekindle's")
}

struct Case {
    quantity: &'static str,
    unit: &'static str,
    ring: Ring,
    names: BTreeMap<String, String>,
}

fn per_ticket(operation: &str, ring: Ring, threads: usize) -> Case {
    Case {
        quantity: "time per ticket",
        unit: "ns",
        ring,
        names: case([
            ("operation", operation.into()),
            ("ring", ring.to_string()),
            ("threads", threads.to_string()),
        ]),
    }
}

/// Gives both contenders their turn in every round. If our ring is swapped, then also while the
/// other one works: it costs both the same of the machine.
fn compare(
    case: Case,
    ours: &Resumption,
    turn: impl Fn(usize) -> f64,
    options: &Options,
    recorder: &mut Recorder,
) {
    let mut samples = [Vec::new(), Vec::new()];
    let mut rounds = || {
        for round in 0..=options.rounds {
            for (i, samples) in samples.iter_mut().enumerate() {
                let time = turn(i);
                // The first round warms up.
                if round > 0 {
                    samples.push(time);
                }
            }
        }
    };
    match case.ring {
        Ring::Still => rounds(),
        Ring::Swapped => {
            let rate = while_swapping(ours.ticket_ring(), rounds);
            if rate < 0.9 * swap::RATE {
                recorder.note(format!("tickets: only {rate:.0} swaps a second"));
            }
        }
    }
    let of_contender = |((name, _), samples): ((&str, Keeper), Vec<f64>)| Measurement {
        part: "tickets".into(),
        quantity: case.quantity.into(),
        unit: case.unit.into(),
        case: case.names.clone(),
        contender: name.into(),
        samples,
    };
    let measured = CONTENDERS.into_iter().zip(samples).map(of_contender);
    recorder.add(measured.collect());
}
