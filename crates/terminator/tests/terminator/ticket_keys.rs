//! Ticket keys in a file: shared by two terminators, rotated, and never lost to a bad file.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use rekindle_test_servers::{Files, TICKET_KEY, Visitor, ticket_key};

use crate::common::{Terminator, eventually, handshakes, hex, skipped_when_quick, ticket_secret};

const KEYS: &str = "tickets.key";
const UPDATED: &str = "ticket key reload: updated";
const UNCHANGED: &str = "ticket key reload: unchanged";
const FAILED: &str = "ticket key reload failed";
const PROTOCOLS: [&str; 2] = ["-tls1_2", "-tls1_3"];

fn terminator(files: &Files) -> Terminator {
    Terminator::demo(&format!("--ticket-keys {}", files.text(KEYS)))
}

/// A full handshake, whose session the client keeps.
fn first_visit<'a>(terminator: &Terminator, protocol: &'a str) -> Visitor<'a> {
    let client = Visitor::new(protocol);
    client.visit(terminator.address).expect_reused([false]);
    client
}

/// The client comes back with a ticket from before, and makes the kind of handshake that is
/// expected.
#[track_caller]
fn comes_back(client: &Visitor<'_>, terminator: &Terminator, handshake: &str) {
    let printed = client.come_back(terminator.address);
    printed.expect_reused([handshake != "full"]);
    assert_eq!(printed.handshake(), handshake);
}

#[test]
fn two_terminators_with_one_file_resume_each_other() {
    let files = Files::new();
    files.replace(KEYS, &ticket_key());
    let (a, b) = (terminator(&files), terminator(&files));
    for protocol in PROTOCOLS {
        for (made_by, shown_to) in [(&a, &b), (&b, &a)] {
            comes_back(&first_visit(made_by, protocol), shown_to, "ticket");
        }
    }
}

#[test]
fn two_terminators_without_a_file_do_not() {
    let (a, b) = (Terminator::demo(""), Terminator::demo(""));
    for protocol in PROTOCOLS {
        comes_back(&first_visit(&a, protocol), &b, "full");
    }
}

#[test]
fn a_session_resumes_where_its_context_is_the_same() {
    let files = Files::new();
    files.replace(KEYS, &ticket_key());
    let keys = files.text(KEYS);
    let with = |context: &str| {
        Terminator::demo(&format!(
            "--ticket-keys {keys} --session-id-context {context}"
        ))
    };
    // Twice the same, once as digits, and another.
    let (a, b, other) = (with("shop"), with("hex:73686f70"), with("shop\u{1}"));
    for protocol in PROTOCOLS {
        let client = first_visit(&a, protocol);
        for (shown_to, kind) in [(&b, "ticket"), (&other, "full")] {
            comes_back(&client, shown_to, kind);
        }
    }
}

/// A terminator whose key has been rotated, the new key, which comes first, and a client from
/// before.
fn rotated<'a>(files: &Files, protocol: &'a str) -> (Terminator, [u8; TICKET_KEY], Visitor<'a>) {
    let (old, new) = (ticket_key(), ticket_key());
    files.replace(KEYS, &old);
    let terminator = terminator(files);
    let client = first_visit(&terminator, protocol);
    terminator.reload_after(|| files.replace(KEYS, &[new, old].concat()), UPDATED);
    assert_eq!(terminator.metric("rekindle_ticket_keys"), 2);
    (terminator, new, client)
}

/// The old key goes: its tickets get a full handshake, and no error.
fn drop_old_key(terminator: &Terminator, files: &Files, new: &[u8], client: &Visitor<'_>) {
    terminator.reload_after(|| files.replace(KEYS, new), UPDATED);
    let gone = "keys are gone that still opened tickets";
    terminator.wait_for_log(gone);
    assert_eq!(terminator.metric("rekindle_ticket_keys"), 1);
    comes_back(client, terminator, "full");
    let retired = r#"rekindle_tickets_total{event="retired_key"}"#;
    assert_eq!(terminator.metric(retired), 1);
}

#[test]
fn tls12_rotation_renews_old_tickets_until_their_key_is_gone() {
    let files = Files::new();
    let (terminator, new, client) = rotated(&files, "-tls1_2");
    // The first of the six shows the old ticket and gets a new one, which the other five show.
    let printed = terminator.s_client(&format!("-tls1_2 -reconnect -sess_in {}", client.session()));
    printed.expect_reused([true; 6]);
    for (kind, count) in [("renewed_ticket", 1), ("ticket", 5)] {
        terminator.wait_for_metric(&handshakes("TLSv1.2", kind), count);
    }
    drop_old_key(&terminator, &files, &new, &client);
}

#[test]
fn tls13_rotation_renews_old_tickets_until_their_key_is_gone() {
    let files = Files::new();
    let (terminator, new, client) = rotated(&files, "-tls1_3");
    let (session, renewed) = (client.session(), Visitor::new("-tls1_3"));
    let both = format!("-tls1_3 -sess_in {session} -sess_out {}", renewed.session());
    let printed = terminator.get(&both);
    printed.expect_reused([true]);
    assert_eq!(printed.handshake(), "renewed_ticket");
    drop_old_key(&terminator, &files, &new, &client);
    comes_back(&renewed, &terminator, "ticket");
}

/// The log once told keys apart by their names, where metrics count another rotation.
#[test]
fn another_key_of_the_same_name_is_a_rotation_and_is_logged() {
    let files = Files::new();
    let (mut key, other) = (ticket_key(), ticket_key());
    files.replace(KEYS, &key);
    let terminator = terminator(&files);
    key[16..].copy_from_slice(&other[16..]);
    terminator.reload_after(|| files.replace(KEYS, &key), UPDATED);
    assert_eq!(terminator.metric("rekindle_ticket_key_rotations_total"), 1);
    terminator.wait_for_log("another ticket key seals");
}

/// It was told only when keys had changed.
#[test]
fn what_comes_into_a_folder_is_told_though_its_keys_are_as_they_were() {
    let files = Files::new();
    fs::create_dir(files.path("keys.d")).expect("the name is free");
    files.replace("keys.d/2026-11-28", &ticket_key());
    let terminator = Terminator::demo(&format!("--ticket-keys {}", files.text("keys.d")));
    files.replace("keys.d/README", b"Rotated by cron.\n");
    terminator.wait_for_log("passed-over: ");
    // A newer key that was made with `xxd -p` seals nothing, and is no note.
    files.replace("keys.d/2026-11-29", hex(&ticket_key()).as_bytes());
    terminator.wait_for_log(FAILED);
    terminator.wait_for_log("2026-11-29: this looks like hexadecimal digits");
    // Who may write to the folder is told when it changes, and once.
    fs::remove_file(files.path("keys.d/2026-11-29")).expect("it was there");
    let mode = Permissions::from_mode(0o777);
    fs::set_permissions(files.path("keys.d"), mode).expect("it is ours");
    terminator.wait_for_log("every user can (mode 0777): chmod o-rwx");
    terminator.reload(UNCHANGED);
    assert_eq!(terminator.warned("every user can"), 1);
    assert_eq!(terminator.logged("passed-over: "), 1);
}

#[test]
fn a_bad_file_at_a_reload_changes_nothing_and_is_logged() {
    let files = Files::new();
    let key = ticket_key();
    files.replace(KEYS, &key);
    let terminator = terminator(&files);
    let client = first_visit(&terminator, "-tls1_2");
    let still_resumes = || comes_back(&client, &terminator, "ticket");

    let duplicates = [key, key].concat();
    let mut equal_secrets = key;
    equal_secrets.copy_within(16..32, 32);
    for (reason, content) in [
        ("47 bytes do not hold a ticket key", &key[..47]),
        ("0 bytes do not hold a ticket key", &[]),
        ("is all zeros", &[0; 48]),
        ("one repeated byte", &[7; 48]),
        ("encrypts with its MAC secret", &equal_secrets),
        ("have the same name", &duplicates),
    ] {
        terminator.reload_after(|| files.replace(KEYS, content), FAILED);
        assert!(terminator.logged(reason) > 0, "{reason}");
        still_resumes();
    }

    let change = || fs::remove_file(files.path(KEYS)).expect("the file was there");
    terminator.reload_after(change, "No such file");
    still_resumes();

    let change = || fs::create_dir(files.path(KEYS)).expect("the name is free");
    terminator.reload_after(change, "there is no file of ticket keys in");
    still_resumes();

    let change = || {
        fs::remove_dir(files.path(KEYS)).expect("the directory is empty");
        files.replace(KEYS, &key);
    };
    terminator.reload_after(change, UNCHANGED);
    still_resumes();

    let failed = terminator.logged(FAILED);
    let path = files.text(KEYS);
    assert!(failed >= 8);
    let named = terminator.logged(&path);
    assert_eq!(named, failed, "each failure names the file");
    let metric =
        |result| format!("rekindle_reloads_total{{of=\"ticket_keys\",result=\"{result}\"}}");
    assert_eq!(terminator.metric(&metric("failed")), failed as u64);
    assert_eq!(terminator.metric(&metric("updated")), 0);
}

#[test]
fn keys_made_here_rotate_and_open_what_they_sealed() {
    if skipped_when_quick("rotations in real time") {
        return;
    }
    let terminator = Terminator::demo("--ticket-key-period 2 --session-timeout 600");
    let clients = PROTOCOLS.map(|protocol| first_visit(&terminator, protocol));
    let rotations = || terminator.metric("rekindle_ticket_key_rotations_total");
    eventually("two rotations", || rotations() >= 2);
    terminator.wait_for_log("another ticket key seals");
    for client in clients {
        comes_back(&client, &terminator, "renewed_ticket");
    }
    let aged = r#"rekindle_ticket_age_seconds_bucket{le="+Inf"}"#;
    assert_eq!(terminator.metric(aged), 2);
    let sealing = r#"rekindle_tickets_opened_by_total{position="sealing"}"#;
    assert_eq!(terminator.metric(sealing), 0);
    let unknown = r#"rekindle_tickets_total{event="unknown_key"}"#;
    assert_eq!(terminator.metric(unknown), 0);
}

#[test]
fn a_changed_file_is_read_without_a_signal() {
    let files = Files::new();
    let (old, new) = (ticket_key(), ticket_key());
    files.replace(KEYS, &old);
    let terminator = terminator(&files);
    let client = first_visit(&terminator, "-tls1_2");
    files.replace(KEYS, &[new, old].concat());
    terminator.wait_for_log(UPDATED);
    terminator.wait_for_log("the file has changed");
    comes_back(&client, &terminator, "renewed_ticket");
    files.replace(KEYS, b"short");
    terminator.wait_for_log(FAILED);
    fs::write(files.path(KEYS), [old, new].concat()).expect("written in place");
    eventually("the older key seals again", || {
        terminator.logged(UPDATED) == 2
    });
    comes_back(&client, &terminator, "ticket");
    let failed = r#"rekindle_reloads_total{of="ticket_keys",result="failed"}"#;
    assert_eq!(terminator.metric(failed), 1, "a bad file is reported once");
}

#[test]
fn the_greatest_name_in_a_folder_seals_and_next_is_known_ahead() {
    let files = Files::new();
    fs::create_dir(files.path("keys")).expect("the name is free");
    files.replace("keys/2026-10.key", &ticket_key());
    files.replace("keys/2026-11.key", &ticket_key());
    let terminator = Terminator::demo(&format!("--ticket-keys {}", files.text("keys")));
    let keys = |position: &str| {
        let (_, text) = terminator.admin("/metrics");
        let series = "rekindle_ticket_key_age_seconds{key=\"";
        let keys = text.lines().filter_map(|line| line.strip_prefix(series));
        let here = keys.filter(|rest| rest.contains(&format!("position=\"{position}\"")));
        here.map(|rest| rest.split('"').next().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    let (first, previous) = (keys("sealing"), keys("previous"));
    assert_eq!([first.len(), previous.len(), keys("next").len()], [1, 1, 0]);
    let client = first_visit(&terminator, "-tls1_2");

    files.replace("keys/2026-12.key.next", &ticket_key());
    eventually("the next key is known", || keys("next").len() == 1);
    assert_eq!(keys("sealing"), first);
    let next = keys("next");
    let promoted = files.path("keys/2026-12.key");
    fs::rename(files.path("keys/2026-12.key.next"), promoted).expect("it was there");
    eventually("the next key seals", || keys("sealing") == next);
    assert_eq!(keys("previous"), [first, previous].concat());
    comes_back(&client, &terminator, "renewed_ticket");
}

#[test]
fn terminators_with_one_secret_resume_each_other_and_others_do_not() {
    let files = Files::new();
    files.replace("secret", ticket_secret(3600).as_bytes());
    files.replace("other", ticket_secret(3600).as_bytes());
    let start = |name| Terminator::demo(&format!("--ticket-secret {}", files.text(name)));
    let (a, b, other) = (start("secret"), start("secret"), start("other"));
    let derived = r#"rekindle_ticket_key_source{source="derived"}"#;
    assert_eq!(a.metric(derived), 1);
    for protocol in PROTOCOLS {
        for (made_by, shown_to) in [(&a, &b), (&b, &a)] {
            let client = first_visit(made_by, protocol);
            comes_back(&client, shown_to, "ticket");
            comes_back(&client, &other, "full");
        }
    }
}

#[test]
fn keys_that_are_not_replaced_give_way_to_keys_made_here_until_they_are() {
    if skipped_when_quick("keys that grow too old in real time") {
        return;
    }
    let files = Files::new();
    files.replace(KEYS, &ticket_key());
    let path = files.text(KEYS);
    let ages = "--session-timeout 60 --ticket-key-max-age 62 --ticket-key-period 2";
    let terminator = Terminator::demo(&format!("--ticket-keys {path} {ages}"));
    terminator.wait_for_metric("rekindle_ticket_key_fallback", 1);
    terminator.wait_for_log("the keys that were given are too old");
    let client = first_visit(&terminator, "-tls1_2");
    comes_back(&client, &terminator, "ticket");
    files.replace(KEYS, &ticket_key());
    terminator.wait_for_log("the provider's ticket keys seal again");
    assert!(terminator.metric("rekindle_ticket_key_fallbacks_total") > 0);
}
