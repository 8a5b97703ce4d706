//! Clients that have not finished their first message, or never will.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use rekindle_test_servers::{Files, echo};

use crate::common::wire::{Pieces, byte_by_byte, client_hello, tls_in_pieces, two_records};
use crate::common::{Terminator, connect};

const TIMEOUTS: &str = "rekindle_handshake_failures_total{reason=\"timeout\"}";
const ACTIVE: &str = "rekindle_connections_active";
const CROWD: u64 = 500;
/// Bytes of memory that such a client may cost the terminator, the kernel's share not counted.
const MOST: u64 = 8 * 1024;
/// The allocators take memory from the kernel in pages of this size.
const HUGE_PAGE: u64 = 2 << 20;

fn terminator(words: &str) -> Terminator {
    Terminator::proxy(echo(), &Files::with_certificate("half-open"), words)
}

/// Connects many clients that send `bytes` and no more.
#[track_caller]
fn crowd(terminator: &Terminator, bytes: &[u8]) -> Vec<TcpStream> {
    let others = terminator.metric(ACTIVE);
    let client = |_| {
        let mut tcp = connect(terminator.address);
        tcp.write_all(bytes).expect("the connection takes it");
        tcp
    };
    let clients = (0..CROWD).map(client).collect();
    terminator.wait_for_metric(ACTIVE, others + CROWD);
    clients
}

#[test]
fn clients_that_say_nothing_or_half_a_hello_cost_little_and_are_closed() {
    let terminator = terminator("--handshake-timeout 8");
    let before = terminator.memory();
    let hello = client_hello();
    let silent = crowd(&terminator, b"");
    let halves = crowd(&terminator, &hello[..hello.len() / 2]);
    let grown = terminator.memory().saturating_sub(before);
    assert!(grown < 2 * CROWD * MOST + HUGE_PAGE, "{grown} bytes");
    for mut tcp in silent.into_iter().chain(halves) {
        assert_eq!(tcp.read(&mut [0]).expect("FIN"), 0);
    }
    terminator.wait_for_metric(TIMEOUTS, 2 * CROWD);
    assert_eq!(terminator.metric(ACTIVE), 0);
}

#[test]
fn a_client_that_sends_byte_by_byte_has_no_more_time_than_others() {
    let terminator = terminator("--handshake-timeout 1");
    let mut tcp = connect(terminator.address);
    tcp.set_nodelay(true).expect("each write is a segment");
    // Each read that nothing answers is the pause before the next byte.
    let pause = Duration::from_millis(50);
    tcp.set_read_timeout(Some(pause)).expect("a timeout");
    let header = [22, 3, 1, 0x3f, 0xff];
    let bytes = header.into_iter().chain([1; 0x3fff]);
    let mut sent = 0;
    for byte in bytes {
        if tcp.write_all(&[byte]).is_err() {
            break;
        }
        sent += 1;
        match tcp.read(&mut [0]) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Ok(0) | Err(_) => break,
            Ok(_) => panic!("there is nothing to answer"),
        }
    }
    // A hundred pauses take five seconds at least.
    assert!((5..100).contains(&sent), "{sent} bytes");
    terminator.wait_for_metric(TIMEOUTS, 1);
}

#[test]
fn a_hello_in_two_records_or_many_segments_is_a_hello() {
    let terminator = terminator("");
    for pieces in [two_records as Pieces, byte_by_byte] {
        let mut client = tls_in_pieces(connect(terminator.address), b"", pieces);
        client.write_all(b"hello").expect("it takes bytes");
        let mut echo = [0; 5];
        client.read_exact(&mut echo).expect("the echo");
        assert_eq!(&echo, b"hello");
    }
}
