//! SIGTERM and SIGINT: open connections finish, new ones are refused.

use std::net::TcpStream;

use rekindle_test_servers::{Files, echo};
use rustix::process::Signal;

use crate::common::client::{Tls, connector, receive, receive_all, send, tls_connect};
use crate::common::{Terminator, connect, eventually};

fn proxy(words: &str) -> Terminator {
    Terminator::proxy(echo(), &Files::with_certificate("drain"), words)
}

/// Sends and gets back a megabyte.
fn transfer(stream: &mut Tls) {
    let chunk = [7; 16 * 1024];
    for _ in 0..64 {
        send(stream, &chunk);
        assert_eq!(receive(stream), chunk);
    }
}

fn assert_draining(terminator: &Terminator) {
    terminator.wait_for_log("draining");
    eventually("refused connections", || {
        TcpStream::connect(terminator.address).is_err()
    });
    let (status, body) = terminator.admin("/healthz");
    assert!(status.contains("503"), "{status}");
    assert_eq!(body, "draining\n");
}

#[test]
fn an_open_connection_finishes_its_transfer() {
    for signal in [Signal::TERM, Signal::INT] {
        let terminator = proxy("");
        let mut stream = tls_connect(terminator.address);
        transfer(&mut stream);
        terminator.signal(signal);
        assert_draining(&terminator);
        transfer(&mut stream);
        stream.shutdown().expect("close_notify is sent");
        receive_all(&mut stream).expect("the connection ends with close_notify");
        assert_eq!(terminator.wait_for_exit().code(), Some(0));
    }
}

#[test]
fn without_connections_the_drain_is_over_at_once() {
    let terminator = proxy("--drain-timeout 86400");
    terminator.signal(Signal::TERM);
    assert_eq!(terminator.wait_for_exit().code(), Some(0));
}

#[test]
fn what_is_left_when_the_time_is_over_is_cut() {
    let terminator = proxy("--drain-timeout 1");
    let mut stream = tls_connect(terminator.address);
    transfer(&mut stream);
    terminator.signal(Signal::TERM);
    receive_all(&mut stream).expect_err("cut off, and not ended as if complete");
    assert_eq!(terminator.wait_for_exit().code(), Some(0));
}

#[test]
fn a_second_interrupt_ends_the_drain() {
    let terminator = proxy("--drain-timeout 86400");
    let mut stream = tls_connect(terminator.address);
    transfer(&mut stream);
    terminator.signal(Signal::INT);
    assert_draining(&terminator);
    terminator.signal(Signal::INT);
    assert_eq!(terminator.wait_for_exit().code(), Some(130));
}

#[test]
fn the_demo_closes_idle_connections_politely() {
    let terminator = Terminator::demo("--drain-timeout 86400");
    let mut stream = tls_connect(terminator.address);
    send(&mut stream, b"GET / HTTP/1.1\r\nHost: demo\r\n\r\n");
    assert_eq!(&receive(&mut stream), b"HTTP/1.1 200");
    terminator.signal(Signal::TERM);
    receive_all(&mut stream).expect("the connection ends with close_notify");
    assert_eq!(terminator.wait_for_exit().code(), Some(0));
}

/// They were once reset with the listener.
#[test]
fn connections_that_wait_to_be_accepted_are_served() {
    let terminator = proxy("--threads 1 --handshake-timeout 60");
    terminator.signal(Signal::STOP);
    let mut waiting: Vec<_> = (0..600).map(|_| connect(terminator.address)).collect();
    terminator.signal(Signal::TERM);
    terminator.signal(Signal::CONT);
    // More than a worker accepts before it hears of the signal: the last ones tell.
    for tcp in waiting.split_off(590) {
        let stream = connector().connect("localhost", tcp);
        let mut stream = stream.expect("the handshake succeeds");
        send(&mut stream, b"echo");
        assert_eq!(&receive(&mut stream), b"echo");
    }
    drop(waiting);
    assert_eq!(terminator.wait_for_exit().code(), Some(0));
}
