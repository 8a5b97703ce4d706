//! Real handshakes from several threads while sessions are evicted, expire and are removed, and
//! ticket keys are swapped: no handshake fails, and memory stays where it is.

mod common;
#[path = "common/records.rs"]
mod records;

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use common::{Client, Mechanism, server};
use records::record;
use rekindle::openssl::{Resumption, SessionCache};
use rekindle::{Cache, ManualClock, SessionId};

const ROUNDS: usize = 300;
const SESSIONS: usize = 20;

/// Resident memory of this process, in bytes.
fn resident() -> usize {
    let statm = fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4_096
}

/// Comes back again and again with a few clients, some of whose sessions were evicted, removed or
/// expired meanwhile. Returns how often a session was resumed.
fn visit(kind: Mechanism, resumption: &Resumption) -> usize {
    let server = server(resumption);
    let clients: Vec<Client> = (0..4).map(|_| Client::new(kind)).collect();
    for client in &clients {
        client.connect(&server);
    }
    let visits = (0..ROUNDS).map(|n| clients[n % clients.len()].reconnect(&server));
    visits.filter(|connection| connection.resumed()).count()
}

/// Evicts, removes and expires sessions, and rotates ticket keys.
fn spoil(cache: &SessionCache, clock: &ManualClock, stateless: &Resumption, done: &AtomicBool) {
    let mut n = 0u32;
    loop {
        // At the end time passes until the sessions that are left have expired.
        let ends = done.load(Ordering::Relaxed);
        if ends && (cache.is_empty() || cache.stats().evicted.expired > 0) {
            break;
        }
        n += 1;
        // By tickets, not by time: on a slow machine some have to be renewed, too.
        let age = (stateless.ticket_stats().sealed / 8 % 50) as u8;
        let keys = [record(age + 1), record(age)].concat();
        let keys = &keys[..if age == 0 { 48 } else { 96 }];
        stateless.ticket_ring().update(keys).unwrap();
        let guard = cache.pin();
        let victim = guard.iter().nth(n as usize % SESSIONS);
        let victim: Option<SessionId> = victim.map(|entry| *entry.id());
        drop(guard);
        match victim.filter(|_| !ends) {
            Some(id) if n.is_multiple_of(2) => drop(cache.remove(&id)),
            Some(id) => drop(cache.take(&id)),
            None => {}
        }
        if n.is_multiple_of(16) {
            clock.advance(Duration::from_secs(100));
        }
        cache.maintain();
        thread::yield_now();
    }
}

#[test]
fn handshakes_go_on_whatever_happens_to_sessions_and_keys() {
    let clock = Arc::new(ManualClock::new());
    let cache = Cache::builder().capacity(SESSIONS).clock(clock.clone());
    let cache = common::cache(cache);
    let with_tickets = |on| {
        let builder = Resumption::builder().cache(Arc::clone(&cache));
        let builder = builder.session_timeout(Duration::from_secs(300));
        builder.stateless_tickets(on).build().unwrap()
    };
    let (stateful, stateless) = (with_tickets(false), with_tickets(true));
    // Two servers' worth of everything that is allocated once.
    let of = |kind: Mechanism| [&stateful, &stateless][usize::from(kind.stateless())];
    for kind in Mechanism::ALL {
        visit(kind, of(kind));
    }
    let before = resident();

    let (done, resumed) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        let visitors = Mechanism::ALL.map(|kind| {
            let resumption = of(kind);
            let resumed = &resumed;
            scope.spawn(move || {
                for _ in 0..3 {
                    resumed.fetch_add(visit(kind, resumption), Ordering::Relaxed);
                }
            })
        });
        let spoiler = scope.spawn(|| spoil(&cache, &clock, &stateless, &done));
        let failed = visitors.map(|visitor| visitor.join().err());
        done.store(true, Ordering::Relaxed);
        assert!(failed.iter().all(Option::is_none), "a handshake failed");
        // Thread sanitizer sees a join, but not the end of a scope: std itself is not instrumented.
        spoiler.join().unwrap();
    });

    let stats = cache.stats();
    println!(
        "{} resumed, {stats:?}, {:?}",
        resumed.load(Ordering::Relaxed),
        stateless.ticket_stats()
    );
    assert!(resumed.into_inner() > 100, "hardly anything was resumed");
    assert!(stats.removed > 0 && stats.taken > 0 && stats.misses > 0);
    assert!(stats.evicted.expired > 0);
    assert!(stateless.ticket_stats().renewed > 0 && stateless.ticket_stats().retired_key > 0);
    assert!(stats.entries <= SESSIONS + Mechanism::ALL.len());
    assert!(stats.retired < 4_096, "{stats:?}");
    let grown = resident().saturating_sub(before);
    assert!(grown < 32 << 20, "{grown} bytes more than before");
}
