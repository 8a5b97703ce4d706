//! SIGHUP with a file of settings: what new connections get, what waits for a restart, and what a
//! file that is wrong does.

use std::io::Write;
use std::process::Command;

use rekindle_test_servers::{Files, echo, serve};

use crate::common::client::{Tls, common_name, connector, receive, receive_all, send, tls_connect};
use crate::common::{BINARY, Terminator, connect, eventually};

const UPDATED: &str = "configuration reload: updated";
const UNCHANGED: &str = "configuration reload: unchanged";
const FAILED: &str = "configuration reload failed";
const TIMED_OUT: &str = "rekindle_connections_timed_out_total";

fn reloads(result: &str) -> String {
    format!("rekindle_reloads_total{{of=\"configuration\",result=\"{result}\"}}")
}

/// A terminator with a file, which begins with ports and a certificate.
struct Site {
    files: Files,
    terminator: Terminator,
}

impl Site {
    fn start(more: &str) -> Self {
        let files = Files::with_certificate("before");
        write(
            &files,
            &format!("cert = 'cert.pem'\nkey = 'key.pem'\n{more}"),
        );
        let mut command = Command::new(BINARY);
        command.args(["--config", &files.text("site.toml")]);
        let terminator = Terminator::spawn(command);
        Self { files, terminator }
    }

    /// Another file, and SIGHUP.
    fn reload(&self, more: &str, done: &str) {
        write(&self.files, more);
        self.terminator.reload(done);
    }
}

/// What follows has line 3 as its first line.
fn write(files: &Files, more: &str) {
    let text = format!("listen = '127.0.0.1:0'\nadmin = '127.0.0.1:0'\n{more}");
    files.replace("site.toml", text.as_bytes());
}

#[track_caller]
fn echoes(stream: &mut Tls) {
    send(stream, b"still here");
    assert_eq!(&receive(stream), b"still here");
}

#[test]
fn new_connections_get_what_the_file_says_now_and_old_ones_keep_what_they_had() {
    let (before, after) = (echo(), serve(|mut tcp| tcp.write_all(b"after")));
    let site = Site::start(&format!("upstream = '{before}'\n"));
    let terminator = &site.terminator;
    let mut open = tls_connect(terminator.address);
    echoes(&mut open);
    let renewed = Files::with_certificate("after");
    let more = format!(
        "cert = '{}'\nkey = '{}'\nupstream = '{after}'\nalpn = ['h2', 'http/1.1']\n\
         idle-timeout = 1\n",
        renewed.cert(),
        renewed.key()
    );
    site.reload(&more, UPDATED);
    // The certificates are read behind the file.
    terminator.wait_for_log("certificate reload: updated");
    let changed = r#"changed="alpn, cert, idle-timeout, key, upstream""#;
    assert_eq!(terminator.logged(changed), 1);

    let mut ssl = connector().configure().expect("OpenSSL works");
    ssl.set_alpn_protos(b"\x08http/1.1\x02h2").expect("a list");
    let mut new = ssl.connect("localhost", connect(terminator.address));
    let new = new.as_mut().expect("the handshake succeeds");
    assert_eq!(new.ssl().selected_alpn_protocol(), Some(&b"h2"[..]));
    assert_eq!(common_name(new), "after");
    assert_eq!(&receive(new), b"after");

    echoes(&mut open);
    site.reload(
        &more.replace(&after.to_string(), &before.to_string()),
        UPDATED,
    );
    let changed = r#"changed="upstream""#;
    assert_eq!(terminator.logged(changed), 1);
    let mut idle = tls_connect(terminator.address);
    echoes(&mut idle);
    receive_all(&mut idle).expect_err("no close_notify for what is cut");
    terminator.wait_for_metric(TIMED_OUT, 1);
    // It has been silent for as long, under the old bound.
    echoes(&mut open);
    assert_eq!(terminator.metric(TIMED_OUT), 1);
    assert_eq!(terminator.metric(&reloads("updated")), 2);
}

/// The site once went, while the log said that it stayed.
#[test]
fn a_certificate_stays_while_the_file_that_replaces_it_cannot_be_used() {
    let upstream = format!("upstream = '{}'\n", echo());
    let site = Site::start(&upstream);
    let terminator = &site.terminator;
    let second = Files::with_certificate("second");
    let pair = |cert: &str, key: &str| format!("[[certificate]]\ncert = '{cert}'\nkey = '{key}'\n");
    let others = pair(&second.cert(), &second.key());
    let more = format!("{upstream}{}{others}", pair("new.pem", "new.key"));
    for _ in 0..2 {
        site.reload(&more, "certificate reload failed");
        terminator.wait_for_log("reload: done");
        assert_eq!(common_name(&tls_connect(terminator.address)), "before");
    }
    let renewed = Files::with_certificate("after");
    for (from, to) in [(renewed.cert(), "new.pem"), (renewed.key(), "new.key")] {
        let content = std::fs::read(from).expect("it is there");
        site.files.replace(to, &content);
    }
    let updated = "certificate reload: updated file=";
    site.reload(&more, updated);
    assert_eq!(common_name(&tls_connect(terminator.address)), "after");
}

#[test]
fn a_header_in_front_is_expected_from_the_reload_on() {
    let site = Site::start(&format!("upstream = '{}'\n", echo()));
    let terminator = &site.terminator;
    let mut open = tls_connect(terminator.address);
    let more = format!(
        "cert = 'cert.pem'\nkey = 'key.pem'\nupstream = '{}'\nproxy-protocol-in = 'any'\n",
        echo()
    );
    site.reload(&more, UPDATED);
    let mut tcp = connect(terminator.address);
    (tcp.write_all(b"PROXY TCP4 192.0.2.1 192.0.2.2 1 443\r\n")).expect("it is sent");
    let with_header = connector().connect("localhost", tcp);
    echoes(&mut with_header.expect("the handshake succeeds"));
    let without = connector().connect("localhost", connect(terminator.address));
    assert!(without.is_err(), "no header, no handshake");
    let refused = r#"rekindle_handshake_failures_total{reason="proxy_header"}"#;
    terminator.wait_for_metric(refused, 1);
    echoes(&mut open);

    site.reload(&more.replace("'any'", "'off'"), UPDATED);
    echoes(&mut tls_connect(terminator.address));
}

#[test]
fn what_waits_for_a_restart_is_named_each_time_and_changes_nothing() {
    let begin = format!(
        "cert = 'cert.pem'\nkey = 'key.pem'\nupstream = '{}'\n",
        echo()
    );
    let site = Site::start(&format!("upstream = '{}'\n", echo()));
    let terminator = &site.terminator;
    let restart = "configuration reload: these change at a restart only: ";
    site.reload(&begin, UPDATED);
    assert_eq!(terminator.warned(restart), 0);
    let more = format!("{begin}tickets = 'off'\nmax-connections = 1\nsession-timeout = 60\n");
    site.reload(&more, UNCHANGED);
    let named = format!("{restart}max-connections, session-timeout, tickets");
    assert_eq!(terminator.warned(&named), 1);
    let both = [(); 2].map(|()| tls_connect(terminator.address));
    both.into_iter().for_each(|mut stream| echoes(&mut stream));
    let printed = terminator.s_client("-tls1_2");
    let lifetime = "TLS session ticket lifetime hint: 7200 (seconds)";
    assert!(printed.0.contains(lifetime), "{}", printed.0);
    // What is reloaded and what waits are told apart, and each is told.
    let text = format!("listen = '127.0.0.1:1'\nadmin = '127.0.0.1:0'\n{more}idle-timeout = 5\n");
    site.files.replace("site.toml", text.as_bytes());
    terminator.reload(UPDATED);
    assert_eq!(terminator.logged(r#"changed="idle-timeout""#), 1);
    assert_eq!(terminator.warned(&format!("{restart}listen")), 1);
    echoes(&mut tls_connect(terminator.address));
}

#[test]
fn a_file_that_is_wrong_changes_nothing_and_is_told_line_by_line() {
    let upstream = format!("upstream = '{}'\n", echo());
    let site = Site::start(&upstream);
    let terminator = &site.terminator;
    let path = site.files.text("site.toml");
    let wrong = "cert = 'cert.pem'\nkey = 'key.pem'\nupstream = '127.0.0.1'\nidle-timeout = 0\n\
         alpn = ['']\nidle-timout = 5\nproxy-protocol-in = 1\nearly-data = 100\n";
    site.reload(wrong, FAILED);
    for line in [
        "5: upstream: ",
        "6: idle-timeout: ",
        "7: alpn: ",
        "8: idle-timout: ",
    ] {
        assert_eq!(terminator.logged(&format!("{path}:{line}")), 1, "{line}");
    }
    assert_eq!(
        terminator.logged(&format!("{path}:9: proxy-protocol-in: ")),
        1
    );
    echoes(&mut tls_connect(terminator.address));

    // A rule between settings; no TOML; no file.
    let pair = "cert = 'cert.pem'\nkey = 'key.pem'\n";
    site.reload(&format!("{pair}{upstream}early-data = 100\n"), FAILED);
    assert_eq!(terminator.logged(&format!("{path}:6: early-data: ")), 1);
    site.reload("= nothing\n", FAILED);
    assert!(terminator.logged(&format!("{path}:3: ")) > 0);
    std::fs::remove_file(&path).expect("it was there");
    terminator.reload(FAILED);
    assert_eq!(terminator.logged(&format!("{path}: No such file")), 1);
    assert_eq!(terminator.metric(&reloads("failed")), 4);
    assert_eq!(terminator.metric(&reloads("updated")), 0);
    echoes(&mut tls_connect(terminator.address));

    // The file is in the place of the certificates' own reload, which goes on.
    site.files.make_certificate("renewed");
    terminator.reload("certificate reload: updated");
    assert_eq!(common_name(&tls_connect(terminator.address)), "renewed");
}

/// A client once reached the new upstream without the header that goes with it, and could send one
/// of its own.
#[test]
fn a_connection_of_before_goes_to_an_upstream_of_before() {
    let [before, after] = [b"b", b"a"].map(|answer| serve(move |mut tcp| tcp.write_all(answer)));
    let site = Site::start(&format!("upstream = '{before}'\n"));
    let terminator = &site.terminator;
    let tcp = connect(terminator.address);
    terminator.wait_for_metric("rekindle_connections_active", 1);
    let pair = "cert = 'cert.pem'\nkey = 'key.pem'\n";
    let more = format!("{pair}upstream = '{after}'\nproxy-protocol-out = 'v1'\n");
    site.reload(&more, UPDATED);
    let answer = |tcp| {
        let stream = connector().connect("localhost", tcp);
        receive(&mut stream.expect("the handshake succeeds"))
    };
    let is_new = || answer(connect(terminator.address)) == *b"a";
    eventually("the new upstream", is_new);
    assert_eq!(&answer(tcp), b"b");
}
