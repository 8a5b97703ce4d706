//! Loads, and the contenders that carry them.

use std::fmt;
use std::hint::black_box;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Barrier, Mutex};
use std::time::{Duration, Instant};

use rand::rngs::{SmallRng, StdRng};
use rand::{Rng, SeedableRng};
use rekindle::{Cache, CacheBuilder, SessionId};

use crate::engine::floor::Floor;
use crate::peers::{
    Dash, LockedLru, Moka, Papaya, Peer, QuickCache, Rekindle, RustlsMemory, Scc, Tiny, fill,
};
use crate::workload::{Sessions, random_id};

/// Operations in one batch: clocks are read, and locks of the harness taken, between batches.
const BATCH: usize = 1_000;

/// What the contenders do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Load {
    /// Copies values, each of which leads to the next id.
    GetBuffer,
    /// Takes hold of random values.
    Get,
    /// Random lookups of a fixed half of the sessions, and so many per cent inserts of new ids
    /// while old ones go. Caches evict by themselves; of the map, each insert removes the session
    /// that its thread inserted half the churn ago, so that all hold the same number of entries.
    Mixed {
        /// Inserts in a hundred operations.
        inserts: u32,
    },
}

impl fmt::Display for Load {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::GetBuffer => f.write_str("get_buffer, dependent keys"),
            Self::Get => f.write_str("get, random keys"),
            Self::Mixed { inserts: 100 } => f.write_str("insert, new ids"),
            Self::Mixed { inserts } => write!(f, "mixed, {inserts} % inserts of new ids"),
        }
    }
}

/// The tables for one load, filled.
pub struct Tables {
    load: Load,
    sessions: Sessions,
    churn: Churn,
    /// For loads that only read.
    floor: Floor,
    /// For loads that write: one for each thread, with its share of the sessions.
    floors: Vec<Mutex<Floor>>,
    pinned: Rekindle<true>,
    pinning: Rekindle<false>,
    peers: Vec<(&'static str, Box<dyn Peer>)>,
}

/// All peers. `room` for those that evict.
fn peers(count: usize, room: usize) -> Vec<(&'static str, Box<dyn Peer>)> {
    vec![
        ("dashmap", Box::new(Dash::new(count))),
        ("scc", Box::new(Scc::new(count))),
        ("papaya", Box::new(Papaya::new(count))),
        ("quick_cache", Box::new(QuickCache::new(room))),
        ("moka", Box::new(Moka::new(room))),
        ("TinyUFO", Box::new(Tiny::new(room))),
        ("Mutex<LruCache>", Box::new(LockedLru::new(room))),
        ("rustls memory cache", Box::new(RustlsMemory::new(room))),
    ]
}

impl Tables {
    /// Tables for `count` sessions and so many threads.
    ///
    /// # Panics
    ///
    /// For more than 2^32 sessions.
    #[must_use]
    pub fn new(load: Load, count: usize, threads: usize) -> Self {
        let cache = CacheBuilder::new(count).build().expect("a valid capacity");
        let cache: std::sync::Arc<Cache<u64>> = cache.into();
        let mut tables = Self {
            load,
            sessions: Sessions::new(count),
            churn: Churn::new(count, threads),
            floor: Floor::new(1),
            floors: Vec::new(),
            pinned: Rekindle::new(cache.clone()),
            pinning: Rekindle::new(cache),
            peers: Vec::new(),
        };
        match load {
            Load::GetBuffer | Load::Get => tables.fill_for_reading(count),
            Load::Mixed { .. } => tables.fill_for_churn(count, threads),
        }
        tables
    }

    fn fill_for_reading(&mut self, count: usize) {
        // With room to spare: some keep less than they are asked to.
        self.peers = peers(count, 2 * count);
        let mut floor = Floor::new(count);
        fill(&self.pinned, &self.sessions);
        for session in 0..count as u32 {
            floor.put(self.sessions.id(session), &self.sessions.value(session));
        }
        // Lines of eight have overflowed here and there: go through those that both kept, and write
        // only them again, with their new successors.
        let kept = |id: &SessionId| self.pinned.get(id) && Peer::get(&floor, id);
        self.sessions.relink(kept);
        for session in 0..count as u32 {
            let (id, value) = (self.sessions.id(session), self.sessions.value(session));
            if self.pinned.get(id) && Peer::get(&floor, id) {
                self.pinned.insert(id, &value);
                floor.put(id, &value);
            }
        }
        self.fill_peers();
        self.floor = floor;
    }

    fn fill_for_churn(&mut self, count: usize, threads: usize) {
        self.sessions = Sessions::new(count / 2);
        for _ in 0..threads {
            let mut floor = Floor::new(count / threads);
            for session in 0..(self.sessions.len() / threads) as u32 {
                floor.put(self.sessions.id(session), &self.sessions.value(session));
            }
            self.floors.push(Mutex::new(floor));
        }
        fill(&self.pinned, &self.sessions);
        self.peers = peers(count, count);
        self.fill_peers();
    }

    fn fill_peers(&self) {
        for (_, peer) in &self.peers {
            fill(&**peer, &self.sessions);
        }
    }

    /// Everybody who can carry the load; ratios are to the first.
    #[must_use]
    pub fn contenders(&self) -> Vec<Contender<'_>> {
        let mut contenders = match self.load {
            Load::GetBuffer => vec![
                self.chain("floor", &self.floor),
                self.chain("rekindle, pinned", &self.pinned),
            ],
            Load::Get => vec![self.get("floor", &self.floor)],
            Load::Mixed { inserts } => vec![self.floor_mix(inserts)],
        };
        contenders.push(self.carry("rekindle", &self.pinning));
        contenders.extend((self.peers.iter()).map(|(name, peer)| self.carry(name, &**peer)));
        contenders
    }

    fn carry<'a>(&'a self, name: &'a str, peer: &'a dyn Peer) -> Contender<'a> {
        match self.load {
            Load::GetBuffer => self.chain(name, peer),
            Load::Get => self.get(name, peer),
            Load::Mixed { inserts } => self.mix(name, inserts, peer),
        }
    }

    fn chain<'a>(&'a self, name: &'a str, peer: &'a dyn Peer) -> Contender<'a> {
        Contender::new(name, move |thread, batch| {
            black_box(peer.chain(&self.sessions, self.start(thread, batch), BATCH));
        })
    }

    fn start(&self, thread: usize, batch: usize) -> u32 {
        let anywhere = (thread * 7_919 + batch * 104_729) % self.sessions.len();
        self.sessions.next(anywhere as u32)
    }

    fn get<'a>(&'a self, name: &'a str, peer: &'a dyn Peer) -> Contender<'a> {
        Contender::new(name, move |thread, batch| {
            peer.gets(&self.sessions, &mut rng(thread, batch), BATCH);
        })
    }

    fn mix<'a>(&'a self, name: &'a str, inserts: u32, peer: &'a dyn Peer) -> Contender<'a> {
        let steps = self.churn.steps();
        Contender::new(name, move |thread, batch| {
            let mut rng = rng(thread, batch);
            let mut buffer = self.sessions.value(0);
            for _ in 0..BATCH {
                if rng.random_ratio(inserts, 100) {
                    let (new, old) = self.churn.step(thread, &steps[thread]);
                    peer.insert(new, &buffer);
                    peer.remove(old);
                    continue;
                }
                let session = rng.random_range(0..self.sessions.len() as u32);
                if peer
                    .get_buffer(self.sessions.id(session), &mut buffer)
                    .is_some()
                {
                    black_box(self.sessions.follow(session, &buffer));
                }
            }
        })
    }

    /// As [`mix`](Self::mix), each thread on a table of its own that holds its share.
    fn floor_mix(&self, inserts: u32) -> Contender<'_> {
        let steps = self.churn.steps();
        Contender::new("floor, a table each", move |thread, batch| {
            let mut floor = self.floors[thread].lock().expect("not poisoned");
            let mut rng = rng(thread, batch);
            let mut buffer = self.sessions.value(0);
            let share = (self.sessions.len() / self.floors.len()) as u32;
            for _ in 0..BATCH {
                if rng.random_ratio(inserts, 100) {
                    let (new, _) = self.churn.step(thread, &steps[thread]);
                    floor.put(new, &buffer);
                    continue;
                }
                let session = rng.random_range(0..share);
                if Peer::get_buffer(&*floor, self.sessions.id(session), &mut buffer).is_some() {
                    black_box(self.sessions.follow(session, &buffer));
                }
            }
        })
    }
}

impl fmt::Debug for Tables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tables({}, {} sessions)", self.load, self.sessions.len())
    }
}

fn rng(thread: usize, batch: usize) -> SmallRng {
    SmallRng::seed_from_u64((thread as u64) << 32 | batch as u64)
}

type Work<'a> = Box<dyn Fn(usize, usize) + Sync + 'a>;

/// Somebody who can carry a load.
pub struct Contender<'a> {
    /// Its name.
    pub name: &'a str,
    /// Does one batch, given the number of the thread and of the batch.
    work: Work<'a>,
}

impl<'a> Contender<'a> {
    fn new(name: &'a str, work: impl Fn(usize, usize) + Sync + 'a) -> Self {
        Self {
            name,
            work: Box::new(work),
        }
    }

    /// Lets `threads` threads work until each has done whole batches for the length of `turn`;
    /// nanoseconds per operation and thread.
    #[must_use]
    pub fn work_for(&self, threads: usize, round: usize, turn: Duration) -> f64 {
        let times = on_threads(threads, |thread| {
            let (start, first) = (Instant::now(), round << 20);
            let mut batches = 0;
            while start.elapsed() < turn {
                (self.work)(thread, first + batches);
                batches += 1;
            }
            start.elapsed().as_nanos() as f64 / (batches * BATCH) as f64
        });
        times.iter().sum::<f64>() / threads as f64
    }

    /// Lets `threads` threads do `operations` each, rounded up to whole batches; how long the last
    /// one took, for exactly so many.
    #[must_use]
    pub fn do_operations(&self, threads: usize, operations: u64) -> Duration {
        let batches = operations.div_ceil(BATCH as u64);
        let times = on_threads(threads, |thread| {
            let start = Instant::now();
            (0..batches as usize).for_each(|batch| (self.work)(thread, batch));
            start.elapsed()
        });
        let longest = times.into_iter().max().unwrap_or_default();
        longest.mul_f64(operations as f64 / (batches * BATCH as u64) as f64)
    }
}

impl fmt::Debug for Contender<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Contender({})", self.name)
    }
}

fn on_threads<R: Send>(threads: usize, f: impl Fn(usize) -> R + Sync) -> Vec<R> {
    let barrier = Barrier::new(threads);
    let run = |thread| {
        barrier.wait();
        f(thread)
    };
    std::thread::scope(|scope| {
        let run = &run;
        let workers: Vec<_> = (0..threads).map(|t| scope.spawn(move || run(t))).collect();
        let join = |w: std::thread::ScopedJoinHandle<'_, R>| w.join().expect("a wrong answer");
        workers.into_iter().map(join).collect()
    })
}

/// Ids that come and go; each thread walks through its own share, round and round.
struct Churn {
    shares: Vec<Vec<SessionId>>,
}

impl Churn {
    fn new(count: usize, threads: usize) -> Self {
        let mut rng = StdRng::seed_from_u64(!(count as u64));
        let mut share = || (0..count / threads).map(|_| random_id(&mut rng)).collect();
        Self {
            shares: (0..threads).map(|_| share()).collect(),
        }
    }

    /// Where each thread stands.
    fn steps(&self) -> Vec<AtomicUsize> {
        self.shares.iter().map(|_| AtomicUsize::new(0)).collect()
    }

    /// The id that a thread inserts at its next step, and the one that it lets go.
    fn step(&self, thread: usize, step: &AtomicUsize) -> (&SessionId, &SessionId) {
        let share = &self.shares[thread];
        // One thread to a counter: no read-modify-write.
        let now = step.load(Ordering::Relaxed);
        step.store(now + 1, Ordering::Relaxed);
        let half = share.len() / 2;
        (
            &share[now % share.len()],
            &share[(now + half) % share.len()],
        )
    }
}
