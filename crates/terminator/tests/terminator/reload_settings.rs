//! SIGHUP reads the file of settings again: what takes a new value, what waits for a restart, and
//! what changes nothing.

use std::process::Command;

use rekindle_test_servers::{Files, echo};
use rustix::process::Signal;

use crate::common::client::{receive, receive_all, send, tls_connect};
use crate::common::{BINARY, Terminator};

/// A site in front of an echo; `more` follows in its file.
struct Site {
    files: Files,
    terminator: Terminator,
}

impl Site {
    fn start(more: &str) -> Self {
        let files = Files::with_certificate("site");
        write(&files, more);
        let mut command = Command::new(BINARY);
        let path = files.text("site.toml");
        command.args(["--config", &path, "--upstream", &echo().to_string()]);
        Self {
            terminator: Terminator::spawn(command),
            files,
        }
    }

    /// One reload after the other: when the second one has begun, the first one has its effect.
    fn reload(&self, more: &str, done: &str) {
        write(&self.files, more);
        self.terminator.reload(done);
        self.terminator.reload("configuration reload: unchanged");
    }
}

fn write(files: &Files, more: &str) {
    let text = format!(
        "listen = '127.0.0.1:0'\nadmin = '127.0.0.1:0'\ncert = 'cert.pem'\nkey = 'key.pem'\n{more}"
    );
    files.replace("site.toml", text.as_bytes());
}

#[test]
fn the_drain_takes_as_long_as_the_last_file_says() {
    let site = Site::start("drain-timeout = 86400");
    let mut stream = tls_connect(site.terminator.address);
    send(&mut stream, b"open");
    assert_eq!(&receive::<4>(&mut stream), b"open");
    site.reload("drain-timeout = 1", "configuration reload: updated");
    site.terminator.signal(Signal::TERM);
    receive_all(&mut stream).expect_err("cut off");
    assert_eq!(site.terminator.wait_for_exit().code(), Some(0));
}

#[test]
fn what_waits_for_a_restart_is_told_and_not_taken() {
    let site = Site::start("session-id-context = 'one'");
    let session = site.files.text("session");
    let first = format!("-tls1_2 -sess_out {session}");
    site.terminator.s_client(&first).expect_reused([false]);
    // A renewed certificate makes new contexts.
    site.files.make_certificate("site");
    let other = "session-id-context = 'other'";
    site.reload(other, "certificate reload: updated");
    let told = "these change at a restart only: session-id-context";
    assert_eq!(site.terminator.warned(told), 1);
    let second = format!("-tls1_2 -sess_in {session}");
    site.terminator.s_client(&second).expect_reused([true]);
}

#[test]
fn a_site_does_not_become_the_demo() {
    let files = Files::with_certificate("site");
    write(&files, &format!("upstream = '{}'", echo()));
    let mut command = Command::new(BINARY);
    command.args(["--config", &files.text("site.toml")]);
    let terminator = Terminator::spawn(command);
    files.replace("site.toml", b"listen = '127.0.0.1:0'\ndemo = true\n");
    terminator.reload("configuration reload failed, what was in use stays in use: demo");
    let mut stream = tls_connect(terminator.address);
    send(&mut stream, b"echo");
    assert_eq!(&receive::<4>(&mut stream), b"echo");
}

#[test]
fn authorities_that_cannot_be_read_count_as_failed_only() {
    let more = "client-ca = 'ca.pem'\nclient-auth = 'optional'";
    let files = Files::with_certificate("site");
    files.replace("ca.pem", &std::fs::read(files.cert()).expect("it is there"));
    write(&files, more);
    let mut command = Command::new(BINARY);
    let path = files.text("site.toml");
    command.args(["--config", &path, "--upstream", "127.0.0.1:9"]);
    let terminator = Terminator::spawn(command);
    files.replace("ca.pem", b"broken");
    terminator.reload("client certificates reload failed");
    terminator.reload("configuration reload: unchanged");
    let (_, metrics) = terminator.admin("/metrics");
    let counted = |result| format!("{{of=\"client_certificates\",result=\"{result}\"}}");
    assert!(metrics.contains(&counted("failed")), "{metrics}");
    assert!(!metrics.contains(&counted("unchanged")), "{metrics}");
}
