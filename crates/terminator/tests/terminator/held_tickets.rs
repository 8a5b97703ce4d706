//! The tickets of TLS 1.3 wait for the answer, but not for ever.

use std::fs;
use std::io::{self, Read, Write};
use std::process::Stdio;
use std::time::{Duration, Instant};

use openssl::ssl::SslVersion;
use rekindle_test_servers::{
    Files, Process, TlsClient, Visitor, bounded, echo, eventually, finish, serve,
};

use crate::common::Terminator;
use crate::common::client::receive_all;

fn before(upstream: std::net::SocketAddr) -> Terminator {
    Terminator::proxy(upstream, &Files::with_certificate("tickets"), "")
}

/// How long a client that says nothing waits for its ticket.
fn wait_for_a_ticket(terminator: &Terminator) -> Duration {
    let client = TlsClient::new(SslVersion::TLS1_3);
    let mut stream = client.connect(terminator.address);
    let start = Instant::now();
    let tcp = stream.get_ref();
    let step = Duration::from_millis(10);
    tcp.set_read_timeout(Some(step)).expect("a timeout");
    eventually("a ticket", || {
        let read = stream.read(&mut [0]);
        let pending = read.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock);
        assert!(pending, "nothing but tickets was sent");
        client.session().is_some()
    });
    start.elapsed()
}

#[test]
fn a_client_that_says_nothing_gets_its_tickets_soon() {
    let terminator = before(echo());
    // On a machine with other work, one of them.
    let waited = [(); 5].map(|()| wait_for_a_ticket(&terminator));
    let least = waited.iter().min().expect("five");
    assert!(*least < Duration::from_secs(1), "{waited:?}");
}

#[test]
fn a_client_that_closes_at_once_gets_its_tickets_before_the_end() {
    let terminator = before(echo());
    let client = TlsClient::new(SslVersion::TLS1_3);
    let mut stream = client.connect(terminator.address);
    assert!(client.session().is_none(), "tickets come after a handshake");
    stream.shutdown().expect("close_notify is sent");
    assert_eq!(receive_all(&mut stream).expect("close_notify"), b"");
    assert!(client.session().is_some());
    client.connect(terminator.address);
    let resumed = "rekindle_handshakes_total{protocol=\"TLSv1.3\",kind=\"ticket\"}";
    terminator.wait_for_metric(resumed, 1);
}

#[test]
fn s_client_keeps_a_session_that_came_with_an_answer() {
    let terminator = before(serve(|mut tcp| {
        tcp.read_exact(&mut [0; b"GET / HTTP/1.0\r\n\r\n".len()])?;
        tcp.write_all(b"HTTP/1.0 200 OK\r\n\r\n")
    }));
    let visitor = Visitor::new("-tls1_3");
    visitor.visit(terminator.address).expect_reused([false]);
    visitor.come_back(terminator.address).expect_reused([true]);
}

#[test]
fn s_client_keeps_a_session_that_came_without_an_answer() {
    let terminator = before(echo());
    let visitor = Visitor::new("-tls1_3");
    let (address, file) = (terminator.address, visitor.session());
    let line = format!("openssl s_client -connect {address} -tls1_3 -sess_out {file}");
    let mut silent = Process::spawn(&mut bounded(&line), Stdio::piped());
    // Once it is at its end, the client hangs up.
    let stdin = silent.take_stdin();
    eventually("a session", || {
        fs::metadata(file).is_ok_and(|file| file.len() > 0)
    });
    drop(stdin);
    finish(silent).expect_reused([false]);
    let words = format!("-tls1_3 -sess_in {file}");
    terminator.s_client(&words).expect_reused([true]);
}
