//! The listening sockets: several addresses, a queue for each, and one socket for each worker.

use std::fs;
use std::io::Write;
use std::net::{Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use rekindle_test_servers::{Files, Process, Signal, echo, free_address, serve, skipped};

use crate::common::client::{connector, receive, receive_all, send, tls_connect};
use crate::common::{BINARY, Terminator, connect};

const ACCEPTED: &str = "rekindle_connections_accepted_total";

/// A terminator before an echo that listens where the words say.
fn command(files: &Files, words: &str) -> Command {
    let (upstream, cert, key) = (echo(), files.cert(), files.key());
    let others = format!("--upstream {upstream} --cert {cert} --key {key} --admin 127.0.0.1:0");
    let mut command = Command::new(BINARY);
    command.args(words.split_whitespace());
    command.args(others.split(' '));
    command
}

fn listening(words: &str) -> Terminator {
    Terminator::spawn(command(&Files::with_certificate("listeners"), words))
}

#[track_caller]
fn is_served(tcp: TcpStream) {
    let mut client = connector().connect("localhost", tcp).expect("a handshake");
    send(&mut client, b"hello");
    assert_eq!(receive(&mut client), *b"hello");
}

#[test]
fn all_addresses_are_listened_on_by_ipv4_and_ipv6() {
    let second = free_address();
    let mut words = format!("--listen 127.0.0.1:0 --listen {second}");
    let mut others = vec![second];
    match TcpListener::bind((Ipv6Addr::LOCALHOST, 0)) {
        Ok(_) => {
            // The same port, at another address.
            let third = SocketAddr::from((Ipv6Addr::LOCALHOST, second.port()));
            words += &format!(" --listen {third}");
            others.push(third);
        }
        Err(error) => skipped(&format!("no IPv6 on loopback: {error}")),
    }
    let terminator = listening(&format!("{words} --threads 2"));
    others.push(terminator.address);
    for address in others {
        terminator.wait_for_log(&format!("listening on {address}"));
        for _ in 0..8 {
            is_served(connect(address));
        }
    }
}

/// A stopped process accepts nothing: what it gets later, its queue has kept.
#[test]
fn a_burst_of_connects_loses_none() {
    const BURST: u64 = 1_000;
    let limit = fs::read_to_string("/proc/sys/net/core/somaxconn").expect("Linux");
    if limit.trim().parse().is_ok_and(|limit: u64| limit < BURST) {
        return skipped(&format!("net.core.somaxconn is {limit}"));
    }
    let terminator = listening("--listen 127.0.0.1:0 --threads 1 --handshake-timeout 600");
    terminator.signal(Signal::STOP);
    // Less than the second after which the kernel tries again to enter a queue that was full.
    let patience = Duration::from_millis(900);
    let connect = |_| TcpStream::connect_timeout(&terminator.address, patience);
    let burst: Vec<TcpStream> = (0..BURST)
        .map(connect)
        .collect::<Result<_, _>>()
        .expect("the queue takes each");
    terminator.signal(Signal::CONT);
    terminator.wait_for_metric(ACCEPTED, BURST);
    for tcp in burst.into_iter().step_by(50) {
        is_served(tcp);
    }
}

#[test]
fn a_second_terminator_on_the_same_port_does_not_start() {
    for threads in [1, 4] {
        let files = Files::with_certificate("second");
        let words = format!("--threads {threads}");
        let first = Terminator::proxy(echo(), &files, &words);
        let words = format!("{words} --listen {}", first.address);
        let second = Process::spawn(&mut command(&files, &words), Stdio::null());
        let (status, printed) = second.wait_for_end();
        assert_eq!(status.code(), Some(1), "{printed}");
        let reason = format!("cannot listen on {} (--listen)", first.address);
        assert!(printed.contains(&reason), "{printed}");
        assert!(printed.contains("in use"), "{printed}");
        is_served(connect(first.address));
    }
}

/// Sockets of IPv4 that listen on a port.
fn sockets_on(port: u16) -> usize {
    const LISTEN: &str = "0A";
    let local = format!("0100007F:{port:04X}");
    let table = fs::read_to_string("/proc/net/tcp").expect("Linux");
    let rows = table.lines().map(|row| row.split_whitespace());
    rows.filter(|row| {
        let mut row = row.clone();
        row.nth(1) == Some(&local) && row.nth(1) == Some(LISTEN)
    })
    .count()
}

/// The kernel divides connections among the workers' sockets. A worker that did not accept would
/// leave a fourth of them waiting.
#[test]
fn the_listener_of_each_worker_accepts() {
    const CLIENTS: u64 = 200;
    let terminator = listening("--listen 127.0.0.1:0 --threads 4 --handshake-timeout 600");
    assert_eq!(sockets_on(terminator.address.port()), 4);
    let clients: Vec<_> = (0..CLIENTS).map(|_| connect(terminator.address)).collect();
    terminator.wait_for_metric(ACCEPTED, CLIENTS);
    let mut clients = clients.into_iter();
    thread::scope(|scope| {
        for _ in 0..8 {
            let some: Vec<_> = clients.by_ref().take(25).collect();
            scope.spawn(|| some.into_iter().for_each(is_served));
        }
    });
    assert!(clients.next().is_none());
}

#[test]
fn a_restart_on_the_same_port_works_at_once() {
    let files = Files::with_certificate("restart");
    // It ends first, so the connection's end lingers on the terminator's side (TIME_WAIT).
    let upstream = serve(|mut tcp| tcp.write_all(b"bye"));
    let (cert, key) = (files.cert(), files.key());
    let mut address = SocketAddr::from(([127, 0, 0, 1], 0));
    for threads in [1, 4, 4] {
        let words = format!(
            "--listen {address} --upstream {upstream} --cert {cert} --key {key} \
             --admin 127.0.0.1:0 --threads {threads}"
        );
        let mut command = Command::new(BINARY);
        command.args(words.split(' '));
        let terminator = Terminator::spawn(command);
        address = terminator.address;
        let mut client = tls_connect(address);
        assert_eq!(receive_all(&mut client).expect("close_notify"), b"bye");
        // One connection is there when it ends.
        terminator.signal(Signal::TERM);
        drop(client);
        assert!(terminator.wait_for_exit().success());
    }
}
