//! SIGHUP puts a new certificate into use, and nothing else changes.

use std::fs;

use rekindle_test_servers::{Files, echo, ticket_key};

use crate::common::client::{common_name, receive, send, tls_connect};
use crate::common::{Terminator, read};

const UPDATED: &str = "certificate reload: updated";
const UNCHANGED: &str = "certificate reload: unchanged";
const FAILED: &str = "certificate reload failed";

fn reloads(result: &str) -> String {
    format!("rekindle_reloads_total{{of=\"certificate\",result=\"{result}\"}}")
}

#[test]
fn new_connections_get_the_new_certificate_and_everything_else_goes_on() {
    let files = Files::with_certificate("before");
    let terminator = Terminator::proxy(echo(), &files, "");
    let mut open = tls_connect(terminator.address);
    assert_eq!(common_name(&open), "before");

    // Sessions from before the reload, one in the cache and one in a ticket.
    let kinds = [
        ("-tls1_2 -no_ticket", files.text("in-the-cache")),
        ("-tls1_2", files.text("in-a-ticket")),
    ];
    for (kind, session) in &kinds {
        let printed = terminator.s_client(&format!("{kind} -sess_out {session}"));
        printed.expect_reused([false]);
    }

    files.make_certificate("after");
    terminator.reload(UPDATED);

    assert_eq!(common_name(&tls_connect(terminator.address)), "after");
    for (kind, session) in &kinds {
        let printed = terminator.s_client(&format!("{kind} -sess_in {session}"));
        printed.expect_reused([true]);
    }
    send(&mut open, b"still here");
    assert_eq!(&receive(&mut open), b"still here");

    terminator.reload(UNCHANGED);
    for result in ["updated", "unchanged"] {
        assert_eq!(terminator.metric(&reloads(result)), 1, "{result}");
    }
}

#[test]
fn a_bad_certificate_or_key_keeps_the_old_ones() {
    let files = Files::with_certificate("good");
    let other = Files::with_certificate("other");
    let (cert, key) = (read(&files.cert()), read(&files.key()));
    let (other_cert, other_key) = (read(&other.cert()), read(&other.key()));
    let mismatch = "does not belong to the certificate";
    let terminator = Terminator::proxy(echo(), &files, "");

    let bad: [(&str, &[u8], &[u8]); 5] = [
        ("holds no certificate", b"no PEM at all", &key),
        ("certificate file", &cert[..cert.len() / 2], &key),
        ("holds no private key", &cert, b"no PEM at all"),
        (mismatch, &cert, &other_key),
        (mismatch, &other_cert, &key),
    ];
    for (count, (reason, bad_cert, bad_key)) in bad.into_iter().enumerate() {
        files.replace("cert.pem", bad_cert);
        files.replace("key.pem", bad_key);
        terminator.reload(FAILED);
        assert!(terminator.logged(reason) > 0, "{reason}");
        assert_eq!(common_name(&tls_connect(terminator.address)), "good");
        assert_eq!(terminator.metric(&reloads("failed")), count as u64 + 1);
    }
    fs::remove_file(files.cert()).expect("the file was there");
    terminator.reload(FAILED);
    assert_eq!(common_name(&tls_connect(terminator.address)), "good");

    files.replace("cert.pem", &cert);
    files.replace("key.pem", &key);
    terminator.reload(UNCHANGED);
}

#[test]
fn certificate_and_ticket_keys_reload_independently() {
    let files = Files::with_certificate("before");
    files.replace("tickets.key", &ticket_key());
    let keys = files.text("tickets.key");
    let terminator = Terminator::proxy(echo(), &files, &format!("--ticket-keys {keys}"));

    let change = || {
        files.replace("tickets.key", b"short");
        files.make_certificate("after");
    };
    terminator.reload_after(change, "ticket key reload failed");
    terminator.wait_for_log(UPDATED);

    let change = || {
        files.replace("cert.pem", b"bad");
        files.replace("tickets.key", &ticket_key());
    };
    terminator.reload_after(change, "ticket key reload: updated");
    terminator.wait_for_log(FAILED);
    assert_eq!(terminator.logged(UPDATED), 1);
    assert_eq!(common_name(&tls_connect(terminator.address)), "after");
}
