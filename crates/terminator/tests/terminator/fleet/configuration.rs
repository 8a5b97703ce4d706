//! What is wrong with the flags of the fleet, and with the files that they name.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use rekindle_test_servers::{Files, s_client};

use super::STORE_UP;
use crate::common::ran::{Ran, run};
use crate::common::{BINARY, Terminator, ticket_secret};

/// What `check` says of a demo with these lines in its file, which begin at the second one.
fn check(files: &Files, lines: &str) -> Ran {
    files.replace("site.toml", format!("demo = true\n{lines}").as_bytes());
    run(&format!("check --config {}", files.text("site.toml")))
}

const PLAIN: &str = "fleet = 'redis://store'\nfleet-secret = 'secret'\n";
const TLS: &str = "fleet = 'rediss://store'\nfleet-secret = 'secret'\n";

fn identity(key: &str) -> String {
    format!("{TLS}fleet-cert = 'cert.pem'\nfleet-key = '{key}'\n")
}

/// A folder with what the lines below name.
fn files() -> Files {
    let files = Files::with_certificate("localhost");
    files.replace("secret", ticket_secret(3_600).as_bytes());
    files
}

/// `check` says this of that line of the file, and nothing else.
#[track_caller]
fn is_told(files: &Files, lines: &str, line: u32, expected: &str) {
    let printed = check(files, lines).expect(1).printed();
    let expected = format!("{}:{line}: {expected}", files.text("site.toml"));
    assert!(printed.contains(&expected), "{lines}: {printed}");
    assert_eq!(printed.lines().count(), 1, "{lines}: {printed}");
}

#[test]
fn check_says_ok_of_what_is_right() {
    let files = files();
    let of_ticket_keys = "fleet = 'redis://store'\nticket-secret = 'secret'\n";
    for lines in [PLAIN, TLS, of_ticket_keys, &identity("key.pem")] {
        let printed = check(&files, lines).expect(0).printed();
        assert_eq!(printed, "ok\n", "{lines}");
    }
}

#[test]
fn check_says_what_is_wrong_with_file_and_line() {
    let files = files();
    files.replace("short", ticket_secret(60).as_bytes());
    files.replace("no-secret", b"secret 12\nperiod 3600\n");
    for (lines, line, expected) in [
        (
            "fleet = 'redis://store'\n",
            2,
            "fleet: it needs a secret that all machines have",
        ),
        (
            "fleet-sharing = 'fetch'\n",
            2,
            "fleet-sharing: it needs --fleet",
        ),
        (
            "fleet-secret = 'secret'\n",
            2,
            "fleet-secret: it needs --fleet",
        ),
        (
            &format!("{PLAIN}fleet-sharing = 'all'\n"),
            4,
            "fleet-sharing: `all` is none of: ",
        ),
    ] {
        is_told(&files, lines, line, expected);
    }
    for (from, to, line, expected) in [
        (
            "redis:",
            "http:",
            2,
            "fleet: it begins with none of redis://",
        ),
        ("store", "store?a=b", 2, "fleet: it has parameters"),
        ("store", "a,,b", 2, "fleet: "),
        ("'secret'", "'nowhere'", 3, "fleet-secret: "),
        ("'secret'", "'no-secret'", 3, "fleet-secret: "),
        (
            "'secret'",
            "'short'",
            3,
            "fleet-secret: the period of the secret",
        ),
    ] {
        is_told(&files, &PLAIN.replace(from, to), line, expected);
    }
}

#[test]
fn check_says_what_is_wrong_with_the_certificates_of_the_store() {
    let files = files();
    let other = Files::with_certificate("other");
    fs::copy(other.key(), files.path("other.key")).expect("both are there");
    files.replace("no-pem", b"no PEM at all");
    for (lines, more, expected) in [
        (PLAIN, "ca = 'cert.pem'", "ca: certificates need rediss://"),
        (TLS, "ca = 'no-pem'", "ca: store CA file"),
        (TLS, "ca = 'nowhere'", "ca: store CA file"),
        (TLS, "cert = 'cert.pem'", "cert: it needs --fleet-key"),
        (TLS, "key = 'key.pem'", "key: it needs --fleet-cert"),
    ] {
        let lines = format!("{lines}fleet-{more}\n");
        is_told(&files, &lines, 4, &format!("fleet-{expected}"));
    }
    is_told(&files, &identity("other.key"), 5, "fleet-key: key file");
    is_told(&files, &identity("nowhere"), 5, "fleet-key: ");
}

#[test]
fn a_secret_or_key_that_others_may_read_is_told_of_or_refused() {
    let files = files();
    let readable = Permissions::from_mode(0o644);
    fs::set_permissions(files.path("secret"), readable).expect("it is ours");
    let printed = check(&files, PLAIN).expect(0).printed();
    assert!(printed.contains("readable-by-others: "), "{printed}");
    let lines = format!("{PLAIN}ticket-key-permissions = 'refuse'\n");
    let printed = check(&files, &lines).expect(1).printed();
    assert!(printed.contains(":3: fleet-secret: "), "{printed}");
}

/// A machine starts and serves although the store cannot be reached.
#[test]
fn a_machine_starts_without_its_store_and_its_flags_wait_for_a_restart() {
    let files = files();
    let write = |sharing: &str| {
        let text = format!(
            "demo = true\nlisten = '127.0.0.1:0'\nadmin = '127.0.0.1:0'\n\
             fleet = 'redis://127.0.0.1:1'\nfleet-secret = 'secret'\n\
             fleet-sharing = '{sharing}'\n"
        );
        files.replace("site.toml", text.as_bytes());
    };
    write("replicate");
    let mut command = std::process::Command::new(BINARY);
    command.args(["--config", &files.text("site.toml")]);
    let terminator = Terminator::spawn(command);
    s_client(terminator.address, "-tls1_2 -reconnect").assert_no_error();
    assert_eq!(terminator.metric(STORE_UP), 0);
    write("both");
    terminator.reload("these change at a restart only: fleet-sharing");
}

#[test]
fn without_a_fleet_the_page_and_the_metrics_have_none() {
    let terminator = Terminator::demo("");
    let (page, metrics) = (terminator.admin("/").1, terminator.admin("/metrics").1);
    assert!(!page.contains("Fleet"), "{page}");
    assert!(!metrics.contains("rekindle_fleet"), "{metrics}");
}
