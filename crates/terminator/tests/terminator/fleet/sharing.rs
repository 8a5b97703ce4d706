//! What one machine has made, the others resume; what one has ended, they do not.

use rekindle_test_servers::{Configured, Files, Visitor, s_client_get};

use super::{
    ENDINGS, KINDS, Meeting, STORE_UP, all_have, at_least, reach_the_store, received, receives,
    sessions_of,
};
use crate::common::authority::{Authority, Wanted};
use crate::common::told::reporter;
use crate::common::{Terminator, handshakes};

const UPDATED: &str = "authorities and revocation lists of clients: updated";
const TOKEN: &str = "0123456789abcdef";

#[test]
fn a_session_of_one_machine_resumes_on_all() {
    for (kind, tickets, resumed_by) in KINDS {
        let Some(meeting) = Meeting::new() else {
            return;
        };
        let [a, b, c] = meeting.machines(&format!("--tickets {tickets}"));
        let client = Visitor::new(kind);
        client.visit(a.address).expect_reused([false]);
        let sessions = sessions_of(kind);
        all_have(&[&a, &b, &c], sessions);
        for other in [&b, &c] {
            let printed = client.come_back(other.address);
            printed.expect_reused([true]);
            assert_eq!(printed.handshake(), resumed_by);
            assert!(received(other) >= sessions);
        }
        let forged = "rekindle_fleet_refused_total{reason=\"forged\"}";
        assert_eq!(b.metric(forged), 0);
    }
}

#[test]
fn a_machine_that_joins_gets_what_was_made_before() {
    let Some(meeting) = Meeting::new() else {
        return;
    };
    let a = meeting.machine("--tickets off");
    let client = Visitor::new("-tls1_3");
    client.visit(a.address).expect_reused([false]);
    a.wait_for_metric(super::PUBLISHED, 2);
    let b = meeting.machine("--tickets off");
    all_have(&[&b], 2);
    client.come_back(b.address).expect_reused([true]);
}

#[test]
fn a_client_behind_a_balancer_resumes_each_time() {
    for (kind, tickets, _) in KINDS {
        let Some(meeting) = Meeting::new() else {
            return;
        };
        let machines: [_; 3] = meeting.machines(&format!("--tickets {tickets}"));
        let addresses = machines.each_ref().map(|machine| machine.address);
        let Some(balancer) = Configured::round_robin(&addresses) else {
            return;
        };
        let files = Files::new();
        let session = files.text("session");
        let words = format!("{kind} -sess_out {session}");
        s_client_get(balancer.address, &words).expect_reused([false]);
        let mut sessions = sessions_of(kind);
        for _ in 0..6 {
            // A client that is faster than the store makes a full handshake.
            all_have(&machines.each_ref(), sessions);
            let words = format!("{words} -sess_in {session}");
            s_client_get(balancer.address, &words).expect_reused([true]);
            sessions += sessions_of(kind) - 1;
        }
        let (protocol, resumed_by) = match kind {
            "-tls1_3" => ("TLSv1.3", "stateful_ticket"),
            _ => ("TLSv1.2", "session_id"),
        };
        for machine in &machines {
            machine.wait_for_metric(&handshakes(protocol, resumed_by), 2);
        }
    }
}

#[test]
fn a_revocation_on_one_machine_ends_sessions_on_all() {
    let cases = [
        ("-tls1_2 -no_ticket", "on"),
        ("-tls1_3", "on"),
        ("-tls1_3", "off"),
    ];
    for (kind, tickets) in cases {
        let Some(meeting) = Meeting::new() else {
            return;
        };
        meeting.files.replace("token", TOKEN.as_bytes());
        let (token, secret) = (meeting.files.text("token"), meeting.files.text("secret"));
        // The secret of the ticket keys is that of the fleet as well.
        let words = format!(
            "--threads 1 --fleet {} --ticket-secret {secret} --tickets {tickets} \
             --admin-write {token}",
            meeting.store.url()
        );
        let [a, b] = [(); 2].map(|()| Terminator::demo(&words));
        reach_the_store(&[&a, &b]);
        let client = Visitor::new(kind);
        client.visit(a.address).expect_reused([false]);
        if (kind, tickets) != ("-tls1_3", "on") {
            all_have(&[&a, &b], sessions_of(kind));
        }
        client.come_back(b.address).expect_reused([true]);
        assert_eq!(b.metric(ENDINGS), 0);
        assert_eq!(a.post("/revoke", TOKEN).0, "HTTP/1.1 200 OK");
        at_least(&b, ENDINGS, 1);
        client.come_back(b.address).expect_reused([false]);
    }
}

#[test]
fn another_authority_of_clients_on_one_machine_ends_sessions_on_all() {
    let Some(meeting) = Meeting::new() else {
        return;
    };
    let files = &meeting.files;
    let clients = Authority::root("clients");
    clients.issue(files, "client", Wanted::names(&["client"]));
    clients.write(files, "a.pem");
    clients.write(files, "b.pem");
    let start = |ca: &str| {
        let words = format!(
            "--threads 1 --proxy-protocol-out v2 --tickets off --client-ca {} {}",
            files.text(ca),
            meeting.words()
        );
        let machine = Terminator::proxy(reporter(), files, &words);
        machine.wait_for_metric(STORE_UP, 1);
        machine
    };
    let (a, b) = (start("a.pem"), start("b.pem"));
    let (certificate, key) = (files.text("client.pem"), files.text("client.key"));
    let words = format!("-tls1_3 -cert {certificate} -key {key}");
    let client = Visitor::new(&words);
    client.visit(a.address).expect_reused([false]);
    all_have(&[&a, &b], 2);
    client.come_back(b.address).expect_reused([true]);
    let others = Authority::root("others");
    others.write(files, "a.pem");
    a.reload(UPDATED);
    at_least(&b, ENDINGS, 1);
    client.come_back(b.address).expect_reused([false]);
    // Once both have it, they share what is made under it.
    others.write(files, "b.pem");
    b.reload(UPDATED);
    others.issue(files, "client", Wanted::names(&["client"]));
    let (client, before) = (Visitor::new(&words), received(&b));
    client.visit(a.address).expect_reused([false]);
    receives(&b, before + 2);
    client.come_back(b.address).expect_reused([true]);
}

#[test]
fn names_of_one_machine_resume_under_the_same_names_of_another() {
    let Some(meeting) = Meeting::new() else {
        return;
    };
    let sites = ["one.test", "two.test"].map(Files::with_certificate);
    let start = |sharing: &str| {
        let [one, two] = sites.each_ref();
        let words = format!(
            "--threads 1 --tickets off --proxy-protocol-out v2 --cert {} --key {} \
             --fleet-sharing {sharing} {}",
            two.cert(),
            two.key(),
            meeting.words()
        );
        let machine = Terminator::proxy(reporter(), one, &words);
        machine.wait_for_metric(STORE_UP, 1);
        machine
    };
    for sharing in ["replicate", "fetch", "both"] {
        let (a, b) = (start(sharing), start(sharing));
        for (number, version) in (1..).zip(["-tls1_2", "-tls1_3"]) {
            let words = format!("{version} -servername two.test");
            let client = Visitor::new(&words);
            client.visit(a.address).expect_reused([false]);
            let sessions = match number {
                1 => 1,
                _ => 1 + 2,
            };
            a.wait_for_metric(super::PUBLISHED, sessions);
            if sharing != "fetch" {
                receives(&b, sessions);
            }
            let elsewhere = format!(
                "{version} -servername one.test -sess_in {}",
                client.session()
            );
            s_client_get(b.address, &elsewhere).expect_reused([false]);
            client.come_back(b.address).expect_reused([true]);
        }
    }
}

#[test]
fn with_stateless_tickets_the_log_says_how_little_is_shared() {
    let Some(meeting) = Meeting::new() else {
        return;
    };
    let little = "while --tickets is on";
    assert_eq!(meeting.machine("--tickets on").warned(little), 1);
    assert_eq!(meeting.machine("--tickets off").warned(little), 0);
}
