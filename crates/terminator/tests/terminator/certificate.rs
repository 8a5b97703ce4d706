//! SIGHUP puts a new certificate into use, and nothing else changes. The end of the certificate is
//! in the metrics, and in the log when it is near.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use rekindle_test_servers::{Files, echo, eventually, ticket_key};

use crate::common::authority::{DAY, Wanted};
use crate::common::client::{common_name, receive, send, tls_connect};
use crate::common::{Terminator, read};

const UPDATED: &str = "certificate reload: updated";
const UNCHANGED: &str = "certificate reload: unchanged";
const FAILED: &str = "certificate reload failed";

fn not_after(files: &Files) -> String {
    let path = files.cert();
    format!("rekindle_certificate_not_after_timestamp_seconds{{certificate=\"{path}\"}}")
}

fn reloads(result: &str) -> String {
    format!("rekindle_reloads_total{{of=\"certificate\",result=\"{result}\"}}")
}

#[test]
fn a_private_key_that_others_can_read_is_told_or_refused() {
    let files = Files::with_certificate("localhost");
    let warning = "private key: ";
    assert_eq!(Terminator::proxy(echo(), &files, "").logged(warning), 0);
    let key = files.key();
    fs::set_permissions(&key, Permissions::from_mode(0o644)).expect("it is ours");
    let terminator = Terminator::proxy(echo(), &files, "");
    terminator.wait_for_log("every user can (mode 0644): chmod o-rwx");
    assert_eq!(terminator.warned(warning), 1);
    // A reload that finds it exposed fails, and what is in use stays.
    fs::set_permissions(&key, Permissions::from_mode(0o600)).expect("it is ours");
    let strict = Terminator::proxy(echo(), &files, "--ticket-key-permissions refuse");
    files.make_certificate("after");
    fs::set_permissions(&key, Permissions::from_mode(0o640)).expect("it is ours");
    strict.reload(UPDATED);
    files.make_certificate("exposed");
    fs::set_permissions(&key, Permissions::from_mode(0o604)).expect("it is ours");
    strict.reload(FAILED);
    assert_eq!(common_name(&tls_connect(strict.address)), "after");
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
fn the_metrics_tell_when_the_certificate_ends_and_follow_a_reload() {
    let files = Files::new();
    let first = make_certificate(&files, -DAY, 100 * DAY);
    let terminator = Terminator::proxy(echo(), &files, "");
    assert_eq!(terminator.metric(&not_after(&files)), first);
    let second = make_certificate(&files, -DAY, 200 * DAY);
    terminator.reload(UPDATED);
    terminator.wait_for_metric(&not_after(&files), second);
    // What cannot be used changes nothing.
    files.replace("cert.pem", b"no PEM at all");
    terminator.reload(FAILED);
    assert_eq!(terminator.metric(&not_after(&files)), second);
    assert_eq!(terminator.warned("certificate"), 0);
}

#[test]
fn a_certificate_that_is_invalid_or_ends_soon_is_a_warning_at_the_start_and_at_a_reload() {
    for (from, to, warning) in [
        (-9 * DAY, -DAY, "the certificate has ended"),
        (DAY, 9 * DAY, "the certificate is not valid yet"),
        (-80 * DAY, 10 * DAY, "the certificate ends soon"),
        (-5 * DAY, DAY, "the certificate ends soon"),
    ] {
        let files = Files::new();
        make_certificate(&files, from, to);
        let terminator = Terminator::proxy(echo(), &files, "");
        terminator.wait_for_log(warning);
        assert_eq!(terminator.warned(warning), 1, "{warning}");
        // It serves all the same: clients decide.
        assert_eq!(common_name(&tls_connect(terminator.address)), "dates");
        terminator.reload(UNCHANGED);
        eventually("a second warning", || terminator.warned(warning) == 2);
        make_certificate(&files, from, to);
        terminator.reload(UPDATED);
        eventually("a third warning", || terminator.warned(warning) == 3);
    }
}

#[test]
fn a_certificate_of_six_days_is_no_warning_while_a_third_of_them_is_left() {
    let files = Files::new();
    make_certificate(&files, -3 * DAY, 3 * DAY);
    let terminator = Terminator::proxy(echo(), &files, "");
    terminator.reload(UNCHANGED);
    assert_eq!(terminator.warned("certificate"), 0);
}

/// Puts a certificate in place that is valid from and to these seconds from now on. Returns its end
/// in seconds since 1970.
fn make_certificate(files: &Files, from: i64, to: i64) -> u64 {
    let valid = Wanted::valid([from, to]);
    let wanted = Wanted {
        valid,
        ..Wanted::names(&["dates"])
    };
    wanted.sign_itself(files);
    valid[1].unsigned_abs()
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
