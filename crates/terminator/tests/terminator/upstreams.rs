//! Several upstreams: which one a connection reaches, and what is told of one that is down.

use std::io::Write;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::UnixListener;
use std::thread;

use rekindle_test_servers::{Files, eventually, free_address, serve};

use crate::common::Terminator;
use crate::common::client::{receive_all, tls_connect};
use crate::common::ran::run;

/// An upstream that says its name and ends.
fn named(name: &'static str) -> SocketAddr {
    serve(move |mut tcp| tcp.write_all(name.as_bytes()))
}

fn named_at(listener: TcpListener, name: &'static str) {
    thread::spawn(move || {
        for mut tcp in listener.incoming().map_while(Result::ok) {
            let _ = tcp.write_all(name.as_bytes());
        }
    });
}

/// A terminator before upstreams that end by themselves.
fn before<const N: usize>(upstreams: [&str; N], files: &Files) -> Terminator {
    let first = upstreams[0];
    let others = upstreams[1..].iter();
    let words: String = others.map(|other| format!("--upstream {other} ")).collect();
    Terminator::proxy(first, files, &words)
}

/// The name that the upstream of one connection says.
#[track_caller]
fn visit(terminator: &Terminator) -> String {
    let received = receive_all(&mut tls_connect(terminator.address));
    String::from_utf8(received.expect("close_notify")).expect("a name")
}

fn series(name: &str, upstream: &str) -> String {
    format!("rekindle_upstream_{name}{{upstream=\"{upstream}\"}}")
}

#[test]
fn several_upstreams_take_turns_over_tcp_and_unix_sockets() {
    let files = Files::with_certificate("turns");
    let path = files.text("upstream.sock");
    let listener = UnixListener::bind(&path).expect("a free path");
    thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let _ = stream.write_all(b"unix");
        }
    });
    let (tcp, unix) = (named("tcp").to_string(), format!("unix:{path}"));
    let terminator = before([&tcp, &unix], &files);
    let names = [(); 6].map(|()| visit(&terminator));
    assert_eq!(names, ["tcp", "unix", "tcp", "unix", "tcp", "unix"]);
    for upstream in [tcp, unix] {
        assert_eq!(terminator.metric(&series("up", &upstream)), 1);
        let failures = series("connect_failures_total", &upstream);
        assert_eq!(terminator.metric(&failures), 0);
    }
}

#[test]
fn no_client_notices_an_upstream_that_goes_down_and_comes_back() {
    let files = Files::with_certificate("back");
    let sick = free_address();
    let well = named("well").to_string();
    let terminator = before([&sick.to_string(), &well], &files);
    let up = series("up", &sick.to_string());
    assert_eq!(terminator.metric(&up), 1);
    for _ in 0..8 {
        assert_eq!(visit(&terminator), "well");
    }
    assert_eq!(terminator.metric(&up), 0);
    let down = format!("cannot connect to upstream {sick}: Connection refused");
    eventually("a warning", || terminator.warned(&down) == 1);

    named_at(TcpListener::bind(sick).expect("a free port"), "sick");
    eventually("a trial", || visit(&terminator) == "sick");
    assert_eq!(terminator.metric(&up), 1);
    terminator.wait_for_log(&format!("upstream {sick} is back"));
    let names = [visit(&terminator), visit(&terminator)];
    assert!(names.contains(&"sick".into()) && names.contains(&"well".into()));
    let without = "rekindle_connections_without_upstream_total";
    assert_eq!(terminator.metric(without), 0);
    assert_eq!(terminator.warned(&down), 1);
}

#[test]
fn if_all_upstreams_are_down_the_client_is_told_goodbye() {
    let files = Files::with_certificate("down");
    let missing = format!("unix:{}", files.text("missing.sock"));
    let closed = free_address().to_string();
    let terminator = before([&missing, &closed], &files);
    for visits in 1..=3 {
        assert_eq!(visit(&terminator), "");
        terminator.wait_for_metric("rekindle_connections_without_upstream_total", visits);
        for upstream in [&missing, &closed] {
            let failures = series("connect_failures_total", upstream);
            assert_eq!(terminator.metric(&failures), visits);
        }
    }
}

#[test]
fn an_address_that_is_none_is_refused() {
    for (address, part) in [
        ("unix:", "expected a path"),
        ("/upstream.sock", "expected HOST:PORT"),
        ("localhost:port", "`port` is no port"),
    ] {
        let words = format!("--listen 127.0.0.1:0 --cert none --key none --upstream {address}");
        run(&words).refused(2, &[part]);
    }
}
