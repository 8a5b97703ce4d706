//! Bytes between a client and a real upstream: all of them, in both directions, and their ends.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream, ToSocketAddrs};
use std::pin::Pin;
use std::sync::mpsc;
use std::time::Duration;

use openssl::ssl::ShutdownResult;
use rekindle_test_servers::{Files, echo, echo_on, eventually, free_address, serve, skipped};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::common::client::{connector, receive, receive_all, send, tls_connect};
use crate::common::{DEADLINE, Terminator};

const LARGE: usize = 8 * 1024 * 1024;
const HALF: &[u8; 24] = b"the first half of a long";

/// Bytes in which a lost, doubled or swapped block shows.
fn pattern(length: usize) -> Vec<u8> {
    (0..length as u64)
        .map(|i| (i.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 56) as u8)
        .collect()
}

fn assert_same(got: &[u8], expected: &[u8]) {
    assert_eq!(got.len(), expected.len());
    assert!(got == expected, "same length, other bytes");
}

fn received(side: &str) -> String {
    format!("rekindle_received_bytes_total{{side=\"{side}\"}}")
}

fn broken(side: &str) -> String {
    format!("rekindle_connections_broken_total{{side=\"{side}\"}}")
}

#[tokio::test]
async fn a_large_transfer_both_ways_at_once() {
    let terminator = Terminator::proxy(echo(), &Files::with_certificate("echo"), "");
    let sent = pattern(LARGE);
    let transfer = async {
        let tcp = tokio::net::TcpStream::connect(terminator.address).await;
        let ssl = connector().configure().unwrap().into_ssl("localhost");
        let stream = tokio_openssl::SslStream::new(ssl.unwrap(), tcp.unwrap());
        let mut stream = stream.expect("OpenSSL works");
        let handshake = Pin::new(&mut stream).connect().await;
        handshake.expect("the handshake succeeds");
        let (mut read, mut write) = tokio::io::split(stream);
        let received = tokio::spawn(async move {
            let mut received = Vec::new();
            let read = read.read_to_end(&mut received).await;
            read.expect("the stream ends with close_notify");
            received
        });
        write.write_all(&sent).await.expect("all is sent");
        write.shutdown().await.expect("close_notify is sent");
        received.await.expect("the reader ends")
    };
    let transfer = tokio::time::timeout(DEADLINE, transfer).await;
    assert_same(&transfer.expect("the transfer ends"), &sent);
    terminator.wait_for_metric("rekindle_connections_active", 0);
    for side in ["client", "upstream"] {
        assert_eq!(terminator.metric(&received(side)), LARGE as u64);
        assert_eq!(terminator.metric(&broken(side)), 0);
    }
}

#[test]
fn the_client_ends_first_and_still_gets_its_answer() {
    let upstream = serve(|mut tcp| {
        let mut received = Vec::new();
        tcp.read_to_end(&mut received)?;
        received.reverse();
        tcp.write_all(&received)
    });
    let terminator = Terminator::proxy(upstream, &Files::with_certificate("half"), "");
    let sent = pattern(LARGE);
    let mut stream = tls_connect(terminator.address);
    send(&mut stream, &sent);
    // Ends the client's direction only.
    let shutdown = stream.shutdown().expect("close_notify is sent");
    assert_eq!(shutdown, ShutdownResult::Sent);
    let mut received = receive_all(&mut stream).expect("the answer ends with close_notify");
    received.reverse();
    assert_same(&received, &sent);
}

#[test]
fn the_upstream_ends_first_and_still_gets_the_rest() {
    let (sender, receiver) = mpsc::channel();
    let upstream = serve(move |mut tcp: TcpStream| {
        tcp.write_all(&pattern(LARGE))?;
        tcp.shutdown(Shutdown::Write)?;
        let mut received = Vec::new();
        tcp.read_to_end(&mut received)?;
        let _ = sender.send(received);
        Ok(())
    });
    let terminator = Terminator::proxy(upstream, &Files::with_certificate("half"), "");
    let mut stream = tls_connect(terminator.address);
    let received = receive_all(&mut stream).expect("the upstream's end arrives as close_notify");
    assert_same(&received, &pattern(LARGE));
    // The upstream's direction has ended; the client's has not.
    let rest = pattern(LARGE / 2);
    send(&mut stream, &rest);
    let _ = stream.shutdown();
    let received = receiver.recv_timeout(DEADLINE);
    assert_same(&received.expect("the upstream gets it"), &rest);
    terminator.wait_for_metric("rekindle_connections_active", 0);
}

#[test]
fn an_upstream_that_is_down_is_counted_and_the_client_told_goodbye() {
    // Bound and dropped: no program listens there.
    let closed = free_address();
    let terminator = Terminator::proxy(closed, &Files::with_certificate("down"), "");
    let mut stream = tls_connect(terminator.address);
    // What the client has already sent must not turn the goodbye into a reset.
    send(&mut stream, b"GET / HTTP/1.1\r\n\r\n");
    let received = receive_all(&mut stream).expect("close_notify, not a broken connection");
    assert!(received.is_empty());
    let failed = format!("rekindle_upstream_connect_failures_total{{upstream=\"{closed}\"}}");
    terminator.wait_for_metric(&failed, 1);
    drop(stream);
    terminator.wait_for_metric("rekindle_connections_active", 0);
    let unreachable = format!("cannot connect to upstream {closed}");
    eventually("a warning", || terminator.warned(&unreachable) == 1);
    let reason = format!("{closed}: Connection refused");
    assert_eq!(terminator.warned(&reason), 1);
    for failures in 2..=4 {
        drop(tls_connect(terminator.address));
        terminator.wait_for_metric(&failed, failures);
    }
    assert_eq!(terminator.warned(&unreachable), 1, "it was down before");
}

#[test]
fn an_upstream_is_reached_at_any_address_of_its_name() {
    let files = Files::with_certificate("name");
    let addresses = ("localhost", 0).to_socket_addrs();
    let addresses: Vec<_> = addresses.expect("localhost has an address").collect();
    if addresses.len() == 1 {
        let only = addresses[0].ip();
        skipped(&format!("localhost has no address but {only}"));
    }
    for only in addresses {
        let port = echo_on(only.ip()).port();
        let terminator = Terminator::proxy(format!("localhost:{port}"), &files, "");
        let mut stream = tls_connect(terminator.address);
        send(&mut stream, HALF);
        assert_eq!(&receive(&mut stream), HALF, "{only}");
    }
}

#[test]
fn an_upstream_whose_name_is_unknown_is_a_warning() {
    let files = Files::with_certificate("name");
    let terminator = Terminator::proxy("rekindle.invalid:80", &files, "");
    let received = receive_all(&mut tls_connect(terminator.address));
    assert!(received.expect("close_notify").is_empty());
    terminator.wait_for_metric("rekindle_connections_without_upstream_total", 1);
    let unknown = "cannot connect to upstream rekindle.invalid:80";
    eventually("a warning", || terminator.warned(unknown) == 1);
}

#[test]
fn a_client_cut_off_without_close_notify_reaches_the_upstream_as_broken() {
    let (sender, receiver) = mpsc::channel();
    let upstream = serve(move |mut tcp| {
        let outcome = tcp.read_to_end(&mut Vec::new());
        let _ = sender.send(outcome.map_err(|error| error.kind()));
        Ok(())
    });
    let terminator = Terminator::proxy(upstream, &Files::with_certificate("cut"), "");
    let mut stream = tls_connect(terminator.address);
    send(&mut stream, HALF);
    terminator.wait_for_metric(&received("client"), HALF.len() as u64);
    let cut = stream.get_ref().shutdown(Shutdown::Both);
    cut.expect("the socket is cut");
    let outcome = receiver.recv_timeout(DEADLINE);
    let outcome = outcome.expect("the upstream hears of it");
    assert_eq!(outcome, Err(ErrorKind::ConnectionReset));
    terminator.wait_for_metric(&broken("client"), 1);
}

#[test]
fn an_upstream_that_breaks_reaches_the_client_as_broken() {
    let upstream = serve(|mut tcp| {
        tcp.write_all(HALF)?;
        tcp.read_exact(&mut [0; 4])?;
        socket2::SockRef::from(&tcp).set_linger(Some(Duration::ZERO))
    });
    let terminator = Terminator::proxy(upstream, &Files::with_certificate("cut"), "");
    let mut stream = tls_connect(terminator.address);
    assert_eq!(&receive(&mut stream), HALF);
    send(&mut stream, b"more");
    receive_all(&mut stream).expect_err("no close_notify for what is not complete");
    terminator.wait_for_metric(&broken("upstream"), 1);
}

#[test]
fn sessions_resume_through_a_proxy_as_well() {
    let files = Files::with_certificate("echo");
    let terminator = Terminator::proxy(echo(), &files, "--threads 1");
    let printed = terminator.s_client("-tls1_2 -no_ticket -reconnect");
    printed.expect_reused([false, true, true, true, true, true]);
}
