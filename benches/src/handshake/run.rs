//! Handshakes in process: a client and a server on one thread, with a pipe in memory between them.
//!
//! Clients are OpenSSL as well, and cost the same beside each contender. So
//! handshakes per second tell less than the CPU time of the server alone.

use std::time::Duration;

use clap::ValueEnum;

use super::batch::{Turn, VisitedServer};
use super::inserts;
use crate::record::{Record, case, interleave};
use crate::tls::{HandshakeKind, Server, Store, session};
use crate::workload::churned;

/// What is run in process.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Options {
    /// Sessions in the cache, where there is one.
    #[arg(
        long, value_delimiter = ',', default_values_t = [1_000, 50_000],
        value_parser = clap::value_parser!(u32).range(100..=1_000_000)
    )]
    sessions: Vec<u32>,
    /// Threads that handshakes run on, client and server of each on the same one.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 2])]
    threads: Vec<usize>,
    /// Rounds; each runs every contender once.
    #[arg(long, default_value_t = 15)]
    rounds: usize,
    /// Length of one contender's turn in a round, in milliseconds.
    #[arg(long, default_value_t = 150)]
    millis: u64,
}

/// Clients of each thread, where their sessions are in a cache. Elsewhere a few will do.
const VISITORS: usize = 256;
const FEW: usize = 32;

/// Sessions that an `SSL_CTX` has room for unless it is told.
const OPENSSL_DEFAULT: usize = 20_480;

/// The kind, the number of threads, and that of the sessions in the cache, where there is one.
type Case = (HandshakeKind, usize, Option<usize>);

const RATE: [&str; 3] = ["handshake", "handshakes per second", "1/s"];
const CPU_TIME: [&str; 3] = ["handshake", "CPU time per handshake", "us"];

/// A quantity, its side where that makes a difference, and its value.
type Quantity = ([&'static str; 3], Option<&'static str>, fn(&Turn) -> f64);

const QUANTITIES: [Quantity; 3] = [
    (RATE, None, |turn| turn.rate),
    (CPU_TIME, Some("server"), Turn::server_micros),
    (CPU_TIME, Some("client and server"), Turn::micros_of_both),
];

/// The contenders of a kind of handshake; ratios are to the first.
fn contenders(kind: HandshakeKind) -> Vec<(&'static str, Store)> {
    let internal = ("OpenSSL internal cache", Store::Internal);
    let built_in = ("OpenSSL's built-in key", Store::BuiltInKey);
    let cache = ("rekindle", Store::RekindleCache);
    match kind {
        // Here it shows what it costs to prepare for a return.
        HandshakeKind::FullTls12 | HandshakeKind::FullTls13 => vec![
            ("no resumption", Store::NoResumption),
            internal,
            cache,
            built_in,
            ("rekindle, tickets", Store::RekindleTickets),
        ],
        HandshakeKind::Tls12Id | HandshakeKind::Tls13Stateful => vec![internal, cache],
        HandshakeKind::Tls12Ticket | HandshakeKind::Tls13Ticket => {
            vec![built_in, ("rekindle", Store::RekindleTickets)]
        }
    }
}

/// Runs handshakes of every kind, and inserts into OpenSSL's session cache beside ours. Panics when
/// a handshake fails, or one that should resume does not.
pub(crate) fn run(options: &Options, record: &mut Record) {
    for &kind in HandshakeKind::value_variants() {
        let sizes: Vec<_> = match kind.looks_up() {
            true => options.sessions.iter().map(|s| Some(*s as usize)).collect(),
            false => vec![None],
        };
        for sessions in sizes {
            for &threads in &options.threads {
                compare((kind, threads, sessions), options, record);
            }
        }
    }
    inserts::run(&options.sessions, &options.threads, options.rounds, record);
}

fn compare(of: Case, options: &Options, record: &mut Record) {
    let (kind, threads, sessions) = of;
    let contenders = contenders(kind).into_iter();
    let contenders: Vec<_> = contenders
        .map(|(name, store)| (name, visited_server(of, store, options)))
        .collect();
    let length = Duration::from_millis(options.millis);
    let turns = interleave(1..=options.rounds, &contenders, |(_, contender), _| {
        contender.turn(length)
    });
    for (quantity, side, value) in QUANTITIES {
        let mut case = case([
            ("where", "in process".into()),
            ("way", kind.to_string()),
            ("threads", threads.to_string()),
        ]);
        let sessions = sessions.map(|sessions| sessions.to_string());
        case.extend(sessions.map(|sessions| ("sessions".into(), sessions)));
        case.extend(side.map(|side| ("side".into(), side.into())));
        let names = contenders.iter().map(|(name, _)| name);
        record.add_turns(quantity, &case, names, &turns, value);
    }
}

/// A server with that many sessions in its cache, if it has one, the clients' included.
/// Resumptions of TLS 1.3 will add others.
fn visited_server(
    (kind, threads, sessions): Case,
    store: Store,
    options: &Options,
) -> VisitedServer {
    // With room for several times as many as there will be. In a cache that is full, sessions go
    // to make room, and a client whose session went would not resume; and of ours a
    // line may be full long before the whole cache is.
    // A thread makes 10 in a millisecond at most.
    let made = 10 * options.millis as usize * (options.rounds + 1) * threads;
    let room = sessions.map_or(OPENSSL_DEFAULT, |s| 4 * (s + made));
    // In TLS 1.3 each of them leaves three sessions by the time it is known.
    let visitors = sessions.map_or(FEW, |s| VISITORS.min(s / (8 * threads)));
    let this = VisitedServer::new(kind, Server::new(store, room), threads, visitors);
    if let Some(sessions) = sessions {
        fill(&this.server, sessions);
    }
    this
}

/// Adds sessions of others to the cache, up to that number.
fn fill(server: &Server, sessions: usize) {
    for step in server.sessions()..sessions {
        server.insert(session(churned(0, step as u64).id.as_bytes()));
    }
    let filled = server.sessions();
    let most = sessions - sessions / 1_000..=sessions;
    assert!(most.contains(&filled), "{filled} sessions");
}
