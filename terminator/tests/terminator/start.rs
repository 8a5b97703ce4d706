//! What is wrong at the start is said at the start: exit code 1 for what the machine lacks, 2 for what was typed.

use std::fs;
use std::net::TcpListener;
use std::process::{Command, Output};

use crate::common::BINARY;
use crate::common::files::{Files, ticket_key};

fn run(arguments: &[&str]) -> (Option<i32>, String) {
    let Output { status, stderr, .. } = Command::new("timeout")
        .args(["60", BINARY])
        .args(arguments)
        .output()
        .expect("the binary starts");
    (
        status.code(),
        String::from_utf8(stderr).expect("errors are text"),
    )
}

#[track_caller]
fn refused(code: i32, arguments: &[&str], words: &[&str]) {
    let (status, stderr) = run(arguments);
    assert_eq!(status, Some(code), "{arguments:?}: {stderr}");
    for word in words {
        assert!(
            stderr.contains(word),
            "{arguments:?}: `{word}` is not in: {stderr}"
        );
    }
}

/// Arguments of a proxy, with an upstream that is not asked.
fn proxy<'a>(cert: &'a str, key: &'a str) -> Vec<&'a str> {
    vec![
        "--listen",
        "127.0.0.1:0",
        "--upstream",
        "127.0.0.1:9",
        "--cert",
        cert,
        "--key",
        key,
    ]
}

#[test]
fn certificates_and_keys_that_do_not_work() {
    let files = Files::with_certificate("start");
    let other = Files::with_certificate("other");
    let (missing, garbage, encrypted) = (
        files.text("missing.pem"),
        files.text("garbage.pem"),
        files.text("enc.pem"),
    );
    fs::write(&garbage, "no PEM at all").expect("the file is written");
    let status = Command::new("openssl")
        .args([
            "pkey",
            "-aes128",
            "-passout",
            "pass:secret",
            "-in",
            &files.key(),
            "-out",
            &encrypted,
        ])
        .status();
    assert!(status.expect("openssl runs").success());

    let (cert, key) = (files.cert(), files.key());
    refused(1, &proxy(&missing, &key), &[&missing, "No such file"]);
    refused(1, &proxy(&cert, &missing), &[&missing, "No such file"]);
    refused(1, &proxy(&garbage, &key), &[&garbage, "certificate"]);
    refused(1, &proxy(&cert, &garbage), &[&garbage, "private key"]);
    refused(1, &proxy(&cert, &encrypted), &[&encrypted, "encrypted"]);
    refused(
        1,
        &proxy(&cert, &other.key()),
        &[&cert, &other.key(), "does not belong"],
    );
}

#[test]
fn ticket_key_files_that_do_not_work() {
    let files = Files::new();
    let path = files.text("tickets.key");
    let arguments = [
        "--demo",
        "--listen",
        "127.0.0.1:0",
        "--admin",
        "127.0.0.1:0",
        "--ticket-keys",
        &path,
    ];
    refused(1, &arguments, &[&path, "No such file"]);
    let key = ticket_key();
    for content in [&key[..47], &[], &[0; 48], &[key, key].concat()] {
        files.replace("tickets.key", content);
        refused(1, &arguments, &["--ticket-keys", &path]);
    }
}

#[test]
fn addresses_that_are_taken() {
    let holder = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let taken = holder.local_addr().expect("it has an address").to_string();
    refused(
        1,
        &["--demo", "--listen", &taken, "--admin", "127.0.0.1:0"],
        &[&taken, "--listen", "in use"],
    );
    refused(
        1,
        &["--demo", "--listen", "127.0.0.1:0", "--admin", &taken],
        &[&taken, "--admin", "in use"],
    );
}

#[test]
fn flags_that_make_no_sense() {
    refused(2, &[], &["--listen"]);
    refused(2, &["--listen", "127.0.0.1:0"], &["--upstream"]);
    refused(2, &["--demo", "--cert", "x"], &["--demo", "--cert"]);
    refused(2, &["--demo", "--frobnicate"], &["--frobnicate"]);
    for (flag, value) in [
        ("--listen", "localhost"),
        ("--listen", "localhost:70000"),
        ("--listen", "::1:443"),
        ("--listen", ":443"),
        ("--admin", "here"),
        ("--tickets", "maybe"),
        ("--sessions", "0"),
        ("--sessions", "many"),
        ("--session-timeout", "0"),
        ("--session-timeout", "604801"),
        ("--threads", "0"),
        ("--max-connections", "0"),
        ("--handshake-timeout", "0"),
        ("--drain-timeout", "86401"),
        ("--session-id-context", ""),
        ("--session-id-context", "hex:abc"),
    ] {
        refused(2, &["--demo", flag, value], &[flag]);
    }
}
