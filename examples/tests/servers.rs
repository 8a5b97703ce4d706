//! Each example starts, resumes what `openssl s_client` offers, and ends.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Stdio};

use rekindle_test_servers::{Files, Printed, Process, Signal, Visitor, s_client_get};

fn start(program: &str, arguments: &[&str]) -> Process {
    Process::spawn(Command::new(program).args(arguments), Stdio::null())
}

/// The address behind the last word of the next line.
fn address(server: &Process) -> SocketAddr {
    let line = server.wait_for("");
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

/// The page that a client got.
fn page(Printed(page, status): Printed) -> String {
    assert!(status.success(), "{page}");
    page
}

/// A full handshake with one server, whose ticket then resumes at another, or the same. Returns the
/// clients.
fn resumes(first: SocketAddr, then: SocketAddr) -> [Visitor<'static>; 2] {
    ["-tls1_2", "-tls1_3"].map(|version| {
        let client = Visitor::new(version);
        let page = self::page(client.visit(first));
        assert!(page.contains("resumed by: full_handshake"), "{page}");
        comes_back_by_ticket(&client, then);
        client
    })
}

fn comes_back_by_ticket(client: &Visitor<'_>, to: SocketAddr) {
    let page = page(client.come_back(to));
    assert!(page.contains("resumed by: ticket"), "{page}");
}

const ANY: &str = "127.0.0.1:0";

#[test]
fn openssl_server_resumes() {
    let files = Files::with_certificate("first.example");
    let (cert, key) = (files.cert(), files.key());
    let program = env!("CARGO_BIN_EXE_openssl_server");
    let server = start(program, &[ANY, &cert, &key]);
    let at = address(&server);
    resumes(at, at);
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
    resumes(addresses[0], addresses[1]);
    resumes(addresses[1], addresses[2]);
    resumes(addresses[2], addresses[0]);
}

/// A full handshake with one server and a second one with another, or the same.
fn handshakes(first: SocketAddr, then: SocketAddr, expected: &str) {
    for version in ["-tls1_2", "-tls1_3"] {
        let client = Visitor::new(version);
        let page = self::page(client.visit(first));
        assert!(page.contains("handshake: Some(Full)"), "{page}");
        let page = self::page(client.come_back(then));
        assert!(page.contains(expected), "{page}");
    }
}

#[test]
fn rustls_server_resumes_from_its_store_by_tickets_and_across_machines() {
    let files = Files::with_certificate("first.example");
    let (cert, key, secret) = (files.cert(), files.key(), files.text("secret"));
    let made = start(env!("CARGO_BIN_EXE_shared_ticket_keys"), &[&secret]).wait_for_end();
    assert!(made.0.success(), "{}", made.1);
    let program = env!("CARGO_BIN_EXE_rustls_server");
    let resumed = "handshake: Some(Resumed)";
    for keys in [&[][..], &["store"]] {
        let server = start(program, &[&[ANY, &cert, &key], keys].concat());
        let at = address(&server);
        handshakes(at, at, resumed);
    }
    let machines = [(); 2].map(|()| start(program, &[ANY, &cert, &key, &secret]));
    let [one, other] = machines.each_ref().map(address);
    handshakes(one, other, resumed);
    // OpenSSL's tickets under the same secret are others.
    let openssl = start(
        env!("CARGO_BIN_EXE_shared_ticket_keys"),
        &[&secret, &cert, &key, ANY],
    );
    handshakes(one, one, resumed);
    let client = Visitor::new("-tls1_3");
    client.visit(one);
    let page = page(client.come_back(address(&openssl)));
    assert!(page.contains("resumed by: full_handshake"), "{page}");
}

#[test]
fn tokio_server_resumes_reloads_shows_metrics_and_drains() {
    let files = Files::with_certificate("first.example");
    let (cert, key) = (files.cert(), files.key());
    let program = env!("CARGO_BIN_EXE_tokio_server");
    let server = start(program, &[ANY, ANY, &cert, &key]);
    let (metrics, at) = (address(&server), address(&server));
    let [client, _] = resumes(at, at);

    let mut scrape = TcpStream::connect(metrics).unwrap();
    scrape.write_all(b"GET /metrics HTTP/1.1\r\n\r\n").unwrap();
    let mut series = String::new();
    scrape.read_to_string(&mut series).unwrap();
    let opened = "rekindle_tickets_total{event=\"opened\"} 2\n";
    assert!(series.contains(opened), "{series}");

    // Sessions of before the reload resume after it.
    files.make_certificate("second.example");
    server.signal(Signal::HUP);
    let full = || page(s_client_get(at, "-tls1_3"));
    let reloaded = (0..100).any(|_| full().contains("second.example"));
    assert!(reloaded, "still the old certificate");
    comes_back_by_ticket(&client, at);

    server.signal(Signal::TERM);
    assert_eq!(server.wait_for("drained"), "drained");
    assert!(server.wait_for_end().0.success());
}
