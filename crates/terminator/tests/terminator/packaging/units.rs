//! The units, and the configuration that the service starts with.

use std::process::Command;

use rekindle_test_servers::{Files, skipped};

use super::{path, text};
use crate::common::ran::run;
use crate::common::{BINARY, ticket_secret};

const SERVICE: &str = "rekindle-terminator.service";
const SOCKET: &str = "rekindle-terminator.socket";

/// What systemd-analyze calls "OK", and how exposed the service is today (1.9), with some room for
/// what other versions of it count. nginx in Debian 12 has 9.6.
const EXPOSURE: &str = "25";

/// What it prints, and whether it succeeds. None if it is not installed.
fn systemd_analyze(arguments: &[&str]) -> Option<(String, bool)> {
    let output = Command::new("systemd-analyze").args(arguments).output();
    let Ok(output) = output else {
        skipped("tests with systemd-analyze");
        return None;
    };
    let printed = [output.stdout, output.stderr].concat();
    let printed = String::from_utf8_lossy(&printed).into_owned();
    Some((printed, output.status.success()))
}

#[test]
fn systemd_understands_every_line_of_the_units() {
    let files = Files::new();
    // The program must be there.
    let service = text(SERVICE).replace("/usr/bin/rekindle-terminator", BINARY);
    files.replace(SERVICE, service.as_bytes());
    files.replace(SOCKET, text(SOCKET).as_bytes());
    let [service, socket] = [SERVICE, SOCKET].map(|name| files.text(name));
    // The manual page need not.
    let arguments = ["verify", "--man=no", &service, &socket];
    if let Some((printed, success)) = systemd_analyze(&arguments) {
        assert!(success && printed.is_empty(), "{printed}");
    }
}

#[test]
fn the_service_may_do_little() {
    let service = path(SERVICE);
    let service = service.to_str().expect("paths here are UTF-8");
    let threshold = format!("--threshold={EXPOSURE}");
    let arguments = [
        "security",
        "--offline=true",
        "--no-pager",
        &threshold,
        service,
    ];
    if let Some((printed, success)) = systemd_analyze(&arguments) {
        assert!(success, "{printed}");
    }
}

/// With this configuration, beside a certificate and a secret of ticket keys.
#[track_caller]
fn check(configuration: &str) {
    let files = Files::with_certificate("localhost");
    files.replace("ticket.secret", ticket_secret(3600).as_bytes());
    files.replace("terminator.toml", configuration.as_bytes());
    let configuration = files.text("terminator.toml");
    run(&format!("check --config {configuration}")).says_ok();
}

#[test]
fn the_configuration_needs_nothing_but_a_certificate() {
    check(&text("terminator.toml"));
}

/// Settings are commented out without a space, comments begin with one.
#[test]
fn what_is_commented_out_in_the_configuration_is_right_as_well() {
    let configuration = text("terminator.toml");
    let (mut lines, mut settings) = (Vec::new(), 0);
    for line in configuration.lines() {
        let setting = line.strip_prefix('#').filter(|rest| !rest.is_empty());
        let setting = setting.filter(|rest| !rest.starts_with(' '));
        settings += usize::from(setting.is_some());
        lines.push(setting.unwrap_or(line));
    }
    assert!(settings > 4, "{settings}");
    check(&lines.join("\n"));
}
