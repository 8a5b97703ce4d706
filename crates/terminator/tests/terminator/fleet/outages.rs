//! A store that freezes, dies and comes back: handshakes go on.

use std::time::{Duration, Instant};

use openssl::ssl::{SslOptions, SslVersion};
use rekindle_test_servers::{TlsClient, Visitor, eventually};

use super::{Meeting, PUBLISHED, STORE_UP, at_least, fetches, reach_the_store};
use crate::common::Terminator;

/// What a handshake may take that waits for the store in vain: the deadline of 20 ms, and what a
/// busy machine takes for the rest. The store's own patience is a second.
const LITTLE: Duration = Duration::from_millis(700);

/// Of the right version and long enough, but sealed by no machine.
const VALUE: &str = "\u{1}a value that no machine of the fleet has ever sealed";

/// A client with a session of `of`, which no other machine has yet.
fn client_of(of: &Terminator) -> TlsClient {
    let client = TlsClient::with(SslVersion::TLS1_2, |builder| {
        builder.set_options(SslOptions::NO_TICKET);
    });
    let stream = client.connect(of.address);
    client.keep_session(&stream);
    client
}

#[test]
fn a_store_that_freezes_holds_up_no_handshake() {
    let Some(meeting) = Meeting::new() else {
        return;
    };
    let [a, b] = meeting.machines("--tickets off --fleet-sharing fetch");
    let clients: Vec<_> = (0..12).map(|_| client_of(&a)).collect();
    a.wait_for_metric(PUBLISHED, 12);
    assert!(clients[0].connect(b.address).ssl().session_reused());
    meeting.store.freeze();
    for client in &clients[1..11] {
        let start = Instant::now();
        assert!(!client.connect(b.address).ssl().session_reused());
        assert!(start.elapsed() < LITTLE, "{:?}", start.elapsed());
    }
    // After a few that waited, no client waits any more.
    assert!(b.metric(&fetches("timeout")) >= 3);
    assert!(b.metric(&fetches("skipped")) >= 3);
    b.wait_for_metric(STORE_UP, 0);
    meeting.store.thaw();
    b.wait_for_metric(STORE_UP, 1);
    // One of those that come finds out that the store is back.
    eventually("sessions are fetched again", || {
        let client = client_of(&a);
        clients[11].connect(b.address).ssl().session_reused() || {
            client.connect(b.address).ssl().session_reused()
        }
    });
}

#[test]
fn a_store_that_dies_is_told_of_and_is_used_again_when_it_is_back() {
    let Some(mut meeting) = Meeting::new() else {
        return;
    };
    let [a, b] = meeting.machines("--tickets off");
    let (_, page) = a.admin("/");
    let shown = format!("Store: redis://127.0.0.1:{}, ", meeting.store.port());
    assert!(
        page.contains(&format!("{shown}<strong class=\"good\">up")),
        "{page}"
    );
    meeting.store.kill();
    for machine in [&a, &b] {
        machine.wait_for_metric(STORE_UP, 0);
        at_least(machine, "rekindle_fleet_store_errors_total", 1);
        assert!(machine.warned("the fleet's store is away") >= 1);
        let (_, page) = machine.admin("/");
        assert!(
            page.contains(&format!("{shown}<strong class=\"bad\">away")),
            "{page}"
        );
        assert!(page.contains("New sessions stay on this machine"), "{page}");
    }
    let client = Visitor::new("-tls1_3");
    client.visit(a.address).expect_reused([false]);
    client.come_back(a.address).expect_reused([true]);
    client.come_back(b.address).expect_reused([false]);
    at_least(&a, "rekindle_fleet_waiting", 2);
    meeting.store.restart();
    reach_the_store(&[&a, &b]);
    // What waited is told, and what is new.
    a.wait_for_metric("rekindle_fleet_waiting", 0);
    eventually("the session comes", || {
        client.come_back(b.address).reused() == [true]
    });
}

#[test]
fn values_that_another_user_of_the_store_has_written_are_refused_and_counted() {
    let Some(meeting) = Meeting::new() else {
        return;
    };
    let [a, b] = meeting.machines("--tickets off");
    Visitor::new("-tls1_3").visit(a.address);
    super::all_have(&[&b], 2);
    let streams = meeting.store.ask(&["--scan", "--pattern", "rk:*"]);
    let mut written = 0;
    for stream in streams.lines() {
        if meeting.store.ask(&["TYPE", stream]) == "stream" {
            meeting.store.ask(&["XADD", stream, "*", "v", VALUE]);
            written += 1;
        }
    }
    assert!(written > 0, "{streams}");
    let forged = "rekindle_fleet_refused_total{reason=\"forged\"}";
    at_least(&b, forged, 1);
    assert_eq!(b.metric("rekindle_cache_entries"), 2);
}
