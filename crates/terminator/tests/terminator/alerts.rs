//! Fatal alerts arrive, although the client goes on to send: no reset takes them away.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};

use openssl::ssl::{SslStream, SslVersion};
use rekindle_test_servers::{Files, TlsClient, echo};

use crate::common::wire::{Pieces, tls_in_pieces};
use crate::common::{Terminator, connect};

const HANDSHAKE: u8 = 22;
const APPLICATION_DATA: u8 = 23;
const UNKNOWN: u8 = 99;

const BROKEN: &str = "rekindle_connections_broken_total{side=\"client\"}";
const FAILURES: &str = "rekindle_handshake_failures_total{reason=\"tls\"}";

fn terminator() -> Terminator {
    Terminator::proxy(echo(), &Files::with_certificate("alerts"), "")
}

fn record(kind: u8, content: &[u8]) -> Vec<u8> {
    let length = (content.len() as u16).to_be_bytes();
    [&[kind, 3, 3][..], &length, content].concat()
}

/// Once the terminator has found a fault and counted it, sends more.
#[track_caller]
fn goes_on_to_send(tcp: &mut TcpStream, terminator: &Terminator, series: &str, count: u64) {
    terminator.wait_for_metric(series, count);
    for _ in 0..64 {
        tcp.write_all(&[0; 1024]).expect("no reset");
    }
}

/// All that arrives up to FIN.
#[track_caller]
fn rest_of(tcp: &mut TcpStream) -> Vec<u8> {
    let mut rest = Vec::new();
    tcp.shutdown(Shutdown::Write).expect("no reset");
    tcp.read_to_end(&mut rest).expect("FIN, no reset");
    rest
}

#[test]
fn a_fatal_alert_to_the_first_message_arrives() {
    const PROTOCOL_VERSION: u8 = 70;
    const UNEXPECTED_MESSAGE: u8 = 10;
    let terminator = terminator();
    // A ClientHello of TLS 1.1, without the extension that could name another version.
    let body = [&[3, 2][..], &[7; 32], &[0, 0, 2, 0, 10, 1, 0]].concat();
    let outdated = [&[1, 0, 0, body.len() as u8][..], &body].concat();
    for (count, message, alert) in [
        (1, vec![UNKNOWN, 0, 0, 0], UNEXPECTED_MESSAGE),
        (2, outdated, PROTOCOL_VERSION),
    ] {
        let mut tcp = connect(terminator.address);
        let sent = tcp.write_all(&record(HANDSHAKE, &message));
        sent.expect("the connection takes it");
        goes_on_to_send(&mut tcp, &terminator, FAILURES, count);
        // Alert, version, length, fatal.
        let answer = rest_of(&mut tcp);
        assert_eq!((answer[0], &answer[3..]), (21, &[0, 2, 2, alert][..]));
    }
}

#[test]
fn a_fatal_alert_in_the_middle_of_the_handshake_arrives() {
    let hello_and_more: Pieces = |hello| vec![[hello, &record(UNKNOWN, &[0; 32])].concat()];
    let terminator = terminator();
    let tcp = connect(terminator.address);
    // In TLS 1.3 a client has finished before it hears of what the server thinks of it.
    let mut client = tls_in_pieces(tcp, b"", hello_and_more);
    goes_on_to_send(client.get_mut().tcp(), &terminator, FAILURES, 1);
    let fault = fault_of(&mut client);
    assert!(fault.contains("unexpected message"), "{fault}");
}

/// OpenSSL has no alert for it, and an end is what the client sees: a browser then shows a page
/// that says so, where a reset would make it try again.
#[test]
fn a_client_of_plain_http_sees_an_end_and_no_reset() {
    let terminator = terminator();
    let mut tcp = connect(terminator.address);
    let request = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 65536\r\n\r\n";
    tcp.write_all(request).expect("the connection takes it");
    goes_on_to_send(&mut tcp, &terminator, FAILURES, 1);
    assert!(rest_of(&mut tcp).len() <= 7, "an alert at most");
}

/// What the client's OpenSSL says of the connection's end.
#[track_caller]
fn fault_of<S: Read + Write>(client: &mut SslStream<S>) -> String {
    let mut bytes = [0; 1024];
    loop {
        match client.ssl_read(&mut bytes) {
            Ok(_) => {}
            Err(error) => {
                let reset = error.io_error().map(|error| error.kind());
                assert_ne!(reset, Some(ErrorKind::ConnectionReset));
                return error.to_string();
            }
        }
    }
}

#[test]
fn a_fatal_alert_after_the_handshake_arrives() {
    let terminator = terminator();
    for (count, version, kind, alert) in [
        (1, SslVersion::TLS1_2, APPLICATION_DATA, "bad record mac"),
        (2, SslVersion::TLS1_3, APPLICATION_DATA, "bad record mac"),
        (3, SslVersion::TLS1_3, UNKNOWN, "unexpected message"),
    ] {
        let connector = TlsClient::new(version);
        let mut client = connector.connect(terminator.address);
        // All that the terminator has sent so far is read: what comes next is the alert.
        client.ssl_write(b"x").expect("the connection takes it");
        assert_eq!(client.ssl_read(&mut [0]).expect("the echo"), 1);
        // A record that no key has made.
        let sent = client.get_mut().write_all(&record(kind, &[7; 64]));
        sent.expect("the connection takes it");
        goes_on_to_send(client.get_mut(), &terminator, BROKEN, count);
        let fault = fault_of(&mut client);
        assert!(fault.contains(alert), "{version:?}: {fault}");
        assert_eq!(rest_of(client.get_mut()), b"");
    }
}
