//! The PROXY protocol, in and out, byte for byte. An upstream that sends everything back shows the
//! client the header that it got.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixListener;
use std::process::Command;
use std::thread;

use openssl::ssl::{SslMethod, SslVersion};
use rekindle_test_servers::{Files, TlsClient, echo, skipped};

use crate::common::client::connector;
use crate::common::told::{SIGNATURE, split};
use crate::common::wire::{Pieces, byte_by_byte, client_hello, connect_from, tls_in_pieces, whole};
use crate::common::{BINARY, Terminator, connect};

/// An address that no client here has.
const NAMED: &[u8] = b"PROXY TCP4 192.0.2.7 198.51.100.9 7777 443\r\n";

fn before_echo(words: &str) -> Terminator {
    Terminator::proxy(echo(), &Files::with_certificate("proxy"), words)
}

fn failures(reason: &str) -> String {
    format!("rekindle_handshake_failures_total{{reason=\"{reason}\"}}")
}

/// A header of version 2 from 192.0.2.7, port 7777.
fn binary(tlvs: &[u8]) -> Vec<u8> {
    let length = (12 + tlvs.len() as u16).to_be_bytes();
    let addresses = [192, 0, 2, 7, 198, 51, 100, 9, 0x1e, 0x61, 1, 0xbb];
    [&SIGNATURE[..], &[0x21, 0x11], &length, &addresses, tlvs].concat()
}

/// The line that the upstream got.
#[track_caller]
fn line(stream: impl Read) -> String {
    let mut line = String::new();
    let read = BufReader::new(stream).read_line(&mut line);
    read.expect("the upstream's echo");
    line
}

/// The line that names the two ends of a client's connection.
fn line_for(client: &TcpStream) -> String {
    let (source, destination) = (client.local_addr().unwrap(), client.peer_addr().unwrap());
    let family = if source.is_ipv4() { "TCP4" } else { "TCP6" };
    let (from, to) = (source.port(), destination.port());
    let (source, destination) = (source.ip(), destination.ip());
    format!("PROXY {family} {source} {destination} {from} {to}\r\n")
}

#[test]
fn the_upstream_is_told_the_addresses_in_a_line() {
    let terminator = before_echo("--proxy-protocol-out v1");
    let tcp = connect_from(Ipv4Addr::new(127, 0, 0, 77), terminator.address);
    let expected = line_for(&tcp);
    assert!(expected.starts_with("PROXY TCP4 127.0.0.77 127.0.0.1 "));
    let client = connector().connect("localhost", tcp).expect("a handshake");
    assert_eq!(line(client), expected);
}

#[test]
fn the_line_has_addresses_of_ipv6() {
    if let Err(error) = TcpListener::bind((Ipv6Addr::LOCALHOST, 0)) {
        return skipped(&format!("no IPv6 on loopback: {error}"));
    }
    let files = Files::with_certificate("proxy");
    let (upstream, cert, key) = (echo(), files.cert(), files.key());
    let words = format!(
        "--listen [::1]:0 --admin 127.0.0.1:0 --upstream {upstream} --cert {cert} --key {key} \
         --proxy-protocol-out v1"
    );
    let mut command = Command::new(BINARY);
    command.args(words.split(' '));
    let terminator = Terminator::spawn(command);
    let tcp = connect(terminator.address);
    let expected = line_for(&tcp);
    assert!(expected.starts_with("PROXY TCP6 ::1 ::1 "), "{expected}");
    let client = connector().connect("localhost", tcp).expect("a handshake");
    assert_eq!(line(client), expected);
}

#[test]
fn an_upstream_on_a_unix_socket_is_told_as_well() {
    let files = Files::with_certificate("proxy");
    let path = files.text("upstream.sock");
    let listener = UnixListener::bind(&path).expect("a free path");
    thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let mut received = stream.try_clone().expect("a descriptor");
            thread::spawn(move || io::copy(&mut received, &mut stream));
        }
    });
    let terminator = Terminator::proxy(format!("unix:{path}"), &files, "--proxy-protocol-out v1");
    let tcp = connect(terminator.address);
    let expected = line_for(&tcp);
    let client = connector().connect("localhost", tcp).expect("a handshake");
    assert_eq!(line(client), expected);
}

/// Reads a header of version 2 in which 127.0.0.1 is told of `client`; returns its TLVs.
#[track_caller]
fn binary_header(stream: &mut impl Read, client: SocketAddr, to: SocketAddr) -> Vec<u8> {
    let mut fixed = [0; 16];
    stream.read_exact(&mut fixed).expect("the echo");
    assert_eq!(&fixed[..12], SIGNATURE);
    assert_eq!(fixed[12..14], [0x21, 0x11], "PROXY, TCP over IPv4");
    let mut rest = vec![0; usize::from(u16::from_be_bytes([fixed[14], fixed[15]]))];
    stream.read_exact(&mut rest).expect("the echo");
    assert_eq!(rest[..8], [127, 0, 0, 1, 127, 0, 0, 1]);
    assert_eq!(rest[8..10], client.port().to_be_bytes());
    assert_eq!(rest[10..12], to.port().to_be_bytes());
    rest.split_off(12)
}

#[test]
fn the_upstream_is_told_what_the_handshake_agreed_on() {
    let terminator = before_echo("--proxy-protocol-out v2 --alpn h2,http/1.1");
    let mut builder = openssl::ssl::SslConnector::builder(SslMethod::tls_client()).unwrap();
    builder.set_verify(openssl::ssl::SslVerifyMode::NONE);
    builder.set_alpn_protos(b"\x08http/1.1").expect("a name");
    builder
        .set_ciphersuites("TLS_CHACHA20_POLY1305_SHA256")
        .expect("a suite");
    let tcp = connect(terminator.address);
    let client = tcp.local_addr().unwrap();
    let stream = builder.build().connect("shop.example", tcp);
    let mut stream = stream.expect("a handshake");
    let header = binary_header(&mut stream, client, terminator.address);
    let mut header = split(&header);
    let (kind, ssl) = header.pop().expect("four TLVs");
    let expected = [
        (0xe4, b"rekindle\0".to_vec()),
        (0x01, b"http/1.1".to_vec()),
        (0x02, b"shop.example".to_vec()),
    ];
    assert_eq!(header, expected);
    // The client came by TLS; there is no certificate to verify.
    assert_eq!((kind, &ssl[..5]), (0x20, &[1, 0, 0, 0, 1][..]));
    let expected = [
        (0x21, b"TLSv1.3".to_vec()),
        (0x23, b"TLS_CHACHA20_POLY1305_SHA256".to_vec()),
    ];
    assert_eq!(split(&ssl[5..]), expected);
}

#[test]
fn the_upstream_is_told_of_a_resumption() {
    let terminator = before_echo("--proxy-protocol-out v2");
    for version in [SslVersion::TLS1_2, SslVersion::TLS1_3] {
        let client = TlsClient::new(version);
        for own in [b"rekindle\0", b"rekindle\x01"] {
            let mut stream = client.connect(terminator.address);
            let address = stream.get_ref().local_addr().unwrap();
            let header = binary_header(&mut stream, address, terminator.address);
            let first = split(&header).swap_remove(0);
            assert_eq!(first, (0xe4, own.to_vec()), "{version:?}");
            stream.shutdown().expect("close_notify is sent");
        }
    }
}

#[test]
fn a_header_is_taken_in_one_segment_with_the_hello_and_byte_by_byte() {
    let terminator = before_echo("--proxy-protocol-in any --proxy-protocol-out v1");
    let unix = [&SIGNATURE[..], &[0x21, 0x31, 0, 216], &[b'x'; 216]].concat();
    let local = [&SIGNATURE[..], &[0x20, 0, 0, 0]].concat();
    for (header, names_the_client) in [
        (NAMED.to_vec(), true),
        (binary(b""), true),
        // A TLV of a type that no program knows.
        (binary(&[&[0xf0, 2, 0][..], &[7; 512]].concat()), true),
        (b"PROXY UNKNOWN\r\n".to_vec(), false),
        (local, false),
        (unix, false),
    ] {
        for pieces in [whole as Pieces, byte_by_byte] {
            let tcp = connect(terminator.address);
            let expected = match names_the_client {
                true => String::from_utf8_lossy(NAMED).into_owned(),
                false => line_for(&tcp),
            };
            assert_eq!(line(tls_in_pieces(tcp, &header, pieces)), expected);
        }
    }
}

#[test]
fn a_header_that_is_hostile_or_missing_is_refused_at_once() {
    let words = "--proxy-protocol-in any --handshake-timeout 3600";
    let terminator = before_echo(words);
    let v2 = |rest: &[u8]| [&SIGNATURE[..], rest].concat();
    let hello = client_hello();
    let headers: &[(&str, &[u8])] = &[
        ("none, but a ClientHello", &hello),
        ("none, but HTTP", b"GET / HTTP/1.1\r\n\r\n"),
        ("another word", b"PROXY TCP5"),
        ("lower case", b"proxy TCP4 192.0.2.7"),
        ("no address", b"PROXY TCP4 192.0.2.777 1.1.1.1 1 1\r\n"),
        ("no port", b"PROXY TCP4 192.0.2.7 1.1.1.1 65536 1\r\n"),
        ("another family", b"PROXY TCP6 192.0.2.7 1.1.1.1 1 1\r\n"),
        ("two spaces", b"PROXY TCP4  192.0.2.7 1.1.1.1 1 1\r\n"),
        (
            "no end",
            &[b"PROXY UNKNOWN ".as_slice(), &[b'A'; 93]].concat(),
        ),
        ("version 1 in binary", &v2(&[0x11])),
        ("an unknown command", &v2(&[0x22])),
        ("an unknown family", &v2(&[0x21, 0x41])),
        ("UDP", &v2(&[0x21, 0x12])),
        ("65,535 bytes", &v2(&[0x21, 0x11, 0xff, 0xff])),
        ("no room for addresses", &v2(&[0x21, 0x11, 0, 11])),
        ("a TLV beyond its end", &binary(&[1, 0, 4, b'h', b'2'])),
        ("a wrong checksum", &binary(&[3, 0, 4, 1, 2, 3, 4])),
    ];
    for (count, (what, header)) in (1..).zip(headers) {
        let mut tcp = connect(terminator.address);
        tcp.write_all(header).expect("the connection takes it");
        let answer = tcp.read(&mut [0]);
        // By FIN or, if it had bytes that nothing has read, by a reset.
        let reset = |error: &io::Error| error.kind() == io::ErrorKind::ConnectionReset;
        let closed = answer.as_ref().map_or_else(reset, |read| *read == 0);
        assert!(closed, "{what}: {answer:?}");
        terminator.wait_for_metric(&failures("proxy_header"), count);
    }
    assert_eq!(terminator.metric("rekindle_connections_active"), 0);
    let mut client = tls_in_pieces(connect(terminator.address), NAMED, whole);
    client.write_all(b"x").expect("others are served");
    let mut byte = [0];
    client.read_exact(&mut byte).expect("the echo");
}

#[test]
fn a_listener_of_one_version_refuses_the_other() {
    for (version, taken, refused) in [
        ("v1", NAMED.to_vec(), binary(b"")),
        ("v2", binary(b""), NAMED.to_vec()),
    ] {
        let terminator = before_echo(&format!("--proxy-protocol-in {version}"));
        tls_in_pieces(connect(terminator.address), &taken, whole);
        let mut tcp = connect(terminator.address);
        tcp.write_all(&refused[..1])
            .expect("the connection takes it");
        assert_eq!(tcp.read(&mut [0]).expect("FIN"), 0, "at the first byte");
        terminator.wait_for_metric(&failures("proxy_header"), 1);
    }
}

#[test]
fn a_header_where_none_is_accepted_is_no_tls() {
    let terminator = before_echo("--handshake-timeout 3600");
    for (count, header) in [(1, NAMED.to_vec()), (2, binary(b""))] {
        let mut tcp = connect(terminator.address);
        let hello = client_hello();
        tcp.write_all(&[header, hello].concat())
            .expect("it takes bytes");
        let mut answer = Vec::new();
        tcp.read_to_end(&mut answer).expect("FIN");
        assert!(answer.len() <= 7, "an alert at most: {answer:?}");
        terminator.wait_for_metric(&failures("tls"), count);
    }
}

#[test]
fn without_the_flag_the_upstream_gets_the_clients_bytes_alone() {
    let terminator = before_echo("--proxy-protocol-in any");
    let mut client = tls_in_pieces(connect(terminator.address), NAMED, whole);
    client.write_all(b"hello").expect("it takes bytes");
    let mut echo = [0; 5];
    client.read_exact(&mut echo).expect("the echo");
    assert_eq!(&echo, b"hello");
}
