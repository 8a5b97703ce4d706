//! The calls of a session store alone: on a store that is full, by threads that each have sessions
//! of their own.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::contenders::{Options, Store, stores};
use crate::record::{Record, case, interleave, named};
use crate::threads::on_threads;
use crate::workload::{Value, check, churned};

/// Bytes of a value: a session of TLS 1.3 without certificates of a client has about as many.
const BYTES: usize = 160;

/// Calls between two readings of the clock. A thread has as many sessions in the smallest store.
pub(super) const BATCH: usize = 64;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Call {
    Put,
    Get,
    Take,
}

named!(Call { Put => "put", Get => "get", Take => "take", });

pub(super) fn run(options: &Options, record: &mut Record) {
    for &sessions in &options.sessions {
        for &threads in &options.threads {
            let stores = stores(sessions, sessions).map(|(name, store)| {
                let filled = Filled::new(store, threads);
                filled.put_up_to(sessions);
                (name, filled)
            });
            for call in [Call::Put, Call::Get, Call::Take] {
                compare(call, sessions, &stores, options, record);
            }
        }
    }
}

fn compare(
    call: Call,
    sessions: usize,
    stores: &[(&'static str, Filled)],
    options: &Options,
    record: &mut Record,
) {
    let turns = interleave(0..=options.rounds, stores, |(_, store), _| {
        store.turn(call, options.length())
    });
    let case = case([
        ("operation", call.to_string()),
        ("sessions", sessions.to_string()),
        ("threads", stores[0].1.put.len().to_string()),
    ]);
    let names = || stores.iter().map(|(name, _)| name);
    let time = ["rustls", "time per call", "ns"];
    record.add_turns(time, &case, names(), &turns, |turn| turn.nanos);
    let lost = ["rustls", "calls that missed", "%"];
    record.add_turns(lost, &case, names(), &turns, |turn| turn.missed);
}

/// A store with sessions of each thread.
pub(super) struct Filled {
    store: Store,
    /// How many sessions each thread has put.
    put: Vec<AtomicU64>,
}

struct Turn {
    nanos: f64,
    /// Of puts, those that were refused.
    missed: f64,
}

impl Filled {
    pub(super) fn new(store: Store, threads: usize) -> Self {
        let put = (0..threads).map(|_| AtomicU64::new(0)).collect();
        Self { store, put }
    }

    pub(super) fn put_up_to(&self, sessions: usize) {
        let threads = self.put.len();
        for session in 0..sessions.next_multiple_of(threads * BATCH) / BATCH {
            self.put_batch(session % threads);
        }
    }

    /// Puts sessions that were never there before; how long the calls took, and how many were
    /// refused: ours does so while a writer is preempted, rather than grow without a bound.
    pub(super) fn put_batch(&self, thread: usize) -> (Duration, usize) {
        let new = self.next(thread);
        let mut value = Value::new(BYTES);
        let pairs: Vec<_> = (new..new + BATCH as u64)
            .map(|step| {
                let new = churned(thread, step);
                let value = value.of(new.number, 0).to_vec();
                (new.id.as_bytes().to_vec(), value)
            })
            .collect();
        let start = Instant::now();
        let put = |(key, value)| usize::from(!self.store.put(key, value));
        let refused = pairs.into_iter().map(put).sum();
        let took = start.elapsed();
        self.put[thread].store(new + BATCH as u64, Ordering::Relaxed);
        (took, refused)
    }

    fn next(&self, thread: usize) -> u64 {
        self.put[thread].load(Ordering::Relaxed)
    }

    /// The thread's newest sessions, in the order in which they were put.
    pub(super) fn newest(&self, thread: usize) -> Vec<(Vec<u8>, u64)> {
        let next = self.next(thread);
        let session = |step| {
            let session = churned(thread, step);
            (session.id.as_bytes().to_vec(), session.number)
        };
        (next - BATCH as u64..next).map(session).collect()
    }

    /// Takes a session out; whether it was there.
    #[inline]
    pub(super) fn take(&self, key: &[u8], number: u64) -> bool {
        found(self.store.take(key), number)
    }

    fn turn(&self, call: Call, length: Duration) -> Turn {
        let threads = self.put.len();
        let prepare = |thread| {
            // Before any thread begins: the smallest store has room for that of all.
            self.put_batch(thread);
            thread
        };
        let of_threads = on_threads(threads, prepare, |thread| {
            let (mut time, mut calls, mut missed) = (Duration::ZERO, 0, 0);
            let begin = Instant::now();
            while begin.elapsed() < length {
                calls += BATCH;
                if call == Call::Put {
                    let (took, refused) = self.put_batch(thread);
                    time += took;
                    missed += refused;
                    continue;
                }
                if call == Call::Take {
                    self.put_batch(thread);
                }
                let sessions = self.newest(thread);
                let start = Instant::now();
                for (key, number) in &sessions {
                    let is_there = match call {
                        Call::Take => self.take(key, *number),
                        _ => found(self.store.get(key), *number),
                    };
                    missed += usize::from(!is_there);
                }
                time += start.elapsed();
            }
            let nanos = time.as_nanos() as f64 / calls as f64;
            (nanos, 100.0 * missed as f64 / calls as f64)
        });
        let mean = |sum: f64| sum / threads as f64;
        Turn {
            nanos: mean(of_threads.iter().map(|(nanos, _)| nanos).sum()),
            missed: mean(of_threads.iter().map(|(_, missed)| missed).sum()),
        }
    }
}

#[inline]
fn found(value: Option<Vec<u8>>, number: u64) -> bool {
    value.is_some_and(|value| {
        check(number, &value, BYTES);
        true
    })
}
