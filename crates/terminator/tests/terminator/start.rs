//! What is wrong at the start is said at the start: exit code 1 for what the machine lacks, 2 for what was typed.

use std::fs::{self, Permissions};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Output};

use crate::common::files::{Files, ticket_key, ticket_secret};
use crate::common::{BINARY, Terminator};

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
    refused(
        1,
        &arguments,
        &["--ticket-keys", &path, "there is no file of ticket keys"],
    );
}

#[test]
fn ticket_secrets_that_do_not_work() {
    let files = Files::new();
    let path = files.text("secret");
    let arguments = [
        "--demo",
        "--listen",
        "127.0.0.1:0",
        "--ticket-secret",
        &path,
    ];
    refused(1, &arguments, &["--ticket-secret", &path, "No such file"]);
    let good = ticket_secret(3600);
    let zeros = format!("secret {}\nperiod 3600\n", "00".repeat(32));
    let past = format!("{good}ratchet 9999999\n");
    for (reason, content) in [
        ("there is no line `secret ...`", "period 3600\n"),
        (
            "line 1: expected 64 hexadecimal digits",
            "secret 00\nperiod 3600\n",
        ),
        ("line 1: the secret is one repeated byte", &zeros),
        (
            "line 3: this word has been given before",
            &format!("{good}period 3600\n"),
        ),
        ("the ratchet is past this period", &past),
        ("too many keys would be open", &ticket_secret(10)),
    ] {
        let long = [&arguments[..], &["--session-timeout", "604800"]].concat();
        files.replace("secret", content.as_bytes());
        refused(1, &long, &["--ticket-secret", &path, reason]);
    }
}

#[test]
fn ticket_keys_that_others_can_read() {
    let files = Files::new();
    let path = files.text("tickets.key");
    let arguments = ["--demo", "--listen", "127.0.0.1:0", "--ticket-keys", &path];
    let refuse = [&arguments[..], &["--ticket-key-permissions", "refuse"]].concat();
    for mode in [0o640, 0o604, 0o620] {
        files.replace("tickets.key", &ticket_key());
        fs::set_permissions(&path, Permissions::from_mode(mode)).expect("it is ours");
        refused(
            1,
            &refuse,
            &["--ticket-keys", &path, "others than its owner"],
        );
    }
    let terminator = Terminator::demo(&format!("--ticket-keys {path}"));
    terminator.wait_for_log("others than the file's owner");
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
fn maintenance_and_key_files_are_no_work_for_the_threads_of_connections() {
    let terminator = Terminator::demo("--threads 1");
    let names = terminator.thread_names();
    for name in ["maintenance", "reload"] {
        assert!(names.lines().any(|line| line == name), "{name}: {names}");
    }
}

#[test]
fn flags_that_make_no_sense() {
    refused(2, &[], &["--listen"]);
    refused(2, &["--listen", "127.0.0.1:0"], &["--upstream"]);
    refused(2, &["--demo", "--cert", "x"], &["--demo", "--cert"]);
    refused(2, &["--demo", "--frobnicate"], &["--frobnicate"]);
    let both = ["--demo", "--ticket-keys", "x", "--ticket-secret", "y"];
    refused(2, &both, &["--ticket-keys", "--ticket-secret"]);
    let format_of_nothing = ["--demo", "--ticket-keys-format", "nginx-80"];
    refused(2, &format_of_nothing, &["--ticket-keys"]);
    let too_young = ["--demo", "--ticket-key-max-age", "7200"];
    let words = ["--ticket-key-max-age", "and the ticket lifetime together"];
    refused(2, &too_young, &words);
    let too_many = ["--demo", "--ticket-key-period", "1"];
    let words = ["--ticket-key-period", "7200 of them would be open"];
    refused(2, &too_many, &words);
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
