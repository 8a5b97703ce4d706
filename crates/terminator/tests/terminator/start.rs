//! What is wrong at the start is said at the start: exit code 1 for a fault of the machine or of a
//! file, 2 for a fault of the command line.

use std::fs::{self, Permissions};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use rekindle_test_servers::{Files, ticket_key};

use crate::common::ran::{run, run_with};
use crate::common::{Terminator, eventually, ticket_secret};

const DEMO: &str = "--demo --listen 127.0.0.1:0 --admin 127.0.0.1:0";

#[track_caller]
fn refused(status: i32, words: &str, reasons: &[&str]) {
    run(words).refused(status, reasons);
}

#[test]
fn certificates_and_keys_that_do_not_work() {
    let files = Files::with_certificate("start");
    let other = Files::with_certificate("other");
    let [missing, garbage, encrypted] =
        ["missing.pem", "garbage.pem", "enc.pem"].map(|name| files.text(name));
    fs::write(&garbage, "no PEM at all").expect("the file is written");
    let (cert, key, other_key) = (files.cert(), files.key(), other.key());
    let encrypt = format!("pkey -aes128 -passout pass:secret -in {key} -out {encrypted}");
    let status = Command::new("openssl").args(encrypt.split(' ')).status();
    assert!(status.expect("openssl runs").success());

    for (cert, key, reasons) in [
        (&missing, &key, [&missing, "No such file"]),
        (&cert, &missing, [&missing, "No such file"]),
        (&garbage, &key, [&garbage, "certificate"]),
        (&cert, &garbage, [&garbage, "private key"]),
        (&cert, &encrypted, [&encrypted, "encrypted"]),
        (&cert, &other_key, [&cert, "does not belong"]),
        (&cert, &other_key, [&other_key, "does not belong"]),
    ] {
        // The upstream is not asked.
        let proxy = "--listen 127.0.0.1:0 --upstream 127.0.0.1:9";
        refused(1, &format!("{proxy} --cert {cert} --key {key}"), &reasons);
    }
}

#[test]
fn ticket_key_files_that_do_not_work() {
    let files = Files::new();
    let path = files.text("tickets.key");
    let arguments = format!("{DEMO} --ticket-keys {path}");
    refused(1, &arguments, &[&path, "No such file"]);
    let key = ticket_key();
    let mut equal_secrets = key;
    equal_secrets.copy_within(16..32, 32);
    for (reason, content) in [
        ("47 bytes do not hold a ticket key", &key[..47]),
        ("0 bytes do not hold", &[]),
        ("ticket key 1 is all zeros", &[0; 48]),
        (
            "ticket key 1 has a secret that is one repeated byte",
            &[7; 48],
        ),
        ("ticket key 1 encrypts with its MAC secret", &equal_secrets),
        (
            "ticket key 1 and ticket key 2 have the same name",
            &[key, key].concat(),
        ),
    ] {
        files.replace("tickets.key", content);
        refused(1, &arguments, &["--ticket-keys", &path, reason]);
    }
    fs::remove_file(&path).expect("the file was there");
    fs::create_dir(&path).expect("the name is free");
    let reason = "there is no file of ticket keys";
    refused(1, &arguments, &["--ticket-keys", &path, reason]);
}

#[test]
fn ticket_secrets_that_do_not_work() {
    let files = Files::new();
    let path = files.text("secret");
    let arguments = format!("{DEMO} --session-timeout 604800 --ticket-secret {path}");
    refused(1, &arguments, &["--ticket-secret", &path, "No such file"]);
    let good = ticket_secret(3600);
    let zeros = format!("secret {}\nperiod 3600\n", "00".repeat(32));
    for (reason, content) in [
        ("there is no line `secret ...`", "period 3600\n"),
        (
            "line 1: expected 64 hexadecimal digits",
            "secret 00\nperiod 3600\n",
        ),
        ("the secret looks like a pattern", &zeros),
        (
            "line 3: this word has been given before",
            &format!("{good}period 3600\n"),
        ),
        ("too many keys would be open", &ticket_secret(10)),
    ] {
        files.replace("secret", content.as_bytes());
        refused(1, &arguments, &["--ticket-secret", &path, reason]);
    }
}

#[test]
fn ticket_keys_that_others_can_read() {
    let files = Files::new();
    let path = files.text("tickets.key");
    let refuse = format!("{DEMO} --ticket-keys {path} --ticket-key-permissions refuse");
    for mode in [0o644, 0o604, 0o602] {
        files.replace("tickets.key", &ticket_key());
        fs::set_permissions(&path, Permissions::from_mode(mode)).expect("it is ours");
        refused(
            1,
            &refuse,
            &[
                "--ticket-keys",
                &path,
                "every user can (mode 0",
                "chmod o-rwx",
            ],
        );
    }
    let terminator = Terminator::demo(&format!("--ticket-keys {path}"));
    terminator.wait_for_log("readable-by-others: ");
}

#[test]
fn addresses_that_are_taken() {
    let holder = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let taken = holder.local_addr().expect("it has an address").to_string();
    let listen = format!("--demo --listen {taken} --admin 127.0.0.1:0");
    refused(1, &listen, &[&taken, "--listen", "in use"]);
    let admin = format!("--demo --listen 127.0.0.1:0 --admin {taken}");
    refused(1, &admin, &[&taken, "--admin", "in use"]);
}

#[test]
fn maintenance_and_key_files_are_no_work_for_the_threads_of_connections() {
    let terminator = Terminator::demo("--threads 1");
    // A thread sets its name itself, a moment after it has begun.
    for name in ["rekindle", "reload"] {
        eventually(name, || {
            terminator.thread_names().lines().any(|line| line == name)
        });
    }
}

#[test]
fn the_log_is_text_or_an_object_a_line() {
    for (words, is_json) in [("", false), ("--log json", true)] {
        let terminator = Terminator::demo(words);
        terminator.reload("reload: done");
        let printed = terminator.process().output();
        let mut lines = printed.lines().filter(|line| line.contains("reload: done"));
        let line = lines.next().expect("it is in the log");
        let parsed: Option<serde_json::Value> = serde_json::from_str(line).ok();
        assert_eq!(parsed.is_some(), is_json, "{line}");
        if let Some(event) = parsed {
            assert_eq!(
                (&event["level"], &event["message"]),
                (&"INFO".into(), &"reload: done".into())
            );
        }
    }
}

#[test]
fn flags_that_make_no_sense() {
    for (words, reasons) in [
        ("", &["--listen"][..]),
        ("--listen 127.0.0.1:0", &["--upstream"]),
        ("--demo --cert x", &["--demo", "--cert"]),
        ("--demo --frobnicate", &["--frobnicate"]),
        (
            "--demo --ticket-keys x --ticket-secret y",
            &["--ticket-keys", "--ticket-secret"],
        ),
        ("--demo --ticket-keys-format nginx-80", &["--ticket-keys"]),
        (
            "--demo --ticket-key-max-age 7200",
            &["--ticket-key-max-age", "and the ticket lifetime together"],
        ),
        (
            "--demo --ticket-key-period 1",
            &["--ticket-key-period", "7200 of them would be open"],
        ),
    ] {
        refused(2, words, reasons);
    }
    for (flag, value) in [
        ("--ticket-keys-format", "nginx"),
        ("--ticket-key-period", "0"),
        ("--ticket-key-max-age", "1"),
        ("--ticket-key-permissions", "maybe"),
        ("--listen", "localhost"),
        ("--listen", "localhost:70000"),
        ("--listen", "::1:443"),
        ("--listen", ":443"),
        ("--admin", "here"),
        ("--tickets", "maybe"),
        ("--sessions", "0"),
        ("--sessions", "many"),
        ("--session-storage", "dead"),
        ("--session-timeout", "0"),
        ("--session-timeout", "604801"),
        ("--threads", "0"),
        ("--max-connections", "0"),
        ("--handshake-timeout", "0"),
        ("--drain-timeout", "86401"),
        ("--tickets-per-handshake", "9"),
        ("--groups", ""),
        ("--groups", "X25519:no-such-group"),
        ("--ciphers", ""),
        ("--ciphers", "TLS_AES_128_GCM_SHA256"),
        // OpenSSL itself ignores the part of a list that it does not know.
        ("--ciphers", "ECDHE-RSA-AES128-GCM-SHA256:no-such-cipher"),
        ("--cipher-suites", ""),
        ("--cipher-suites", "TLS_AES_128_GCM_SHA256:no-such-suite"),
        ("--session-id-context", ""),
        ("--session-id-context", "hex:abc"),
    ] {
        run_with(["--demo", flag, value]).refused(2, &[flag]);
    }
}
