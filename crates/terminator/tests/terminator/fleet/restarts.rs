//! Restarts and ends of machines of a fleet.

use std::time::{Duration, Instant};

use openssl::ssl::SslVersion;
use rekindle_test_servers::{Signal, TlsClient, Visitor, eventually};
use rustix::process::kill_process;

use super::{Meeting, PUBLISHED, STORE_UP, all_have, at_least, received, receives};
use crate::common::told::reporter;
use crate::common::{Terminator, connect, successor_of};

const SERVES: &str = "a successor serves";

impl Meeting {
    fn proxy(&self, words: &str) -> Terminator {
        let common = "--threads 1 --proxy-protocol-out v2 --tickets off --handshake-timeout 60";
        let words = format!("{common} {} {words}", self.words());
        let machine = Terminator::proxy(reporter(), &self.files, &words);
        machine.wait_for_metric(STORE_UP, 1);
        machine
    }
}

#[test]
fn a_successor_shares_and_so_does_the_predecessor_until_its_end() {
    let Some(meeting) = Meeting::new() else {
        return;
    };
    let words = format!("--handover {}", meeting.files.text("handover"));
    let before = meeting.proxy(&words);
    let other = meeting.proxy("");
    let client = Visitor::new("-tls1_3");
    client.visit(before.address).expect_reused([false]);
    all_have(&[&other], 2);
    // It is accepted by the one that is about to hand over, and shakes hands later.
    let tcp = connect(before.address);
    before.wait_for_metric("rekindle_connections_active", 1);
    let after = meeting.proxy(&words);
    before.wait_for_log(SERVES);
    client.come_back(after.address).expect_reused([true]);
    all_have(&[&after, &other], 3);
    let late = TlsClient::new(SslVersion::TLS1_2);
    let stream = late.try_connect("localhost", tcp).expect("it is served");
    late.keep_session(&stream);
    for machine in [&after, &other] {
        all_have(&[machine], 4);
        assert!(late.connect(machine.address).ssl().session_reused());
    }
    drop(stream);
    assert_eq!(before.wait_for_exit().code(), Some(0));
    // Both ways.
    let (before, client) = (received(&after), Visitor::new("-tls1_3"));
    client.visit(other.address).expect_reused([false]);
    receives(&after, before + 2);
    client.come_back(after.address).expect_reused([true]);
}

#[test]
fn a_successor_that_sigusr2_has_started_shares() {
    let Some(meeting) = Meeting::new() else {
        return;
    };
    let (machine, other) = (meeting.proxy(""), meeting.proxy(""));
    machine.signal(Signal::USR2);
    machine.wait_for_log(SERVES);
    let successor = successor_of(&machine).expect("it is in the log");
    machine.wait_for_metric(STORE_UP, 1);
    let client = Visitor::new("-tls1_3");
    client.visit(machine.address).expect_reused([false]);
    all_have(&[&other], 2);
    client.come_back(other.address).expect_reused([true]);
    machine.wait_for_log("drained");
    kill_process(successor, Signal::TERM).expect("it lives");
    let lives = || rustix::process::test_kill_process(successor).is_ok();
    eventually("its end", || !lives());
}

#[test]
fn what_waits_is_told_at_the_end() {
    let Some(meeting) = Meeting::new() else {
        return;
    };
    let [a, b] = meeting.machines("--tickets off");
    // What is made now waits for as long as the store stands still.
    meeting.store.freeze();
    // The first one is on its way there, the second one behind it.
    let clients = [(); 2].map(|()| Visitor::new("-tls1_2"));
    for client in &clients {
        client.visit(a.address).expect_reused([false]);
    }
    let [_, client] = clients;
    a.wait_for_metric("rekindle_connections_active", 0);
    a.signal(Signal::TERM);
    a.wait_for_log("drained");
    meeting.store.thaw();
    assert_eq!(a.wait_for_exit().code(), Some(0));
    eventually("the session comes", || {
        client.come_back(b.address).reused() == [true]
    });
}

#[test]
fn without_a_store_the_end_takes_a_few_seconds_and_says_what_is_lost() {
    let Some(mut meeting) = Meeting::new() else {
        return;
    };
    let [a] = meeting.machines("--tickets off");
    meeting.store.kill();
    a.wait_for_metric(STORE_UP, 0);
    Visitor::new("-tls1_2").visit(a.address);
    at_least(&a, "rekindle_fleet_waiting", 1);
    assert_eq!(a.metric(PUBLISHED), 0);
    let start = Instant::now();
    a.signal(Signal::TERM);
    a.wait_for_log("the fleet's store has not taken all changes");
    assert_eq!(a.wait_for_exit().code(), Some(0));
    assert!(start.elapsed() < Duration::from_secs(20));
}
