//! Seals, opens and resumes, with the ring left alone and swapped.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rekindle::tickets::{RingKey, TicketRing};

use super::open::{Opener, ROOM};
use super::seal;
use crate::handshake::VisitedServer;
use crate::record::{Record, case, interleave, named};
use crate::threads::{Raises, join};
use crate::tls::{HandshakeKind, Server, Store};

/// What is run.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Options {
    /// Threads that seal or open.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 2])]
    threads: Vec<usize>,
    /// Rounds; each runs every contender once.
    #[arg(long, default_value_t = 25)]
    rounds: usize,
    /// Length of one contender's turn in a round, in milliseconds.
    #[arg(long, default_value_t = 60)]
    millis: u64,
}

/// The contenders; ratios are to the first.
const CONTENDERS: [(&str, Store); 2] = [
    ("OpenSSL's built-in key", Store::BuiltInKey),
    ("rekindle", Store::RekindleTickets),
];

/// Clients on each thread that resume by ticket.
const VISITORS: usize = 32;

/// Seals and opens, with the ring left alone and swapped. Panics when a ticket is not sealed, or
/// does not open.
pub(crate) fn run(options: &Options, record: &mut Record) {
    let length = Duration::from_millis(options.millis);
    let per_ticket = ["tickets", "time per ticket", "ns"];
    let per_handshake = ["tickets", "server's CPU time per resumed handshake", "us"];
    for ring in [Ring::Still, Ring::Swapped] {
        for &threads in &options.threads {
            let mut measure = |quantity, what, contenders: [Contender<'_>; 2]| {
                let threads = ("threads", threads.to_string());
                let case = case([what, ("ring", ring.to_string()), threads]);
                let samples = compare(ring, &contenders, options.rounds, record);
                let names = CONTENDERS.iter().map(|(name, _)| name);
                record.add_case(quantity, &case, names.zip(samples));
            };
            let servers = CONTENDERS.map(|(_, store)| Server::new(store, ROOM));
            let seal = (servers.each_ref())
                .map(|server| (server, boxed(move || seal::turn(server, threads, length))));
            measure(per_ticket, ("operation", "seal".to_owned()), seal);

            let openers = CONTENDERS.map(|(_, store)| Opener::new(store));
            let open = (openers.each_ref())
                .map(|opener| (&opener.server, boxed(move || opener.turn(threads, length))));
            measure(per_ticket, ("operation", "open".to_owned()), open);

            for kind in [HandshakeKind::Tls12Ticket, HandshakeKind::Tls13Ticket] {
                let visited = CONTENDERS.map(|(_, store)| {
                    VisitedServer::new(kind, Server::new(store, ROOM), threads, VISITORS)
                });
                let resume = visited.each_ref().map(|visited| {
                    let turn = boxed(move || visited.turn(length).server_micros());
                    (&visited.server, turn)
                });
                measure(per_handshake, ("way", kind.to_string()), resume);
            }
        }
    }
}

/// Of each contender, by round.
type Samples = Vec<Vec<f64>>;

type Turn<'a> = Box<dyn Fn() -> f64 + 'a>;

/// One of [`CONTENDERS`] at one task.
type Contender<'a> = (&'a Server, Turn<'a>);

fn boxed<'a>(turn: impl Fn() -> f64 + 'a) -> Turn<'a> {
    Box::new(turn)
}

/// Gives both contenders their turn in every round.
fn compare(ring: Ring, of: &[Contender<'_>; 2], rounds: usize, record: &mut Record) -> Samples {
    let mut samples = Vec::new();
    let ours = of[1].0.resumption.as_ref().expect("rekindle's");
    keep_swapped(ring, ours.ticket_ring(), record, || {
        samples = interleave(0..=rounds, of, |(_, turn), _| turn());
    });
    samples
}

/// Does the work of all contenders. If our ring is swapped, then also while another one works: it
/// costs both the same of the machine.
pub(crate) fn keep_swapped(
    ring: Ring,
    ours: &TicketRing,
    record: &mut Record,
    work: impl FnOnce(),
) {
    match ring {
        Ring::Still => work(),
        Ring::Swapped => {
            let rate = while_swapping(ours, work);
            if rate < 0.9 * RATE {
                record.note(format!("tickets: only {rate:.0} swaps a second"));
            }
        }
    }
}

/// Swaps a second.
const RATE: f64 = 1_000.0;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ring {
    Still,
    Swapped,
}

named!(Ring {
    Still => "still",
    Swapped => "swapped 1000 times a second",
});

/// Swaps the ring for its copy while `work` is done; swaps in a second as they came about.
fn while_swapping(ring: &TicketRing, work: impl FnOnce()) -> f64 {
    let records: Vec<u8> = ring.load().iter().flat_map(record).collect();
    let (over, start) = (AtomicBool::new(false), Instant::now());
    let swap = || {
        let mut swaps = 0_u32;
        while !over.load(Ordering::Relaxed) {
            ring.update(&records).expect("keys that were in it");
            swaps += 1;
            let next = Duration::from_secs_f64(f64::from(swaps) / RATE);
            thread::sleep(next.saturating_sub(start.elapsed()));
        }
        f64::from(swaps) / start.elapsed().as_secs_f64()
    };
    thread::scope(|scope| {
        let swapper = scope.spawn(swap);
        let over = Raises(&over);
        work();
        drop(over);
        join(swapper)
    })
}

/// As in Traffic Server's key files.
fn record(key: &RingKey) -> [u8; 48] {
    let key = key.key();
    let mut record = [0; 48];
    record[..16].copy_from_slice(key.name());
    record[16..32].copy_from_slice(key.hmac_secret());
    record[32..].copy_from_slice(key.aes_key());
    record
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_swapped_ring_keeps_its_keys() {
        let ring = TicketRing::random().unwrap();
        let keys = || ring.load().iter().map(record).collect::<Vec<_>>();
        let (before, first) = (keys(), std::ptr::from_ref(&*ring.load()));
        let held = ring.load();
        while_swapping(&ring, || {
            while std::ptr::from_ref(&*ring.load()) == first {
                thread::yield_now();
            }
        });
        drop(held);
        assert_eq!(keys(), before);
    }
}
