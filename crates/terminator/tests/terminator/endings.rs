//! How connections end: idle ones, half-closed ones, and those whose other side breaks off.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use openssl::ssl::ShutdownResult;
use rekindle_test_servers::{Files, Signal, eventually, serve};
use socket2::{Domain, SockRef, Socket, Type};

use crate::common::client::{Tls, connector, receive, receive_all, send, tls_connect};
use crate::common::wire::{End, receive_to_end, wait_until_acknowledged};
use crate::common::{DEADLINE, Terminator};

const TIMED_OUT: &str = "rekindle_connections_timed_out_total";
const BROKEN_UPSTREAMS: &str = "rekindle_connections_broken_total{side=\"upstream\"}";

/// The pace of a slow peer, which is no slower than a quarter of the timeouts here.
const BEAT: Duration = Duration::from_millis(500);
const BEATS: usize = 8;

fn before(upstream: SocketAddr, words: &str) -> Terminator {
    Terminator::proxy(upstream, &Files::with_certificate("endings"), words)
}

/// How an upstream's connection ended, with the bytes that it got.
type Ends = Receiver<Result<usize, ErrorKind>>;

/// An upstream that begins as `begin` says, and then reads to the end.
fn reads<F>(begin: F) -> (SocketAddr, Ends)
where
    F: Fn(&mut TcpStream) -> io::Result<()> + Clone + Send + 'static,
{
    let (sender, ends) = mpsc::channel();
    let upstream = serve(move |mut tcp| {
        begin(&mut tcp)?;
        let read = tcp.read_to_end(&mut Vec::new());
        let _ = sender.send(read.map_err(|error| error.kind()));
        Ok(())
    });
    (upstream, ends)
}

#[test]
fn silent_clients_of_an_upstream_that_has_ended_are_closed() {
    let upstream = serve(|mut tcp| tcp.write_all(b"bye"));
    let terminator = before(upstream, "--half-close-timeout 1");
    let base = terminator.open_files();
    let mut clients: Vec<Tls> = (0..50).map(|_| tls_connect(terminator.address)).collect();
    for client in &mut clients {
        assert_eq!(receive_to_end(client), (b"bye".into(), End::CloseNotify));
    }
    eventually("no descriptor of theirs", || {
        terminator.open_files() == base
    });
    assert_eq!(terminator.metric(TIMED_OUT), 50);
    assert_eq!(terminator.metric("rekindle_connections_active"), 0);
}

#[test]
fn a_half_closed_connection_on_which_bytes_move_goes_on() {
    let (upstream, ends) = reads(|tcp| {
        tcp.write_all(b"bye")?;
        tcp.shutdown(Shutdown::Write)
    });
    let terminator = before(upstream, "--half-close-timeout 2");
    let mut client = tls_connect(terminator.address);
    assert_eq!(receive_all(&mut client).expect("close_notify"), b"bye");
    for _ in 0..BEATS {
        send(&mut client, b"x");
        thread::sleep(BEAT);
    }
    assert_eq!(client.shutdown().unwrap(), ShutdownResult::Received);
    assert_eq!(ends.recv_timeout(DEADLINE), Ok(Ok(BEATS)));
    assert_eq!(terminator.metric(TIMED_OUT), 0);
}

#[test]
fn a_connection_on_which_nothing_moves_ends_on_both_sides() {
    let (upstream, ends) = reads(|_| Ok(()));
    let terminator = before(upstream, "--idle-timeout 1");
    let mut client = tls_connect(terminator.address);
    assert_eq!(receive_to_end(&mut client), (vec![], End::Fin));
    let ended = ends.recv_timeout(DEADLINE);
    assert_eq!(ended, Ok(Err(ErrorKind::ConnectionReset)));
    terminator.wait_for_metric(TIMED_OUT, 1);
}

#[test]
fn a_connection_on_which_a_byte_moves_now_and_then_is_not_idle() {
    let (upstream, ends) = reads(|tcp| {
        let mut direction = [0];
        tcp.read_exact(&mut direction)?;
        for _ in 0..BEATS {
            if direction == *b"d" {
                tcp.write_all(b"x")?;
                thread::sleep(BEAT);
            }
        }
        Ok(())
    });
    let terminator = before(upstream, "--idle-timeout 2");
    let [mut up, mut down] = [(); 2].map(|()| tls_connect(terminator.address));
    send(&mut down, b"d");
    send(&mut up, b"u");
    for _ in 0..BEATS {
        send(&mut up, b"x");
        assert_eq!(receive(&mut down), *b"x");
        thread::sleep(BEAT);
    }
    for client in [&mut up, &mut down] {
        client.shutdown().expect("close_notify is sent");
    }
    let mut ends = [(); 2].map(|()| ends.recv_timeout(DEADLINE).expect("an end"));
    ends.sort();
    assert_eq!(ends, [Ok(0), Ok(BEATS)]);
    assert_eq!(terminator.metric(TIMED_OUT), 0);
}

/// A connection of which the client's kernel buffers little.
fn connect_with_a_small_window(address: SocketAddr) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    socket.set_recv_buffer_size(64 << 10).expect("a size");
    socket.connect(&address.into()).expect("the port is open");
    socket.set_read_timeout(Some(DEADLINE)).expect("a timeout");
    socket.into()
}

#[test]
fn a_client_that_reads_slowly_is_not_idle() {
    const ANSWER: usize = 16 << 20;
    const READ: usize = 128 << 10;
    let upstream = serve(|mut tcp| tcp.write_all(&vec![b'x'; ANSWER]));
    let terminator = before(upstream, "--idle-timeout 2");
    let tcp = connect_with_a_small_window(terminator.address);
    let mut client = connector().connect("localhost", tcp).expect("a handshake");
    let start = Instant::now();
    let mut part = vec![0; READ];
    for _ in 0..ANSWER / READ {
        client.read_exact(&mut part).expect("bytes arrive");
        thread::sleep(BEAT / 10);
    }
    assert!(start.elapsed() > Duration::from_secs(4), "no slow client");
    assert_eq!(receive_to_end(&mut client), (vec![], End::CloseNotify));
    assert_eq!(terminator.metric(TIMED_OUT), 0);
}

/// An upstream that answers a request of [`REQUEST`] bytes and resets when the answer has arrived.
fn answers_and_resets(answer: Vec<u8>, leaves_unread: bool) -> SocketAddr {
    serve(move |mut tcp| {
        tcp.read_exact(&mut [0])?;
        tcp.write_all(&answer)?;
        wait_until_acknowledged(&tcp);
        if !leaves_unread {
            // With unread bytes in it, a socket that is closed resets by itself.
            tcp.read_exact(&mut [0; REQUEST - 1])?;
            SockRef::from(&tcp).set_linger(Some(Duration::ZERO))?;
        }
        Ok(())
    })
}

const REQUEST: usize = 1_000;

#[test]
fn an_answer_is_delivered_although_the_upstream_then_resets() {
    for length in [5, 1 << 20] {
        let answer: Vec<u8> = (0..length).map(|at: u32| (at % 251) as u8).collect();
        for leaves_unread in [false, true] {
            let upstream = answers_and_resets(answer.clone(), leaves_unread);
            let terminator = before(upstream, "");
            for _ in 0..9 {
                let mut client = tls_connect(terminator.address);
                send(&mut client, &[b'x'; REQUEST]);
                let (received, end) = receive_to_end(&mut client);
                // It might be cut short, so it must not look complete.
                assert_eq!((received.len(), end), (answer.len(), End::Fin));
                assert!(received == answer, "same length, other bytes");
            }
            terminator.wait_for_metric(BROKEN_UPSTREAMS, 9);
        }
    }
}

/// When the stopped terminator goes on, it finds the end of the upstream, which takes no more, and
/// before it an answer.
#[test]
fn an_answer_is_delivered_although_the_client_still_sends() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let terminator = before(listener.local_addr().expect("it is bound"), "");
    let answer = [b'x'; 32 << 10];
    for _ in 0..9 {
        let mut client = tls_connect(terminator.address);
        send(&mut client, b"one");
        let (mut upstream, _) = listener.accept().expect("the terminator connects");
        upstream.read_exact(&mut [0; 3]).expect("the request");
        terminator.signal(Signal::STOP);
        upstream.write_all(&answer).expect("there is room for it");
        wait_until_acknowledged(&upstream);
        let reset = SockRef::from(&upstream).set_linger(Some(Duration::ZERO));
        reset.expect("the close is a reset");
        drop(upstream);
        send(&mut client, b"more");
        terminator.signal(Signal::CONT);
        let (received, end) = receive_to_end(&mut client);
        assert_eq!((received.len(), end), (answer.len(), End::Fin));
    }
}

/// How a client can break off, and keep its socket.
fn breaks_off(mut client: Tls, how: &str) -> Tls {
    let tcp = client.get_mut();
    let broken = match how {
        "FIN without close_notify" => tcp.shutdown(Shutdown::Write),
        // A record that no key has made.
        "a fault of TLS" => tcp.write_all(&[&[23, 3, 3, 0, 64][..], &[7; 64]].concat()),
        other => panic!("no way to break off: {other}"),
    };
    broken.expect("the connection takes it");
    client
}

#[test]
fn a_client_that_breaks_off_resets_the_upstream_at_once() {
    // As long as the terminator may wait for the client's end.
    const LINGER: Duration = Duration::from_secs(2);
    let (upstream, ends) = reads(|tcp| tcp.read_exact(&mut [0; 3]));
    let terminator = before(upstream, "");
    for how in ["FIN without close_notify", "a fault of TLS"] {
        let mut client = tls_connect(terminator.address);
        send(&mut client, b"one");
        terminator.wait_for_metric("rekindle_connections_active", 1);
        let start = Instant::now();
        let client = breaks_off(client, how);
        let ended = ends.recv_timeout(DEADLINE);
        assert!(start.elapsed() < LINGER, "{how}: {:?}", start.elapsed());
        assert_eq!(ended, Ok(Err(ErrorKind::ConnectionReset)), "{how}");
        drop(client);
        terminator.wait_for_metric("rekindle_connections_active", 0);
    }
}
