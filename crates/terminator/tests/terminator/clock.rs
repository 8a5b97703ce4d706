//! A machine whose clock is wrong, with a secret that it shares with others. The clock is set by
//! libfaketime; time that passes is the machine's.

use std::fs;
use std::path::Path;
use std::process::Command;

use rekindle_test_servers::{Files, eventually, skipped};

use crate::common::{BINARY, Terminator, ticket_secret, unix_now};

const LIBRARIES: [&str; 3] = [
    "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1",
    "/usr/lib/aarch64-linux-gnu/faketime/libfaketime.so.1",
    "/usr/lib/faketime/libfaketime.so.1",
];
const FALLBACK: &str = "rekindle_ticket_key_fallback";

/// A terminator whose clock is the machine's and as much ahead as the file `clock` says.
fn terminator(files: &Files) -> Option<Terminator> {
    let Some(library) = LIBRARIES.iter().find(|path| Path::new(path).exists()) else {
        skipped("no libfaketime (apt-get install faketime)");
        return None;
    };
    let secret = files.text("secret");
    let mut command = Command::new(BINARY);
    let words = "--demo --listen 127.0.0.1:0 --admin 127.0.0.1:0 --ticket-secret";
    command.args(words.split(' ')).arg(secret);
    command
        .env("LD_PRELOAD", library)
        .env("FAKETIME_TIMESTAMP_FILE", files.path("clock"))
        // Threads that read the file at one time disturb each other: not at each call.
        .env("FAKETIME_CACHE_DURATION", "1")
        .env("DONT_FAKE_MONOTONIC", "1");
    Some(Terminator::spawn(command))
}

/// A secret whose ratchet is at this period, in each of which a key seals for an hour.
fn files() -> Files {
    let files = Files::new();
    let at = unix_now() / 3_600 - 3;
    let text = format!("{}ratchet {at}\n", ticket_secret(3_600));
    files.replace("secret", text.as_bytes());
    files
}

fn set_clock(files: &Files, ahead: &str) {
    // In place: libfaketime reads the file again and again.
    fs::write(files.path("clock"), ahead).expect("written");
}

#[test]
fn a_start_with_a_clock_that_is_behind_serves_says_so_and_heals() {
    let files = files();
    set_clock(&files, "-2d");
    let Some(terminator) = terminator(&files) else {
        return;
    };
    terminator.wait_for_log("none may seal now (is the clock right?)");
    assert_eq!(terminator.metric(FALLBACK), 1);
    // It serves, and resumes by itself.
    terminator
        .s_client("-tls1_2 -reconnect")
        .expect_reused([false, true, true, true, true, true]);
    set_clock(&files, "+0");
    eventually("it heals", || terminator.metric(FALLBACK) == 0);
}

#[test]
fn a_start_with_a_clock_that_is_ahead_heals_at_once_at_sighup() {
    let files = files();
    set_clock(&files, "+55d");
    let Some(terminator) = terminator(&files) else {
        return;
    };
    terminator.wait_for_log("is 55 days behind the clock: is the clock right");
    assert_eq!(terminator.metric(FALLBACK), 0);
    // The process has the secret of that day alone, and the file has the one of today.
    set_clock(&files, "+0");
    eventually("nothing that it can derive seals", || {
        terminator.metric(FALLBACK) == 1
    });
    terminator.reload("ticket key reload: updated");
    assert_eq!(terminator.metric(FALLBACK), 0);
}

#[test]
fn a_clock_that_leaps_ahead_and_back_loses_no_key() {
    let files = files();
    set_clock(&files, "+0");
    let Some(terminator) = terminator(&files) else {
        return;
    };
    let sealing = || {
        let series = "rekindle_ticket_key_age_seconds{";
        let (_, text) = terminator.admin("/metrics");
        let mut lines = text.lines().filter(|line| line.starts_with(series));
        let line = lines.find(|line| line.contains("position=\"sealing\""));
        let labels = line.and_then(|line| line.split_once('}'));
        labels.expect("a key seals").0.to_owned()
    };
    let before = sealing();
    set_clock(&files, "+55d");
    eventually("another key seals", || sealing() != before);
    set_clock(&files, "+0");
    eventually("the key of today seals again", || sealing() == before);
    assert_eq!(terminator.metric(FALLBACK), 0);
}
