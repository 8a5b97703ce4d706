//! Bytes between a client and a real upstream: all of them, in both directions, and their ends.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::mpsc;

use openssl::ssl::{ShutdownResult, SslStream};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::common::client::{connector, tls_connect};
use crate::common::files::Files;
use crate::common::upstream::{echo, nobody, serve};
use crate::common::{DEADLINE, Terminator};

const LARGE: usize = 8 * 1024 * 1024;

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

/// Ends our direction only.
fn send_close_notify(stream: &mut SslStream<TcpStream>) {
    assert_eq!(
        stream.shutdown().expect("close_notify is sent"),
        ShutdownResult::Sent
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_transfer_both_ways_at_once() {
    let terminator = Terminator::proxy(echo(), &Files::with_certificate("echo"), "");
    let sent = pattern(LARGE);
    let transfer = async {
        let tcp = tokio::net::TcpStream::connect(terminator.address)
            .await
            .expect("the port is open");
        let ssl = connector()
            .configure()
            .and_then(|c| c.into_ssl("localhost"))
            .expect("OpenSSL works");
        let mut stream = tokio_openssl::SslStream::new(ssl, tcp).expect("OpenSSL works");
        std::pin::Pin::new(&mut stream)
            .connect()
            .await
            .expect("the handshake succeeds");
        let (mut read, mut write) = tokio::io::split(stream);
        let received = tokio::spawn(async move {
            let mut received = Vec::new();
            read.read_to_end(&mut received)
                .await
                .expect("the stream ends with close_notify");
            received
        });
        write.write_all(&sent).await.expect("all is sent");
        write.shutdown().await.expect("close_notify is sent");
        received.await.expect("the reader ends")
    };
    let received = tokio::time::timeout(DEADLINE, transfer)
        .await
        .expect("the transfer ends");
    assert_same(&received, &sent);
    terminator.wait_for_metric("rekindle_connections_active", 0);
    for side in ["client", "upstream"] {
        assert_eq!(
            terminator.metric(&format!("rekindle_received_bytes_total{{side=\"{side}\"}}")),
            LARGE as u64
        );
        assert_eq!(
            terminator.metric(&format!(
                "rekindle_connections_broken_total{{side=\"{side}\"}}"
            )),
            0
        );
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
    stream.write_all(&sent).expect("all is sent");
    send_close_notify(&mut stream);
    let mut received = Vec::new();
    stream
        .read_to_end(&mut received)
        .expect("the answer ends with close_notify");
    received.reverse();
    assert_same(&received, &sent);
}

#[test]
fn the_upstream_ends_first_and_still_gets_the_rest() {
    let (sender, receiver) = mpsc::channel();
    let upstream = serve(move |mut tcp| {
        tcp.write_all(&pattern(LARGE))?;
        tcp.shutdown(Shutdown::Write)?;
        let mut received = Vec::new();
        tcp.read_to_end(&mut received)?;
        let _ = sender.send(received);
        Ok(())
    });
    let terminator = Terminator::proxy(upstream, &Files::with_certificate("half"), "");
    let mut stream = tls_connect(terminator.address);
    let mut received = Vec::new();
    stream
        .read_to_end(&mut received)
        .expect("the upstream's end arrives as close_notify");
    assert_same(&received, &pattern(LARGE));
    // Their direction has ended; ours has not.
    let rest = pattern(LARGE / 2);
    stream.write_all(&rest).expect("all is sent");
    let _ = stream.shutdown();
    assert_same(
        &receiver
            .recv_timeout(DEADLINE)
            .expect("the upstream gets it"),
        &rest,
    );
    terminator.wait_for_metric("rekindle_connections_active", 0);
}

#[test]
fn an_upstream_that_is_down_is_counted_and_the_client_told_goodbye() {
    let terminator = Terminator::proxy(nobody(), &Files::with_certificate("down"), "");
    let mut stream = tls_connect(terminator.address);
    // What the client has already sent must not turn the goodbye into a reset.
    stream
        .write_all(b"GET / HTTP/1.1\r\n\r\n")
        .expect("it is sent");
    let mut received = Vec::new();
    stream
        .read_to_end(&mut received)
        .expect("close_notify, not a broken connection");
    assert!(received.is_empty());
    terminator.wait_for_metric("rekindle_upstream_connect_failures_total", 1);
    drop(stream);
    terminator.wait_for_metric("rekindle_connections_active", 0);
}

#[test]
fn a_client_cut_off_without_close_notify_reaches_the_upstream_as_broken() {
    let (sender, receiver) = mpsc::channel();
    let upstream = serve(move |mut tcp| {
        let mut received = Vec::new();
        let outcome = tcp.read_to_end(&mut received).map_err(|error| error.kind());
        let _ = sender.send(outcome);
        Ok(())
    });
    let terminator = Terminator::proxy(upstream, &Files::with_certificate("cut"), "");
    let mut stream = tls_connect(terminator.address);
    stream
        .write_all(b"the first half of a long")
        .expect("it is sent");
    terminator.wait_for_metric(r#"rekindle_received_bytes_total{side="client"}"#, 24);
    stream
        .get_ref()
        .shutdown(Shutdown::Both)
        .expect("the socket is cut");
    let outcome = receiver
        .recv_timeout(DEADLINE)
        .expect("the upstream hears of it");
    assert_eq!(outcome, Err(ErrorKind::ConnectionReset));
    terminator.wait_for_metric(r#"rekindle_connections_broken_total{side="client"}"#, 1);
}

#[test]
fn an_upstream_that_breaks_reaches_the_client_as_broken() {
    let upstream = serve(|mut tcp| {
        tcp.write_all(b"the first half of a long")?;
        let mut request = [0; 4];
        tcp.read_exact(&mut request)?;
        socket2::SockRef::from(&tcp).set_linger(Some(std::time::Duration::ZERO))
    });
    let terminator = Terminator::proxy(upstream, &Files::with_certificate("cut"), "");
    let mut stream = tls_connect(terminator.address);
    let mut received = [0; 24];
    stream
        .read_exact(&mut received)
        .expect("the first half arrives");
    stream.write_all(b"more").expect("it is sent");
    let mut rest = Vec::new();
    stream
        .read_to_end(&mut rest)
        .expect_err("no close_notify for what is not complete");
    terminator.wait_for_metric(r#"rekindle_connections_broken_total{side="upstream"}"#, 1);
}

#[test]
fn sessions_resume_through_a_proxy_as_well() {
    let terminator = Terminator::proxy(echo(), &Files::with_certificate("echo"), "--threads 1");
    let printed = terminator.s_client("-tls1_2 -no_ticket -reconnect");
    printed.expect_reused([false, true, true, true, true, true]);
}
