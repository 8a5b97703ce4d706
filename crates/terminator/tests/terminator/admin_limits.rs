//! The admin address under attack: idle and slow clients, and no descriptors left.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::time::{Duration, Instant};

use rekindle_test_servers::{Files, echo};

use crate::common::client::connector;
use crate::common::{BINARY, Terminator, connect, eventually};

/// Longer than a loaded machine needs, shorter than clients may be idle.
const BOUND: Duration = Duration::from_secs(15);
const OK: &str = "HTTP/1.1 200 OK";

fn assert_healthy(terminator: &Terminator) {
    let start = Instant::now();
    assert_eq!(terminator.admin("/healthz").0, OK);
    assert!(start.elapsed() < BOUND, "it had to wait");
}

fn request(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n")
}

/// The head and the body of the next answer on a connection.
fn next_answer(tcp: &mut TcpStream) -> (String, String) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        tcp.read_exact(&mut byte).expect("the head of an answer");
        head.extend(byte);
    }
    let head = String::from_utf8(head).expect("text");
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        (name == "content-length").then(|| value.parse().expect("a number"))
    });
    let mut body = vec![0; length.expect("a length")];
    tcp.read_exact(&mut body).expect("the body");
    (head, String::from_utf8(body).expect("text"))
}

/// Connections that have had an answer each and wait for their next request.
fn kept_alive(terminator: &Terminator, count: usize) -> Vec<TcpStream> {
    let one = |_| {
        let mut tcp = connect(terminator.admin);
        tcp.write_all(request("/healthz").as_bytes()).expect("sent");
        assert!(next_answer(&mut tcp).0.starts_with(OK));
        tcp
    };
    (0..count).map(one).collect()
}

fn is_open(tcp: &TcpStream) -> bool {
    tcp.set_nonblocking(true).expect("an option");
    let peeked = tcp.peek(&mut [0]);
    tcp.set_nonblocking(false).expect("an option");
    matches!(peeked, Err(error) if error.kind() == ErrorKind::WouldBlock)
}

#[test]
fn the_connection_that_waited_longest_is_closed_for_a_new_one() {
    let terminator = Terminator::demo("");
    let mut idle = kept_alive(&terminator, 64);
    assert!(idle.iter().all(is_open));
    // It is the newest now, although its connection is the oldest.
    let mut busy = idle.remove(0);
    busy.write_all(request("/healthz").as_bytes())
        .expect("sent");
    next_answer(&mut busy);
    for closed in 1..=3 {
        let new = kept_alive(&terminator, 1);
        let open: Vec<bool> = idle.iter().map(is_open).collect();
        let expected: Vec<bool> = (1..).take(idle.len()).map(|nth| nth > closed).collect();
        assert_eq!(open, expected);
        idle.extend(new);
    }
    assert!(is_open(&busy));
}

#[test]
fn clients_that_send_nothing_keep_no_other_from_an_answer() {
    let terminator = Terminator::demo("");
    let silent: Vec<TcpStream> = (0..200).map(|_| connect(terminator.admin)).collect();
    assert_healthy(&terminator);
    assert!(silent.iter().filter(|tcp| is_open(tcp)).count() < 64);
    assert!(terminator.admin("/metrics").1.contains("rekindle_build"));
}

#[test]
fn clients_that_send_slowly_keep_no_other_from_an_answer() {
    let terminator = Terminator::demo("");
    let mut slow: Vec<TcpStream> = (0..70).map(|_| connect(terminator.admin)).collect();
    // To send more is not to wait less.
    for byte in request("/healthz").bytes().take(8) {
        for tcp in &mut slow {
            let _ = tcp.write_all(&[byte]);
        }
        assert_healthy(&terminator);
    }
}

#[test]
fn a_connection_in_the_middle_of_an_answer_is_not_the_one_to_be_closed() {
    const REQUESTS: usize = 1_000;
    let terminator = Terminator::demo("");
    let mut reader = connect(terminator.admin);
    // More than the buffers of both sockets hold.
    let requests = request("/metrics").repeat(REQUESTS);
    reader.write_all(requests.as_bytes()).expect("sent");
    next_answer(&mut reader);
    // Long enough for the buffers to be full, and for all others to be newer than the answer.
    let start = Instant::now();
    let mut idle = kept_alive(&terminator, 64);
    while start.elapsed() < Duration::from_secs(2) {
        idle.remove(0);
        idle.extend(kept_alive(&terminator, 1));
    }
    for _ in 1..REQUESTS {
        assert!(next_answer(&mut reader).0.starts_with(OK));
    }
}

#[test]
fn clients_that_are_too_slow_are_closed() {
    let terminator = Terminator::demo("");
    let start = Instant::now();
    let idle = kept_alive(&terminator, 1).remove(0);
    let silent = connect(terminator.admin);
    let mut slow = connect(terminator.admin);
    slow.write_all(b"GET /").expect("sent");
    let mut reads_nothing = connect(terminator.admin);
    let requests = request("/metrics").repeat(1_000);
    reads_nothing.write_all(requests.as_bytes()).expect("sent");
    eventually("the end of two without a request", || {
        let _ = slow.write(b"a");
        !is_open(&silent) && !is_open(&slow)
    });
    assert!(start.elapsed() < BOUND);
    let closed = || terminator.logged("the client is too slow");
    eventually("the end of the one that reads nothing", || closed() == 3);
    assert!(is_open(&idle));
    assert!(start.elapsed() < 2 * BOUND);
    eventually("the end of the idle one", || !is_open(&idle));
}

#[test]
fn a_body_that_does_not_come_is_not_waited_for() {
    let terminator = Terminator::demo("");
    let start = Instant::now();
    let mut tcp = connect(terminator.admin);
    let head = "POST /revoke HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n";
    tcp.write_all(head.as_bytes()).expect("sent");
    assert!(next_answer(&mut tcp).0.starts_with("HTTP/1.1 403 "));
    eventually("the end of it", || !is_open(&tcp));
    assert!(start.elapsed() < BOUND);
}

/// A form that does not come whole is a request that has not come.
#[test]
fn clients_that_send_a_form_slowly_are_closed_first_and_soon() {
    let files = Files::new();
    files.replace("token", b"0123456789abcdef");
    let terminator = Terminator::demo(&format!("--admin-write {}", files.text("token")));
    let start = Instant::now();
    let mut slow: Vec<TcpStream> = (0..63).map(|_| connect(terminator.admin)).collect();
    let head = "POST /revoke HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\
                Content-Type: application/x-www-form-urlencoded\r\n\r\ntoken=";
    for tcp in &mut slow {
        tcp.write_all(head.as_bytes()).expect("sent");
    }
    let idle = kept_alive(&terminator, 1).remove(0);
    for _ in 0..3 {
        assert_healthy(&terminator);
    }
    assert!(is_open(&idle), "it has waited for less time");
    eventually("the end of all", || {
        for tcp in &mut slow {
            let _ = tcp.write(b"a");
        }
        !slow.iter().any(is_open)
    });
    assert!(start.elapsed() < BOUND);
    assert!(is_open(&idle));
}

#[test]
fn a_head_that_is_too_large_is_refused() {
    let terminator = Terminator::demo("");
    let many = "A: b\r\n".repeat(65);
    let long = format!("A: {}\r\n", "b".repeat(17_000));
    for headers in [many, long] {
        let mut tcp = connect(terminator.admin);
        let request = format!("GET /healthz HTTP/1.1\r\n{headers}\r\n");
        tcp.write_all(request.as_bytes()).expect("sent");
        let (head, _) = next_answer(&mut tcp);
        assert!(head.starts_with("HTTP/1.1 431 "), "{head}");
    }
}

#[test]
fn without_descriptors_the_admin_address_answers() {
    let files = Files::with_certificate("descriptors");
    let terminator = Terminator::proxy(echo(), &files, "--handshake-timeout 3600");
    terminator.limit_open_files(terminator.open_files());
    // Takes every descriptor that is left.
    let crowd: Vec<TcpStream> = (0..32).map(|_| connect(terminator.address)).collect();
    terminator.wait_for_log("cannot accept connections");
    for _ in 0..3 {
        assert_healthy(&terminator);
    }
    assert!(terminator.admin("/metrics").1.contains("rekindle_build"));
    // Each takes the place of the one before.
    let idle = kept_alive(&terminator, 8);
    assert_healthy(&terminator);
    let silent: Vec<TcpStream> = (0..64).map(|_| connect(terminator.admin)).collect();
    assert_healthy(&terminator);
    drop((idle, silent));
    assert_healthy(&terminator);
    assert_eq!(terminator.logged("cannot accept admin connections"), 0);
    drop(crowd);
}

#[test]
fn the_limit_of_open_files_bounds_the_connections() {
    let files = Files::with_certificate("open-files");
    let terminator = Terminator::spawn(with_open_files(48, &files));
    let warning = "fewer connections than --max-connections fit into the limit of files";
    terminator.wait_for_log(warning);
    assert_eq!(terminator.warned(warning), 1);
    let crowd: Vec<TcpStream> = (0..64)
        .map(|_| {
            assert_healthy(&terminator);
            connect(terminator.address)
        })
        .collect();
    let active = || terminator.metric("rekindle_connections_active");
    let refused = || terminator.metric("rekindle_connections_refused_total");
    eventually("all of them", || active() + refused() == 64);
    assert!((1..24).contains(&active()), "{}", active());
    assert_eq!(terminator.metric("rekindle_accept_errors_total"), 0);
    let idle = kept_alive(&terminator, 64);
    assert_healthy(&terminator);
    assert_eq!(terminator.logged("cannot accept"), 0);
    drop((crowd, idle));
    eventually("a free slot", || {
        let tcp = connect(terminator.address);
        connector().connect("localhost", tcp).is_ok()
    });
}

#[test]
fn without_descriptors_for_one_connection_the_start_fails() {
    let files = Files::with_certificate("no-files");
    let output = with_open_files(24, &files).output().expect("sh runs");
    assert_eq!(output.status.code(), Some(1));
    let message = String::from_utf8(output.stderr).expect("text");
    let expected =
        "rekindle-terminator: the limit of open files, 24, leaves room for no connection";
    assert!(message.contains(expected), "{message}");
}

/// A proxy to an echo under a limit of open files.
fn with_open_files(limit: u32, files: &Files) -> Command {
    let script = format!("ulimit -n {limit}; exec \"$0\" \"$@\"");
    let mut command = Command::new("sh");
    command
        .args(["-c", &script, BINARY])
        .args(["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"])
        .args(["--threads", "2", "--upstream", &echo().to_string()])
        .args(["--cert", &files.cert(), "--key", &files.key()]);
    command
}
