//! Five machines behind HAProxy while their store fails in one way after another, each for a third
//! of a phase. Clients come back at once, and later. Ten minutes, and a table for each way of
//! sharing:
//!
//! ```console
//! $ REKINDLE_FLEET_PHASE=60 cargo test --release -p rekindle-terminator --test terminator \
//!       fleet::minutes -- --nocapture      # seconds of a phase
//! ```

mod clients;
mod fault;
mod row;
mod site;

use std::env;
use std::io::{self, Write};
use std::iter;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use self::clients::Counts;
use self::fault::Fault;
use self::row::Row;
use self::site::Site;

const PHASES: [Fault; 10] = [
    Fault::None,
    Fault::Killed,
    Fault::Frozen,
    Fault::Full,
    Fault::Slow,
    Fault::OtherPassword,
    Fault::OneCutOff,
    Fault::Garbage,
    Fault::Flapping,
    Fault::None,
];

/// From the end of a fault until sessions of each machine resume on the next one: machines pause
/// for up to five seconds between attempts to connect, and for up to ten between fetches.
const SHARES_AGAIN: Duration = Duration::from_secs(20);

/// Of a machine, in bytes: the sessions of ten minutes, in a debug build.
const MOST_MEMORY: u64 = 96 << 20;

#[test]
fn no_handshake_fails_while_the_store_does_and_sharing_comes_back() {
    let seconds = env::var("REKINDLE_FLEET_PHASE");
    let seconds = seconds.map_or(0.6, |text| text.parse().expect("seconds"));
    let length = Duration::from_secs_f64(seconds);
    let tables = thread::scope(|scope| {
        let run = |sharing| scope.spawn(move || (sharing, through_faults(sharing, length)));
        let running = ["replicate", "fetch", "both"].map(run);
        running.map(|thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic)))
    });
    for (sharing, rows) in &tables {
        let Some(rows) = rows else {
            return;
        };
        let table = row::table(rows);
        let _ = writeln!(io::stderr(), "\n`--fleet-sharing {sharing}`\n\n{table}");
    }
    for (sharing, rows) in &tables {
        rows.iter().flatten().for_each(|row| check(sharing, row));
    }
}

fn check(sharing: &str, row: &Row) {
    let what = format!("{sharing}, {}: {row:?}", row.fault.name());
    assert!(row.counts.failed.is_empty(), "handshakes failed; {what}");
    assert!(row.counts.later.all > 0, "it was too short; {what}");
    assert!(row.is_noticed(), "it was no fault; {what}");
    assert!(row.shares_again < SHARES_AGAIN, "{what}");
    assert!(row.memory < MOST_MEMORY, "{what}");
    if row.fault == Fault::None {
        let later = &row.counts.later;
        // One of a few: on a busy machine an answer of the store may come behind its deadline.
        let lost = later.all - later.resumed;
        assert!(lost * 100 <= later.all.max(100), "{what}");
    }
}

/// None if something is not installed.
fn through_faults(sharing: &str, length: Duration) -> Option<Vec<Row>> {
    let mut site = Site::start(sharing)?;
    let _ = site.until_it_shares();
    let rows = PHASES.map(|fault| {
        let mut rows = iter::repeat_with(|| phase(&mut site, fault, length));
        let row = rows.find(|row| !row.counts.is_suspended);
        row.expect("there is no end of rows")
    });
    Some(rows.into())
}

/// Clients come while a fault begins and ends, and until it is over.
fn phase(site: &mut Site, fault: Fault, length: Duration) -> Row {
    let (before, balancer) = (site.counters(), site.balancer.address);
    let ends = AtomicBool::new(false);
    let (counts, shares_again) = thread::scope(|scope| {
        let ends = clients::EndsWhenDropped(&ends);
        let run = |kind| scope.spawn(move || clients::run(kind, balancer, ends.0));
        let clients = clients::KINDS.map(run);
        let begin = Instant::now();
        fault.lasts(site, length / 3);
        let (shares_again, failed) = site.until_it_shares();
        thread::sleep(length.saturating_sub(begin.elapsed()));
        ends.0.store(true, Ordering::Relaxed);
        let mut counts = Counts::default();
        for client in clients {
            counts = counts.and(client.join().unwrap_or_else(|panic| resume_unwind(panic)));
        }
        counts.failed.extend(failed);
        (counts, shares_again)
    });
    Row {
        fault,
        counts,
        shares_again,
        counters: site.counters().since(&before),
        memory: site.memory(),
    }
}
