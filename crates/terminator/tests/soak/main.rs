//! Full load while everything changes: SIGHUP each second with renewed certificates, other settings
//! and now and then a broken file; ticket keys that rotate; upstreams that die, stall, reset and
//! end in the middle. Every request that fails must be explained by what an upstream or the client
//! did to it, every byte of an answer is compared, and at the end everything is as it was before.
//!
//! ```console
//! $ REKINDLE_SOAK=600 cargo test --release -p rekindle-terminator --test soak   # seconds
//! ```

mod client;
#[path = "../terminator/common/mod.rs"]
#[allow(dead_code, reason = "the tests of the terminator alone use the rest")]
mod common;
mod history;
mod operator;
mod upstream;
mod wire;

use std::env;
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::client::{Behaviour, Client};
use crate::common::{eventually, skipped_when_quick};
use crate::history::History;
use crate::operator::Operator;
use crate::upstream::Upstreams;

/// The threads of clients, by what they do.
const CLIENTS: [(Behaviour, usize); 4] = [
    (Behaviour::Busy, 20),
    (Behaviour::Slow, 4),
    (Behaviour::Idle, 4),
    (Behaviour::HalfOpen, 4),
];

/// Memory may grow by so many bytes from the third quarter of the time to the last one.
const MOST_GROWTH: u64 = 8 << 20;

#[test]
fn every_failed_request_is_explained() {
    if skipped_when_quick("full load with reloads, rotations and broken upstreams") {
        return;
    }
    let seconds = env::var("REKINDLE_SOAK").map(|text| text.parse().expect("seconds"));
    let time = Duration::from_secs(seconds.unwrap_or(20));
    let history = Arc::new(History::default());
    let upstreams = Upstreams::start(&history);
    let mut operator = Operator::start(&upstreams.addresses);
    let terminator = operator.terminator.address;
    // What is opened once is open then.
    Client::new(0, terminator, &history).visit(Behaviour::Busy);
    operator.wait_until_idle();
    let files_before = operator.terminator.open_files();

    let (ends, begin) = (AtomicBool::new(false), Instant::now());
    upstreams.trouble(true);
    let memory = thread::scope(|scope| {
        let behaviours = CLIENTS
            .iter()
            .flat_map(|(behaviour, threads)| (0..*threads).map(|_| *behaviour));
        for (number, behaviour) in behaviours.enumerate() {
            let (ends, history) = (&ends, &history);
            scope.spawn(move || {
                let mut client = Client::new(number as u64 + 1, terminator, history);
                while !ends.load(Ordering::Relaxed) {
                    client.visit(behaviour);
                }
            });
        }
        let memory = operator.work(time);
        upstreams.trouble(false);
        ends.store(true, Ordering::Relaxed);
        memory
    });
    operator.wait_until_idle();
    let begun = begin.elapsed();

    let _ = writeln!(
        io::stderr(),
        "{}",
        table(&history, &operator, begun, &memory)
    );
    let unexplained = history.unexplained();
    assert!(
        unexplained.is_empty(),
        "unexplained:\n{}",
        unexplained.join("\n")
    );
    upstreams.addresses.iter().for_each(|upstream| {
        let up = format!("rekindle_upstream_up{{upstream=\"{upstream}\"}}");
        let mut client = Client::new(0, terminator, &history);
        eventually("every upstream is up", || {
            client.visit(Behaviour::Busy);
            operator.terminator.metric(&up) == 1
        });
    });
    operator.wait_until_idle();
    eventually("no descriptor more than before", || {
        operator.terminator.open_files() <= files_before
    });
    operator.check_log();
    assert_eq!(history.never_ended(), Vec::<String>::new());
    let [third, last] = quarters(&memory);
    let growth = last.saturating_sub(third);
    assert!(growth < MOST_GROWTH, "memory has grown by {growth} bytes");
}

/// The medians of the third and of the last quarter of the samples: what a single connection or a
/// reload needs for a moment is in neither.
fn quarters(samples: &[u64]) -> [u64; 2] {
    let median = |part: &[u64]| {
        let mut part = part.to_vec();
        part.sort_unstable();
        part[part.len() / 2]
    };
    let quarter = (samples.len() / 4).max(1);
    let (rest, last) = samples.split_at(samples.len() - quarter);
    [median(&rest[rest.len() - quarter..]), median(last)]
}

fn table(history: &History, operator: &Operator, time: Duration, memory: &[u64]) -> String {
    let mut rows = history.counts();
    let handshakes: u64 = (rows.iter().filter(|(row, _)| row.starts_with("session: ")))
        .map(|(_, number)| number)
        .sum();
    let [third, last] = quarters(memory).map(|bytes| bytes >> 10);
    rows.extend([
        ("handshakes", handshakes),
        ("seconds", time.as_secs()),
        ("SIGHUP", operator.reloads),
        ("SIGHUP with a broken file", operator.broken),
        ("rotations of ticket keys", operator.rotations),
        ("memory in the third quarter, KiB", third),
        ("memory in the last quarter, KiB", last),
    ]);
    let rows = rows
        .iter()
        .map(|(row, number)| format!("{row:52} {number:>9}"));
    rows.collect::<Vec<_>>().join("\n")
}
