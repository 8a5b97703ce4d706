//! Eight threads of handshakes beside evictions, removals and rotations.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use rekindle::rustls::{Resumption, Scope};
use rekindle::tickets::TicketKeys;
use rustls::HandshakeKind;

use crate::peers::{Identity, VERSIONS};

#[test]
fn handshakes_beside_evictions_and_rotations() {
    let identity = Identity::new();
    // Room for few: most sessions are evicted before their client comes back.
    let resumption = Resumption::builder().sessions(16).build().unwrap();
    let scope = Scope::new("a");
    let (store, ticketer) = (resumption.store(&scope), resumption.ticketer(&scope));
    let servers = [
        Arc::new(identity.server(Some(store), None, None)),
        Arc::new(identity.server(None, Some(ticketer), None)),
    ];
    let done = AtomicBool::new(false);
    let resumed: usize = thread::scope(|threads| {
        threads.spawn(|| {
            // The key before stays in each set: no ticket of a moment ago is lost.
            let mut before = TicketKeys::random().unwrap();
            while !done.load(Ordering::Relaxed) {
                let next = TicketKeys::random().unwrap();
                let [new, old] =
                    [&next, &before].map(|keys| keys.entries().next().unwrap().clone());
                let keys = TicketKeys::new(vec![new, old]).unwrap();
                resumption.ticket_ring().replace(&keys).unwrap();
                before = next;
                resumption.maintain().unwrap();
                resumption.cache().clear();
                thread::yield_now();
            }
        });
        let visitors: Vec<_> = (0..8)
            .map(|number: usize| {
                let (identity, servers) = (&identity, &servers);
                threads.spawn(move || {
                    let version = VERSIONS[number % 2];
                    let kinds = (0..30).map(|round| {
                        let client = identity.client(version);
                        let server = &servers[round % 2];
                        client.visit(server);
                        client.visit(server)
                    });
                    kinds.filter(|kind| *kind == HandshakeKind::Resumed).count()
                })
            })
            .collect();
        let resumed = visitors
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .sum();
        done.store(true, Ordering::Relaxed);
        resumed
    });
    let (store, tickets) = (resumption.store_stats(), resumption.ticket_stats());
    println!("{resumed} of 240 resumed, {store:?}, {tickets:?}");
    assert_eq!(
        (tickets.bad_mac, tickets.malformed, tickets.not_sealed),
        (0, 0, 0)
    );
    assert!(store.stored >= 120 && tickets.sealed >= 120);
}

/// A configuration is all that most servers keep.
#[test]
fn the_maintenance_lives_as_long_as_a_configuration() {
    let resumption = Resumption::builder().sessions(16).build().unwrap();
    let scope = Scope::new("a");
    let (store, ticketer) = (resumption.store(&scope), resumption.ticketer(&scope));
    resumption.spawn_maintenance().unwrap();
    resumption.spawn_maintenance().unwrap();
    let ring = Arc::downgrade(resumption.ticket_ring());
    drop(resumption);
    drop(store);
    assert!(ring.upgrade().is_some());
    drop(ticketer);
    // The thread may be at work at this moment.
    let patience = std::time::Instant::now();
    while ring.upgrade().is_some() {
        assert!(patience.elapsed().as_secs() < 60, "it is kept");
        thread::yield_now();
    }
}
