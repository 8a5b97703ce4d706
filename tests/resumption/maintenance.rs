//! The thread that maintains a resumption.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, SystemTime};

use rekindle::openssl::Resumption;
use rekindle::{SessionId, Time};

use crate::common::{Client, Mechanism, server};

/// Threads of this process that maintain a resumption.
fn maintainers() -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let names =
        tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok());
    names.filter(|name| name == "rekindle\n").count()
}

/// How long it takes until something is true; panics after a long time.
fn wait_until(what: impl Fn() -> bool) -> Duration {
    let now = || SystemTime::UNIX_EPOCH.elapsed().unwrap();
    let began = now();
    while !what() {
        assert!(now().saturating_sub(began) < Duration::from_secs(20));
        thread::yield_now();
    }
    now().saturating_sub(began)
}

#[test]
fn the_maintenance_thread_sweeps_and_ends_with_the_resumption() {
    // So small that a second's share of the sweep is all of it.
    let resumption = Resumption::builder().sessions(8).stateless_tickets(false);
    let resumption = resumption.build().unwrap();
    let (server, client) = (server(&resumption), Client::new(Mechanism::Tls12Id));
    resumption.spawn_maintenance().unwrap();
    resumption.spawn_maintenance().unwrap();
    wait_until(|| maintainers() == 1);
    // An entry that has expired leaves without another call.
    let session = client.connect(&server).session();
    let id = SessionId::new(b"expired").unwrap();
    let expired = Time::from_millis(0);
    let inserted = resumption.cache().insert(&id, session.into(), b"", expired);
    inserted.unwrap();
    wait_until(|| resumption.cache().stats().evicted.expired == 1);
    let cache = Arc::downgrade(resumption.cache());
    drop(resumption);
    assert_eq!(maintainers(), 1, "the context still uses it");
    drop(server);
    let took = wait_until(|| maintainers() == 0);
    assert!(took < Duration::from_millis(900), "{took:?} is not at once");
    assert!(cache.upgrade().is_none());
}
