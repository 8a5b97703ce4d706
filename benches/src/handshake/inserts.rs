//! Inserts into OpenSSL's own session cache, beside inserts into ours: what a server does with the
//! session at the end of a full handshake.
//!
//! Sessions are made before the clock runs, each with an id of its own, and the caches get the only
//! reference to them. Both caches are full: each insert makes room for itself, and the session that
//! goes is freed within that time. OpenSSL keeps sessions as they are; we encode them as well,
//! so that `get_buffer` need not. The third contender shows how much of the time that is.

use std::mem;
use std::sync::Mutex;
use std::time::Instant;

use openssl::ssl::SslSession;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use rekindle::{SessionId, Time};

use crate::peers::session;
use crate::record::{Record, case, interleave};
use crate::threads::on_threads;
use crate::tls::{Server, Store};

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
        Contender::new("OpenSSL internal cache", Store::Internal, sessions, false),
        Contender::new("rekindle", Store::RekindleCache, sessions, false),
        Contender::new(
            "rekindle, encoded before",
            Store::RekindleCache,
            sessions,
            true,
        ),
    ];
    let mut rng = StdRng::seed_from_u64(!(sessions as u64));
    let times = interleave(0..=rounds, &contenders, |one, _| {
        one.turn(threads, &mut rng)
    });
    let case = case([
        ("operation", "SSL_CTX_add_session".into()),
        ("sessions", sessions.to_string()),
        ("threads", threads.to_string()),
    ]);
    let times = contenders.iter().map(|contender| contender.name).zip(times);
    record.add_case(["handshake", "time per session", "ns"], &case, times);
}

struct Contender {
    name: &'static str,
    server: Server,
    capacity: usize,
    /// Whether sessions come with their encoding.
    encoded: bool,
}

impl Contender {
    fn new(name: &'static str, store: Store, capacity: usize, encoded: bool) -> Self {
        let server = Server::new(store, capacity);
        let mut rng = StdRng::seed_from_u64(capacity as u64);
        for _ in 0..capacity {
            server.insert(session(&rng.random::<[u8; 32]>()));
        }
        let this = Self {
            name,
            server,
            capacity,
            encoded,
        };
        this.check();
        this
    }

    /// A line of eight may overflow before all are full; a session more than fits may wait to go.
    fn check(&self) {
        let (sessions, capacity) = (self.server.sessions(), self.capacity);
        let full = capacity - capacity / 10..=capacity + capacity / 10;
        assert!(full.contains(&sessions), "{}: {sessions}", self.name);
    }

    /// Lets each thread insert fresh sessions; nanoseconds for each.
    fn turn(&self, threads: usize, rng: &mut StdRng) -> f64 {
        let mut pile = || -> Vec<_> {
            let fresh = |_| {
                let session = session(&rng.random::<[u8; 32]>());
                let encoded = session.to_der().expect("an encoding");
                (session, encoded)
            };
            (0..WARM_UP + INSERTS).map(fresh).collect()
        };
        let piles: Vec<_> = (0..threads).map(|_| Mutex::new(pile())).collect();
        let insert = |sessions: Vec<(SslSession, Vec<u8>)>| {
            for (session, encoded) in sessions {
                self.insert(session, &encoded);
            }
        };
        let warm_up = |thread: usize| {
            let mut pile = piles[thread].lock().expect("not poisoned");
            insert(pile.drain(..WARM_UP).collect());
            mem::take(&mut *pile)
        };
        let times = on_threads(threads, warm_up, |pile| {
            let start = Instant::now();
            insert(pile);
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
