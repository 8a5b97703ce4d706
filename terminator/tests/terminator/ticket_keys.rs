//! Ticket keys in a file: shared by two terminators, rotated, and never lost to a bad file.

use std::fs;

use crate::common::Terminator;
use crate::common::client::{s_client, s_client_get};
use crate::common::files::{Files, TICKET_KEY, ticket_key};

const KEYS: &str = "tickets.key";
const UPDATED: &str = "ticket key reload: updated";
const UNCHANGED: &str = "ticket key reload: unchanged";
const FAILED: &str = "ticket key reload failed";
const PROTOCOLS: [&str; 2] = ["-tls1_2", "-tls1_3"];

fn terminator(files: &Files) -> Terminator {
    Terminator::demo(&["--ticket-keys", &files.text(KEYS)])
}

/// A full handshake that leaves its session in a file.
fn first_visit(terminator: &Terminator, protocol: &str, session: &str) {
    let printed = s_client_get(terminator.address, &[protocol, "-sess_out", session]);
    assert_eq!(printed.assert_no_error().reused(), [false], "{}", printed.0);
}

#[test]
fn two_terminators_with_one_file_resume_each_other() {
    let files = Files::new();
    files.replace(KEYS, &ticket_key());
    let (a, b) = (terminator(&files), terminator(&files));
    for protocol in PROTOCOLS {
        let session = files.text(protocol);
        for (made_by, shown_to) in [(&a, &b), (&b, &a)] {
            first_visit(made_by, protocol, &session);
            let printed = s_client_get(shown_to.address, &[protocol, "-sess_in", &session]);
            assert_eq!(printed.assert_no_error().reused(), [true], "{}", printed.0);
            assert_eq!(printed.handshake(), "ticket");
        }
    }
}

#[test]
fn two_terminators_without_a_file_do_not() {
    let (a, b) = (Terminator::demo(&[]), Terminator::demo(&[]));
    let files = Files::new();
    for protocol in PROTOCOLS {
        let session = files.text(protocol);
        first_visit(&a, protocol, &session);
        let printed = s_client_get(b.address, &[protocol, "-sess_in", &session]);
        assert_eq!(printed.assert_no_error().reused(), [false], "{}", printed.0);
    }
}

#[test]
fn a_session_resumes_where_its_context_is_the_same() {
    let files = Files::new();
    files.replace(KEYS, &ticket_key());
    let keys = files.text(KEYS);
    let with = |context: &str| {
        Terminator::demo(&["--ticket-keys", &keys, "--session-id-context", context])
    };
    // Twice the same, once as digits, and another.
    let (a, b, other) = (with("shop"), with("hex:73686f70"), with("shop\u{1}"));
    for protocol in PROTOCOLS {
        let session = files.text(protocol);
        first_visit(&a, protocol, &session);
        for (shown_to, kind) in [(&b, "ticket"), (&other, "full")] {
            let printed = s_client_get(shown_to.address, &[protocol, "-sess_in", &session]);
            printed.assert_no_error();
            assert_eq!(printed.handshake(), kind, "{}", printed.0);
        }
    }
}

/// A terminator whose key has been rotated, new key first, and a session from before.
fn rotated(files: &Files, protocol: &str, session: &str) -> (Terminator, [u8; TICKET_KEY]) {
    let (old, new) = (ticket_key(), ticket_key());
    files.replace(KEYS, &old);
    let terminator = terminator(files);
    first_visit(&terminator, protocol, session);
    files.replace(KEYS, &[new, old].concat());
    terminator.reload(UPDATED);
    assert_eq!(terminator.metric("rekindle_ticket_keys"), 2);
    (terminator, new)
}

/// The old key goes: its tickets get a full handshake, and no error.
fn drop_old_key(terminator: &Terminator, files: &Files, new: &[u8], protocol: &str, session: &str) {
    files.replace(KEYS, new);
    terminator.reload(UPDATED);
    assert_eq!(terminator.metric("rekindle_ticket_keys"), 1);
    let printed = s_client_get(terminator.address, &[protocol, "-sess_in", session]);
    assert_eq!(printed.assert_no_error().reused(), [false], "{}", printed.0);
    assert_eq!(printed.handshake(), "full");
    assert_eq!(
        terminator.metric(r#"rekindle_tickets_total{event="unknown_key"}"#),
        1
    );
}

#[test]
fn tls12_rotation_renews_old_tickets_until_their_key_is_gone() {
    let files = Files::new();
    let session = files.text("session");
    let (terminator, new) = rotated(&files, "-tls1_2", &session);
    // The first of the six shows the old ticket and gets a new one, which the other five show.
    let printed = s_client(
        terminator.address,
        &["-tls1_2", "-reconnect", "-sess_in", &session],
    );
    assert_eq!(
        printed.assert_no_error().reused(),
        [true; 6],
        "{}",
        printed.0
    );
    let kind =
        |kind: &str| format!("rekindle_handshakes_total{{protocol=\"TLSv1.2\",kind=\"{kind}\"}}");
    terminator.wait_for_metric(&kind("renewed_ticket"), 1);
    terminator.wait_for_metric(&kind("ticket"), 5);
    drop_old_key(&terminator, &files, &new, "-tls1_2", &session);
}

#[test]
fn tls13_rotation_renews_old_tickets_until_their_key_is_gone() {
    let files = Files::new();
    let (session, renewed) = (files.text("session"), files.text("renewed"));
    let (terminator, new) = rotated(&files, "-tls1_3", &session);
    let arguments = ["-tls1_3", "-sess_in", &session, "-sess_out", &renewed];
    let printed = s_client_get(terminator.address, &arguments);
    assert_eq!(printed.assert_no_error().reused(), [true], "{}", printed.0);
    assert_eq!(printed.handshake(), "renewed_ticket");
    drop_old_key(&terminator, &files, &new, "-tls1_3", &session);
    let printed = s_client_get(terminator.address, &["-tls1_3", "-sess_in", &renewed]);
    assert_eq!(printed.assert_no_error().reused(), [true], "{}", printed.0);
    assert_eq!(printed.handshake(), "ticket");
}

#[test]
fn a_bad_file_at_a_reload_changes_nothing_and_is_logged() {
    let files = Files::new();
    let key = ticket_key();
    files.replace(KEYS, &key);
    let terminator = terminator(&files);
    let session = files.text("session");
    first_visit(&terminator, "-tls1_2", &session);
    let still_resumes = |why: &str| {
        let printed = s_client_get(terminator.address, &["-tls1_2", "-sess_in", &session]);
        assert_eq!(
            printed.assert_no_error().reused(),
            [true],
            "{why}: {}",
            printed.0
        );
    };

    let twins = [key, key].concat();
    for (why, content) in [
        ("short", &key[..47]),
        ("empty", &[]),
        ("all zero", &[0; 48]),
        ("two of a name", &twins),
    ] {
        files.replace(KEYS, content);
        terminator.reload(FAILED);
        still_resumes(why);
    }

    fs::remove_file(files.path(KEYS)).expect("the file was there");
    terminator.reload(FAILED);
    still_resumes("missing");

    // Not even root can read a directory as a file.
    fs::create_dir(files.path(KEYS)).expect("the name is free");
    terminator.reload(FAILED);
    still_resumes("unreadable");
    fs::remove_dir(files.path(KEYS)).expect("the directory is empty");

    files.replace(KEYS, &key);
    terminator.reload(UNCHANGED);
    still_resumes("back again");

    assert_eq!(terminator.logged(FAILED), 6);
    assert_eq!(
        terminator.logged(&files.text(KEYS)),
        6,
        "each failure names the file"
    );
    assert_eq!(
        terminator.metric(r#"rekindle_reloads_total{of="ticket_keys",result="failed"}"#),
        6
    );
    assert_eq!(
        terminator.metric(r#"rekindle_reloads_total{of="ticket_keys",result="unchanged"}"#),
        1
    );
}
