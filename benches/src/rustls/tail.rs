//! How long single takes wait beside writers at idle priority.

use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Instant;

use super::contenders::{Options, stores};
use super::store::Filled;
use crate::record::{Record, case, interleave};
use crate::tail::{Latencies, QUANTILES, histogram};
use crate::threads::{Raises, become_idle, join};

/// Sessions in the stores.
const SESSIONS: usize = 20_000;

/// Threads whose takes are timed.
const TIMED: usize = 2;

pub(super) fn run(options: &Options, record: &mut Record) {
    for &writers in &options.writers {
        let stores = stores(SESSIONS, SESSIONS).map(|(name, store)| {
            let filled = Filled::new(store, TIMED + writers);
            filled.put_up_to(SESSIONS);
            (name, filled)
        });
        let turns = interleave(0..=options.rounds, &stores, |(_, store), _| {
            turn(store, writers, options)
        });
        for (name, quantile) in QUANTILES {
            let case = case([
                ("writers", writers.to_string()),
                ("sessions", SESSIONS.to_string()),
                ("threads", TIMED.to_string()),
                ("quantile", name.into()),
            ]);
            let latency = |turn: &Latencies| turn.value_at_quantile(quantile) as f64;
            let names = stores.iter().map(|(name, _)| name);
            record.add_turns(
                ["rustls", "latency of take", "ns"],
                &case,
                names,
                &turns,
                latency,
            );
        }
    }
}

fn turn(store: &Filled, writers: usize, options: &Options) -> Latencies {
    let (ready, over) = (Barrier::new(TIMED + writers), AtomicBool::new(false));
    let time = |thread| {
        ready.wait();
        // Writers go as soon as one of these ends or panics.
        let _over = Raises(&over);
        let (mut latencies, begin) = (histogram(), Instant::now());
        while begin.elapsed() < options.length() {
            store.put_batch(thread);
            for (key, number) in store.newest(thread) {
                let start = Instant::now();
                store.take(&key, number);
                latencies.saturating_record(start.elapsed().as_nanos() as u64);
            }
        }
        latencies
    };
    let write = |writer| {
        let idle = become_idle();
        ready.wait();
        idle.expect("any thread may become idle");
        while !over.load(Ordering::Relaxed) {
            store.put_batch(writer);
        }
    };
    thread::scope(|scope| {
        let (time, write) = (&time, &write);
        let writers: Vec<_> = (TIMED..TIMED + writers)
            .map(|writer| scope.spawn(move || write(writer)))
            .collect();
        let timed: Vec<_> = (0..TIMED).map(|t| scope.spawn(move || time(t))).collect();
        let mut all = histogram();
        for thread in timed {
            all.add(join(thread)).expect("the same bounds");
        }
        writers.into_iter().for_each(join);
        all
    })
}
