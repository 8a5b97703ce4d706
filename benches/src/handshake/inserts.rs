//! Inserts into OpenSSL's own session cache, beside inserts into ours: what a server does with the
//! session at the end of a full handshake.
//!
//! Sessions are made before the clock runs, each with an id of its own, and the caches get the only
//! reference to them. Both caches are full: each insert makes room for itself, and the session that
//! goes is freed within that time. OpenSSL keeps sessions as they are; we encode them as well,
//! so that `get_buffer` need not. The third contender shows how much of the time that is.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use openssl::ssl::SslSession;
use rekindle::{SessionId, Time};

use crate::record::{Record, case, interleave};
use crate::threads::on_threads;
use crate::tls::{Server, Store, session};
use crate::workload::churned;

/// Sessions that a thread inserts in a contender's turn, and before that: a thread that has just
/// begun has nothing to recycle yet.
const INSERTS: usize = 2_000;
const WARM_UP: usize = 500;

pub(super) fn run(sessions: &[u32], threads: &[usize], rounds: usize, record: &mut Record) {
    for &sessions in sessions {
        for &threads in threads {
            compare(sessions as usize, threads, rounds, record);
        }
    }
}

fn compare(sessions: usize, threads: usize, rounds: usize, record: &mut Record) {
    let contenders = [
        ("OpenSSL internal cache", Store::Internal, false),
        ("rekindle", Store::RekindleCache, false),
        ("rekindle, encoded before", Store::RekindleCache, true),
    ]
    .map(|(name, store, encoded)| Contender::new(name, store, sessions, encoded));
    let times = interleave(0..=rounds, &contenders, |one, _| one.turn(threads));
    let case = case([
        ("operation", "SSL_CTX_add_session".into()),
        ("sessions", sessions.to_string()),
        ("threads", threads.to_string()),
    ]);
    let names = contenders.iter().map(|contender| contender.name);
    let what = ["handshake", "time per session", "ns"];
    record.add_turns(what, &case, names, &times, |time| *time);
}

struct Contender {
    name: &'static str,
    server: Server,
    capacity: usize,
    /// Whether sessions come with their encoding.
    encoded: bool,
    /// How many sessions were made for it.
    made: AtomicU64,
}

impl Contender {
    fn new(name: &'static str, store: Store, capacity: usize, encoded: bool) -> Self {
        let this = Self {
            name,
            server: Server::new(store, capacity),
            capacity,
            encoded,
            made: AtomicU64::new(0),
        };
        for _ in 0..capacity {
            this.server.insert(this.fresh());
        }
        this.check();
        this
    }

    /// A line may overflow before all are full; a session more than fits may wait to go.
    fn check(&self) {
        let (sessions, capacity) = (self.server.sessions(), self.capacity);
        let full = capacity - capacity / 10..=capacity + capacity / 10;
        assert!(full.contains(&sessions), "{}: {sessions}", self.name);
    }

    fn fresh(&self) -> SslSession {
        let step = self.made.fetch_add(1, Ordering::Relaxed);
        session(churned(0, step).id.as_bytes())
    }

    /// Lets each thread insert fresh sessions; nanoseconds for each.
    fn turn(&self, threads: usize) -> f64 {
        let insert = |sessions: Vec<(SslSession, Vec<u8>)>| {
            for (session, encoded) in sessions {
                self.insert(session, &encoded);
            }
        };
        let make = |_| {
            let session = self.fresh();
            let encoded = session.to_der().expect("an encoding");
            (session, encoded)
        };
        let prepare = |_| {
            insert((0..WARM_UP).map(make).collect());
            (0..INSERTS).map(make).collect()
        };
        let times = on_threads(threads, prepare, |sessions| {
            let start = Instant::now();
            insert(sessions);
            start.elapsed().as_nanos() as f64 / INSERTS as f64
        });
        self.check();
        times.iter().sum::<f64>() / threads as f64
    }

    fn insert(&self, session: SslSession, encoded: &[u8]) {
        match &self.server.resumption {
            Some(ours) if self.encoded => {
                let id = SessionId::new(session.id()).expect("an id");
                let inserted = ours
                    .cache()
                    .insert(&id, session.into(), encoded, Time::NEVER);
                inserted.expect("nothing is refused here");
            }
            _ => self.server.insert(session),
        }
    }
}
