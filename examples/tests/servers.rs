//! Each example starts, resumes what `openssl s_client` offers, and ends.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};

use rekindle_test_servers::{Files, Printed, Process, Signal, s_client_get};

fn start(program: &str, arguments: &[&str]) -> Process {
    Process::spawn(Command::new(program).args(arguments), Stdio::null())
}

/// The address behind the last word of the next line.
fn address(server: &Process) -> String {
    let line = server.wait_for("");
    line.rsplit(' ').next().unwrap().to_owned()
}

/// A visit that asks for the page, and offers a session (`-sess_in`) or keeps one (`-sess_out`).
fn visit(address: &str, version: &str, session: [&str; 2]) -> String {
    let words = format!("{version} {}", session.join(" "));
    let Printed(page, status) = s_client_get(address.parse().unwrap(), &words);
    assert!(status.success(), "{page}");
    page
}

/// A full handshake with one server, whose ticket then resumes at another, or the same.
fn resumes(files: &Files, first: &str, then: &str) {
    for version in ["-tls1_2", "-tls1_3"] {
        let session = files.text(version);
        let page = visit(first, version, ["-sess_out", &session]);
        assert!(page.contains("resumed by: full_handshake"), "{page}");
        let page = visit(then, version, ["-sess_in", &session]);
        assert!(page.contains("resumed by: ticket"), "{page}");
    }
}

const ANY: &str = "127.0.0.1:0";

#[test]
fn openssl_server_resumes() {
    let files = Files::with_certificate("first.example");
    let (cert, key) = (files.cert(), files.key());
    let program = env!("CARGO_BIN_EXE_openssl_server");
    let server = start(program, &[ANY, &cert, &key]);
    let at = address(&server);
    resumes(&files, &at, &at);
}

#[test]
fn shared_ticket_keys_resume_each_others_tickets() {
    let files = Files::with_certificate("first.example");
    let program = env!("CARGO_BIN_EXE_shared_ticket_keys");
    let secret = files.text("secret");
    let made = start(program, &[&secret]).wait_for_end();
    assert!(made.0.success(), "{}", made.1);
    let (cert, key) = (files.cert(), files.key());
    // Two servers in one process, and another machine's.
    let here = start(program, &[&secret, &cert, &key, ANY, ANY]);
    let there = start(program, &[&secret, &cert, &key, ANY]);
    let addresses = [address(&here), address(&here), address(&there)];
    resumes(&files, &addresses[0], &addresses[1]);
    resumes(&files, &addresses[1], &addresses[2]);
    resumes(&files, &addresses[2], &addresses[0]);
}

#[test]
fn tokio_server_resumes_reloads_shows_metrics_and_drains() {
    let files = Files::with_certificate("first.example");
    let (cert, key) = (files.cert(), files.key());
    let program = env!("CARGO_BIN_EXE_tokio_server");
    let server = start(program, &[ANY, ANY, &cert, &key]);
    let (metrics, at) = (address(&server), address(&server));
    resumes(&files, &at, &at);

    let mut scrape = TcpStream::connect(metrics).unwrap();
    scrape.write_all(b"GET /metrics HTTP/1.1\r\n\r\n").unwrap();
    let mut page = String::new();
    scrape.read_to_string(&mut page).unwrap();
    assert!(
        page.contains("rekindle_tickets_total{event=\"opened\"} 2\n"),
        "{page}"
    );

    // Sessions of before the reload resume after it.
    files.make_certificate("second.example");
    server.signal(Signal::HUP);
    let full = || visit(&at, "-tls1_3", ["-sess_out", "/dev/null"]);
    let reloaded = (0..100).any(|_| full().contains("second.example"));
    assert!(reloaded, "still the old certificate");
    let page = visit(&at, "-tls1_2", ["-sess_in", &files.text("-tls1_2")]);
    assert!(page.contains("resumed by: ticket"), "{page}");

    server.signal(Signal::TERM);
    assert_eq!(server.wait_for("drained"), "drained");
    assert!(server.wait_for_end().0.success());
}
