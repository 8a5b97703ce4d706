//! Sessions that are fetched in the middle of a handshake.

use rekindle_test_servers::{Files, Printed, Visitor, s_client_get};

use super::{KINDS, Meeting, PUBLISHED, fetches, reach_the_store, received, sessions_of};
use crate::common::Terminator;
use crate::common::told::reporter;

#[test]
fn a_session_is_fetched_when_a_client_comes_with_it() {
    for (kind, tickets, resumed_by) in KINDS {
        let Some(meeting) = Meeting::new() else {
            return;
        };
        let words = format!("--tickets {tickets} --fleet-sharing fetch");
        let [a, b] = meeting.machines(&words);
        let client = Visitor::new(kind);
        fetched_in_time(&client, [&a, &b], sessions_of(kind));
        // Now it is here.
        let printed = client.come_back(b.address);
        printed.expect_reused([true]);
        assert_eq!(printed.handshake(), resumed_by);
        assert_eq!(b.metric(&fetches("found")), 1);
        assert_eq!(received(&b), 0);
        // Of one that no machine has, that is known within the deadline.
        let stranger = Terminator::demo(&format!("--threads 1 --tickets {tickets}"));
        let client = Visitor::new(kind);
        client.visit(stranger.address);
        client.come_back(b.address).expect_reused([false]);
        let missed = || b.metric(&fetches("missed")) + b.metric(&fetches("timeout"));
        assert!(missed() >= 1, "{kind}");
    }
}

#[test]
fn a_session_is_fetched_before_a_hello_retry_request() {
    let Some(meeting) = Meeting::new() else {
        return;
    };
    let words = "--tickets off --fleet-sharing fetch --groups secp384r1";
    let [a, b] = meeting.machines(words);
    let client = Visitor::new("-tls1_3 -groups X25519:secp384r1");
    fetched_in_time(&client, [&a, &b], 2);
    assert_eq!(b.metric(&fetches("found")), 1);
}

/// A session of the first machine is resumed on the second one.
#[track_caller]
fn fetched_in_time(client: &Visitor<'_>, [a, b]: [&Terminator; 2], sessions: u64) {
    let mut visits = 0;
    let printed = in_time(b, || {
        visits += 1;
        client.visit(a.address).expect_reused([false]);
        a.wait_for_metric(PUBLISHED, visits * sessions);
        client.come_back(b.address)
    });
    printed.expect_reused([true]);
}

/// What a client printed whose session was fetched within the 20 ms that a machine waits: if it is
/// busy, they may be too short, and the client comes again.
#[track_caller]
fn in_time(machine: &Terminator, mut visit: impl FnMut() -> Printed) -> Printed {
    for _ in 0..10 {
        let late = machine.metric(&fetches("timeout"));
        let printed = visit();
        if machine.metric(&fetches("timeout")) == late {
            return printed;
        }
    }
    panic!("never in time");
}

/// With early data OpenSSL reads the ClientHello in another function. Machines take no early data
/// of each other's sessions: the handshake goes on without.
#[test]
fn a_session_is_fetched_where_early_data_may_come() {
    let Some(meeting) = Meeting::new() else {
        return;
    };
    let files = &meeting.files;
    let words = format!(
        "--threads 1 --tickets off --proxy-protocol-out v2 --early-data 4096 \
         --fleet-sharing fetch {}",
        meeting.words()
    );
    let [a, b] = [(); 2].map(|()| Terminator::proxy(reporter(), files, &words));
    reach_the_store(&[&a, &b]);
    files.replace("early", b"GET /early HTTP/1.0\r\n");
    let of_client = Files::new();
    let mut visits = 0;
    for (number, early) in (1..).zip([None, Some(files.text("early"))]) {
        let session = of_client.text("session");
        let words = format!("-tls1_3 -sess_out {session}");
        let early = early.map_or_else(String::new, |file| format!("-early_data {file}"));
        let printed = in_time(&b, || {
            visits += 1;
            s_client_get(a.address, &words).expect_reused([false]);
            a.wait_for_metric(PUBLISHED, 2 * visits);
            s_client_get(b.address, &format!("-tls1_3 -sess_in {session} {early}"))
        });
        printed.expect_reused([true]);
        assert_eq!(printed.pages("early data"), ["false"], "{}", printed.0);
        assert_eq!(b.metric(&fetches("found")), number);
    }
}
