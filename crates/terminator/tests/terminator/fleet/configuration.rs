//! What is wrong with the flags of the fleet, and with the files that they name.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use rekindle_test_servers::{Files, bounded, s_client};

use super::STORE_UP;
use crate::common::{BINARY, Terminator, ticket_secret};

/// What `check` says of a demo with these lines in its file, which begin at the second one.
fn check(files: &Files, lines: &str) -> (Option<i32>, String) {
    files.replace("site.toml", format!("demo = true\n{lines}").as_bytes());
    let line = format!("{BINARY} check --config {}", files.text("site.toml"));
    let output = bounded(&line).output().expect("it runs");
    let text = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(text).expect("text"))
}

#[test]
fn check_says_what_is_wrong_with_file_and_line() {
    let files = Files::with_certificate("localhost");
    let other = Files::with_certificate("other");
    fs::copy(other.key(), files.path("other.key")).expect("both are there");
    files.replace("secret", ticket_secret(3_600).as_bytes());
    files.replace("short", ticket_secret(60).as_bytes());
    files.replace("no-secret", b"secret 12\nperiod 3600\n");
    files.replace("no-pem", b"no PEM at all");
    let plain = "fleet = 'redis://store'\nfleet-secret = 'secret'\n";
    let tls = "fleet = 'rediss://store'\nfleet-secret = 'secret'\n";
    let identity = |key: &str| format!("{tls}fleet-cert = 'cert.pem'\nfleet-key = '{key}'\n");
    let of_ticket_keys = "fleet = 'redis://store'\nticket-secret = 'secret'\n";
    let good = [plain, tls, of_ticket_keys, &identity("key.pem")].map(str::to_owned);
    for lines in good {
        assert_eq!(check(&files, &lines), (Some(0), "ok\n".into()), "{lines}");
    }
    for (lines, line, expected) in [
        (
            "fleet = 'redis://store'\n".into(),
            2,
            "fleet: it needs a secret that all machines have",
        ),
        (
            "fleet-sharing = 'fetch'\n".into(),
            2,
            "fleet-sharing: it needs --fleet",
        ),
        (
            "fleet-secret = 'secret'\n".into(),
            2,
            "fleet-secret: it needs --fleet",
        ),
        (
            format!("{plain}fleet-sharing = 'all'\n"),
            4,
            "fleet-sharing: `all` is none of: ",
        ),
        (
            plain.replace("redis:", "http:"),
            2,
            "fleet: it begins with none of redis://",
        ),
        (
            plain.replace("store", "store?a=b"),
            2,
            "fleet: it has parameters",
        ),
        (plain.replace("store", "a,,b"), 2, "fleet: "),
        (plain.replace("'secret'", "'nowhere'"), 3, "fleet-secret: "),
        (
            plain.replace("'secret'", "'no-secret'"),
            3,
            "fleet-secret: ",
        ),
        (
            plain.replace("'secret'", "'short'"),
            3,
            "fleet-secret: the period of the secret",
        ),
        (
            format!("{plain}fleet-ca = 'cert.pem'\n"),
            4,
            "fleet-ca: certificates need rediss://",
        ),
        (
            format!("{tls}fleet-ca = 'no-pem'\n"),
            4,
            "fleet-ca: store CA file",
        ),
        (
            format!("{tls}fleet-ca = 'nowhere'\n"),
            4,
            "fleet-ca: store CA file",
        ),
        (
            format!("{tls}fleet-cert = 'cert.pem'\n"),
            4,
            "fleet-cert: it needs --fleet-key",
        ),
        (
            format!("{tls}fleet-key = 'key.pem'\n"),
            4,
            "fleet-key: it needs --fleet-cert",
        ),
        (identity("other.key"), 5, "fleet-key: key file"),
        (identity("nowhere"), 5, "fleet-key: "),
    ] {
        let (code, printed) = check(&files, &lines);
        let expected = format!("{}:{line}: {expected}", files.text("site.toml"));
        assert_eq!(code, Some(1), "{lines}: {printed}");
        assert!(printed.contains(&expected), "{lines}: {printed}");
        assert_eq!(printed.lines().count(), 1, "{lines}: {printed}");
    }
}

#[test]
fn a_secret_or_key_that_others_may_read_is_told_of_or_refused() {
    let files = Files::with_certificate("localhost");
    files.replace("secret", ticket_secret(3_600).as_bytes());
    let readable = Permissions::from_mode(0o644);
    fs::set_permissions(files.path("secret"), readable).expect("it is ours");
    let lines = "fleet = 'redis://store'\nfleet-secret = 'secret'\n";
    let (code, printed) = check(&files, lines);
    assert_eq!(code, Some(0), "{printed}");
    assert!(printed.contains("readable-by-others: "), "{printed}");
    let lines = format!("{lines}ticket-key-permissions = 'refuse'\n");
    let (code, printed) = check(&files, &lines);
    assert_eq!(code, Some(1), "{printed}");
    assert!(printed.contains(":3: fleet-secret: "), "{printed}");
}

/// A machine starts and serves although the store cannot be reached.
#[test]
fn a_machine_starts_without_its_store_and_its_flags_wait_for_a_restart() {
    let files = Files::with_certificate("localhost");
    files.replace("secret", ticket_secret(3_600).as_bytes());
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
