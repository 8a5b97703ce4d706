//! Clients that are slow, too many, or not TLS at all.

use std::io::{Read, Write};
use std::net::TcpStream;

use openssl::rand::rand_bytes;
use rekindle_test_servers::{Files, echo};

use crate::common::client::{connector, tls_connect};
use crate::common::{Terminator, connect, eventually};

fn failures(reason: &str) -> String {
    format!("rekindle_handshake_failures_total{{reason=\"{reason}\"}}")
}

/// Whether the server hung up, with or without an error.
fn is_closed(tcp: &mut TcpStream) -> bool {
    !matches!(tcp.read(&mut [0; 1024]), Ok(1..))
}

#[test]
fn a_silent_client_is_closed_after_the_handshake_timeout() {
    let terminator = Terminator::demo("--handshake-timeout 1");
    let mut silent = connect(terminator.address);
    assert!(is_closed(&mut silent));
    terminator.wait_for_metric(&failures("timeout"), 1);
    terminator.wait_for_metric("rekindle_connections_active", 0);
}

#[test]
fn connections_above_the_limit_are_refused_and_counted() {
    let terminator = Terminator::demo("--max-connections 1");
    let first = tls_connect(terminator.address);
    for refused in 1..=5 {
        assert!(is_closed(&mut connect(terminator.address)));
        terminator.wait_for_metric("rekindle_connections_refused_total", refused);
    }
    let reached = "--max-connections is reached";
    eventually("a line for each", || terminator.logged(reached) == 5);
    assert_eq!(terminator.warned(reached), 1, "one in ten seconds");
    assert_eq!(terminator.metric("rekindle_connections_active"), 1);
    drop(first);
    eventually("a free slot", || {
        connector()
            .connect("localhost", connect(terminator.address))
            .is_ok()
    });
}

#[test]
fn what_is_not_tls_is_counted_and_harms_no_other_client() {
    let terminator = Terminator::demo("");
    let mut plain = connect(terminator.address);
    plain.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    eventually("the end of it", || is_closed(&mut plain));
    terminator.wait_for_metric(&failures("tls"), 1);

    drop(connect(terminator.address));
    terminator.wait_for_metric(&failures("closed"), 1);

    // A TLS record header, and after it anything.
    for length in [1, 5, 100, 16_000] {
        let mut noise = vec![0; length];
        rand_bytes(&mut noise).expect("randomness");
        let header = [22, 3, 1, (length >> 8) as u8, length as u8];
        let mut tcp = connect(terminator.address);
        let _ = tcp.write_all(&[&header, &noise[..]].concat());
        let _ = tcp.shutdown(std::net::Shutdown::Write);
        eventually("the end of it", || is_closed(&mut tcp));
    }
    // TLS 1.1 is over.
    let printed = terminator.s_client("-tls1_1 -cipher DEFAULT@SECLEVEL=0");
    let alert = "alert protocol version";
    assert!(printed.0.contains(alert), "{}", printed.0);

    terminator.s_client("-tls1_2").expect_reused([false]);
    assert_eq!(terminator.logged("panicked"), 0);
}

#[test]
fn the_demo_takes_any_bytes_inside_tls() {
    let terminator = Terminator::demo("");
    let requests: [&[u8]; 5] = [
        b"\r\n\r\n\r\n\r\n",
        b"\x00\xff\xfe garbage\r\n\r\n",
        b"GET / HTTP/1.1\r\nAccept: \xff\xff\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 99999999999999999999999\r\n\r\n",
        b"GET http://[::::]:99999999/ HTTP/1.1\r\n\r\n",
    ];
    for request in requests {
        let mut stream = tls_connect(terminator.address);
        let _ = stream.write_all(request);
        let _ = stream.shutdown();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
    }
    terminator.wait_for_metric("rekindle_connections_active", 0);
    assert_eq!(terminator.logged("panicked"), 0);
    terminator.s_client("-tls1_2").expect_reused([false]);
}

/// The number of connections is bounded so that this does not happen, unless the limit is lowered
/// while the terminator runs.
#[test]
fn out_of_files_accepting_pauses_and_recovers() {
    let files = Files::with_certificate("files");
    let terminator = Terminator::proxy(echo(), &files, "");
    terminator.limit_open_files(terminator.open_files());
    // The kernel completes these connections, whether the terminator accepts them or not.
    let crowd: Vec<TcpStream> = (0..64).map(|_| connect(terminator.address)).collect();
    terminator.wait_for_log("cannot accept connections");
    terminator.wait_for_log("pause_ms=160");
    // It doubles its pause each time, so it cannot have tried more often than this.
    assert!(terminator.logged("cannot accept connections") < 40);
    assert_eq!(terminator.warned("cannot accept connections"), 1);
    drop(crowd);
    terminator.limit_open_files(1024);
    eventually("accepting again", || {
        TcpStream::connect(terminator.address)
            .is_ok_and(|tcp| connector().connect("localhost", tcp).is_ok())
    });
}
