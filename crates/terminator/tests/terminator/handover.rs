//! Restarts that lose nothing: a successor takes over from the process that serves, or has no
//! effect on it.

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use rekindle_test_servers::{Files, Process, Signal, Visitor, echo};
use rustix::process::geteuid;

use crate::common::client::{echoes, receive_all, send, tls_connect};
use crate::common::told::reporter;
use crate::common::{
    BINARY, DEADLINE, KINDS, Terminator, connect, eventually, handshakes, proxy, successor_of,
};
use crate::early_data;

const SERVES: &str = "a successor serves";
const GOES_ON: &str = "this process goes on";

struct Site {
    files: Files,
    words: String,
}

impl Site {
    fn new(words: &str) -> Self {
        let files = Files::with_certificate("localhost");
        let words = format!("--handover {} {words}", files.text("handover"));
        Self { files, words }
    }

    /// A process that takes over if another one serves.
    fn start(&self) -> Terminator {
        self.start_before(echo())
    }

    fn start_before(&self, upstream: SocketAddr) -> Terminator {
        Terminator::proxy(upstream, &self.files, &self.words)
    }

    fn path(&self) -> String {
        self.files.text("handover")
    }

    /// A process that may not come to serve.
    fn spawn(&self) -> Process {
        Process::spawn(&mut proxy(echo(), &self.files, &self.words), Stdio::null())
    }

    /// A process that cannot take over, as its exit says.
    #[track_caller]
    fn fails(&self, reason: &str) {
        let (status, printed) = self.spawn().wait_for_end();
        assert_eq!(status.code(), Some(1), "{printed}");
        assert!(printed.contains(reason), "{printed}");
    }
}

#[test]
fn a_successor_goes_on_where_the_other_process_stands() {
    for (kind, tickets) in KINDS {
        let site = Site::new(&format!("--proxy-protocol-out v2 --tickets {tickets}"));
        let before = site.start_before(reporter());
        let visitor = Visitor::new(kind);
        visitor.visit(before.address).expect_reused([false]);
        let mut open = tls_connect(before.address);
        let after = site.start_before(reporter());
        assert_eq!((after.address, after.admin), (before.address, before.admin));
        before.wait_for_log(SERVES);
        visitor.come_back(after.address).expect_reused([true]);
        let resumed = match (kind, tickets) {
            ("-tls1_2 -no_ticket", _) => "session_id",
            (_, "off") => "stateful_ticket",
            _ => "ticket",
        };
        let protocol = if kind == "-tls1_3" {
            "TLSv1.3"
        } else {
            "TLSv1.2"
        };
        assert_eq!(after.metric(&handshakes(protocol, resumed)), 1);
        // What is open goes on, and then the process ends.
        send(&mut open, b"GET / HTTP/1.0\r\n\r\n");
        assert!(!receive_all(&mut open).expect("close_notify").is_empty());
        drop(open);
        assert_eq!(before.wait_for_exit().code(), Some(0));
        // From the successor on, the same.
        let third = site.start_before(reporter());
        after.wait_for_log(SERVES);
        visitor.come_back(third.address).expect_reused([true]);
    }
}

#[test]
fn sigusr2_starts_the_successor() {
    let files = Files::with_certificate("localhost");
    let terminator = Terminator::proxy(reporter(), &files, "--proxy-protocol-out v2");
    let visitor = Visitor::new("-tls1_3");
    visitor.visit(terminator.address).expect_reused([false]);
    let mut open = tls_connect(terminator.address);
    terminator.signal(Signal::USR2);
    terminator.wait_for_log(SERVES);
    visitor.come_back(terminator.address).expect_reused([true]);
    send(&mut open, b"GET / HTTP/1.0\r\n\r\n");
    assert!(!receive_all(&mut open).expect("close_notify").is_empty());
    let successor = successor_of(&terminator).expect("it is in the log");
    assert_eq!(
        terminator.metric(&handshakes("TLSv1.3", "ticket")),
        1,
        "it is the successor"
    );
    drop(open);
    terminator.wait_for_log("drained");
    rustix::process::kill_process(successor, Signal::TERM).expect("it lives");
    eventually("its end", || {
        rustix::process::test_kill_process(successor).is_err()
    });
}

#[test]
fn a_flight_of_early_data_is_accepted_by_one_of_the_two() {
    let (upstream, visits) = early_data::upstream();
    let files = Files::with_certificate("early");
    let words = format!(
        "--threads 1 --proxy-protocol-out v2 --early-data 4096 --handover {}",
        files.text("handover")
    );
    let start = || Terminator::proxy(upstream, &files, &words);
    let before = start();
    let (first, second) = (early_data::session(&before), early_data::session(&before));
    (0..2).for_each(|_| drop(early_data::next(&visits)));
    let mut accepted = early_data::flight(&before, &first, early_data::REQUEST);
    accepted.do_handshake().expect("it succeeds");
    assert!(early_data::next(&visits).told.early_data);
    let recorded = accepted.get_ref().sent.clone();
    let after = start();
    before.wait_for_log(SERVES);
    // An attacker sends the flight again, and then a client comes with one of its own.
    let mut attacker = connect(after.address);
    attacker.write_all(&recorded).expect("it is sent");
    let outcome = |outcome| format!("rekindle_early_data_total{{outcome=\"{outcome}\"}}");
    after.wait_for_metric(&outcome("replayed"), 1);
    let mut fresh = early_data::flight(&after, &second, early_data::REQUEST);
    fresh.do_handshake().expect("it succeeds");
    assert!(early_data::next(&visits).told.early_data);
    assert_eq!(after.metric(&outcome("accepted")), 1);
}

/// What a message has, as the head of `src/handover` says.
fn message(kind: u8, content: &[u8]) -> Vec<u8> {
    [&[kind], &(content.len() as u32).to_be_bytes()[..], content].concat()
}

const HELLO: u8 = 1;
const REFUSED: u8 = 2;
const RING: u8 = 4;
const END: u8 = 7;
const PREPARED: u8 = 8;
const FLIGHTS: u8 = 9;

/// A successor of the test's own.
struct Impostor(UnixStream);

impl Impostor {
    fn new(path: &str) -> Self {
        let stream = UnixStream::connect(path).expect("it listens");
        stream.set_read_timeout(Some(DEADLINE)).expect("a timeout");
        Self(stream)
    }

    fn send(&mut self, kind: u8, content: &[u8]) {
        self.0
            .write_all(&message(kind, content))
            .expect("it is sent");
    }

    /// Reads up to a message of that kind. Descriptors that come along are dropped.
    #[track_caller]
    fn read_to(&mut self, wanted: u8) -> Vec<u8> {
        loop {
            let mut head = [0; 5];
            self.0.read_exact(&mut head).expect("a message");
            let [kind, len @ ..] = head;
            let mut content = vec![0; u32::from_be_bytes(len) as usize];
            self.0.read_exact(&mut content).expect("a message");
            if kind == wanted {
                return content;
            }
            assert_ne!(kind, REFUSED, "{}", String::from_utf8_lossy(&content));
        }
    }
}

fn hello(version: u32) -> Vec<u8> {
    [version.to_be_bytes(), 1_000_u32.to_be_bytes()].concat()
}

#[test]
fn a_successor_that_fails_leaves_the_process_as_it_was() {
    let site = Site::new("--drain-timeout 1");
    let terminator = site.start();
    let mut failures = 0;
    let mut failed = |reason: &str| {
        failures += 1;
        eventually(reason, || terminator.logged(GOES_ON) == failures);
        assert!(terminator.logged(reason) > 0, "{reason}");
        echoes(terminator.address);
    };
    // Of another version.
    let mut other = Impostor::new(&site.path());
    other.send(HELLO, &hello(7));
    let reason = "the other process speaks version 7 of the handover, this one version 1";
    assert_eq!(other.read_to(REFUSED), reason.as_bytes());
    failed(reason);
    // That says something else, says too much, or hangs up at once.
    let mut mad = Impostor::new(&site.path());
    mad.0
        .write_all(&[HELLO, 0xff, 0xff, 0xff, 0xff])
        .expect("it is sent");
    failed("a message that is too long");
    let mut mad = Impostor::new(&site.path());
    mad.send(99, b"");
    failed("a message of no kind");
    drop(Impostor::new(&site.path()));
    failed("unexpected end of file");
    // That ends in the middle: while it gets ready, and when nothing is accepted any more.
    let mut early = Impostor::new(&site.path());
    early.send(HELLO, &hello(1));
    early.read_to(END);
    drop(early);
    failed(GOES_ON);
    let mut late = Impostor::new(&site.path());
    late.send(HELLO, &hello(1));
    late.read_to(END);
    late.send(PREPARED, b"");
    late.read_to(FLIGHTS);
    late.read_to(END);
    let waiting = thread::spawn({
        let address = terminator.address;
        move || drop(tls_connect(address))
    });
    thread::sleep(Duration::from_millis(100));
    assert!(!waiting.is_finished(), "it waits in the queue");
    drop(late);
    failed(GOES_ON);
    waiting.join().expect("it is served");
    assert_eq!(terminator.admin("/healthz").1, "ok\n");
    // A good one still can.
    let after = site.start();
    terminator.wait_for_log(SERVES);
    echoes(after.address);
}

#[test]
fn a_process_of_another_user_gets_nothing() {
    if !geteuid().is_root() {
        return eprintln!("skipped: not root, so there is no other user to be");
    }
    let site = Site::new("");
    let terminator = site.start();
    let mode = |path: &str| {
        std::fs::metadata(path)
            .expect("it is there")
            .permissions()
            .mode()
    };
    assert_eq!(mode(&site.path()) & 0o777, 0o600);
    // Even if it could reach the socket.
    for (path, mode) in [(site.path(), 0o666), (site.files.text("."), 0o755)] {
        let mode = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(path, mode).expect("it is ours");
    }
    let script = "use IO::Socket::UNIX; my $s = IO::Socket::UNIX->new(Peer => $ARGV[0]) or die $!; \
                  syswrite $s, pack('CN/a', 1, pack('NN', 1, 9)); print while <$s>;";
    let mut perl = Command::new("perl");
    let got = perl.args(["-e", script, &site.path()]).uid(65_534).output();
    let got = got.expect("perl runs");
    let said = String::from_utf8_lossy(&got.stdout);
    assert!(said.is_empty(), "{said:?}");
    let reason = "the other process belongs to user 65534, this one to user 0";
    terminator.wait_for_log(reason);
    echoes(terminator.address);
}

#[test]
fn a_state_that_is_not_whole_is_not_taken_over() {
    for (messages, reason) in [
        (vec![], "unexpected end of file"),
        (vec![message(RING, &[1; 40])], "the state"),
        (vec![message(RING, b"")], "the state is not whole"),
        (
            message(RING, &[0; 999])[..500]
                .chunks(500)
                .map(<[u8]>::to_vec)
                .collect(),
            "whole buffer",
        ),
        (vec![message(END, b"")], "another message than a socket"),
        (
            vec![message(REFUSED, b"no\x1b[1m")],
            "the other process refuses: no\\u{1b}[1m",
        ),
    ] {
        let site = Site::new("");
        let listener = UnixListener::bind(site.path()).expect("it is free");
        let predecessor = thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("it connects");
            stream.read_exact(&mut [0; 13]).expect("a greeting");
            for message in messages {
                stream.write_all(&message).expect("it is sent");
            }
        });
        site.fails(reason);
        predecessor.join().expect("it has served");
    }
}

#[test]
fn signals_do_not_keep_a_successor_from_taking_over() {
    let site = Site::new("");
    let listener = UnixListener::bind(site.path()).expect("it is free");
    let successor = site.spawn();
    let (mut stream, _) = listener.accept().expect("it connects");
    stream.read_exact(&mut [0; 13]).expect("a greeting");
    for _ in 0..5 {
        successor.signal(Signal::HUP);
        thread::sleep(Duration::from_millis(20));
    }
    let refused = message(REFUSED, b"later");
    stream.write_all(&refused).expect("it is sent");
    let (_, printed) = successor.wait_for_end();
    assert!(
        printed.contains("the other process refuses: later"),
        "{printed}"
    );
}

#[test]
fn a_predecessor_of_another_user_is_not_trusted() {
    if !geteuid().is_root() {
        return eprintln!("skipped: not root, so there is no other user to be");
    }
    let site = Site::new("");
    let mode = std::fs::Permissions::from_mode(0o777);
    std::fs::set_permissions(site.files.text("."), mode).expect("it is ours");
    let script = "use IO::Socket::UNIX; my $s = IO::Socket::UNIX->new(Local => $ARGV[0], \
                  Listen => 1) or die $!; my $c = $s->accept; print while <$c>;";
    let mut perl = Command::new("perl");
    perl.args(["-e", script, &site.path()]).uid(65_534);
    let other = Process::spawn(&mut perl, Stdio::null());
    let path = site.path();
    eventually("it listens", || std::fs::metadata(&path).is_ok());
    site.fails("the other process belongs to user 65534, this one to user 0");
    let (_, said) = other.wait_for_end();
    assert_eq!(said, "", "it is told nothing");
}

#[test]
fn there_is_one_successor_at_a_time_and_nothing_it_does_not_know_of() {
    let site = Site::new("");
    site.files.replace("token", b"a-token-of-sixteen-bytes\n");
    let words = format!("{} --admin-write {}", site.words, site.files.text("token"));
    let terminator = Terminator::proxy(echo(), &site.files, &words);
    let change = |path: &str| terminator.post(path, "a-token-of-sixteen-bytes").0;
    let mut first = Impostor::new(&site.path());
    first.send(HELLO, &hello(1));
    first.read_to(END);
    for path in ["/revoke", "/rotate"] {
        assert!(change(path).ends_with("503 Service Unavailable"), "{path}");
    }
    terminator.signal(Signal::USR2);
    terminator.wait_for_log("is being handed over already");
    echoes(terminator.address);
    drop(first);
    eventually("it goes on", || change("/rotate").ends_with("200 OK"));
    assert!(change("/revoke").ends_with("200 OK"));
}

#[test]
fn what_the_configuration_calls_otherwise_is_not_taken_over() {
    let site = Site::new("");
    let before = site.start();
    let (cert, key, upstream) = (site.files.cert(), site.files.key(), echo());
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let other = free.local_addr().expect("it is bound");
    drop(free);
    let mut command = Command::new(BINARY);
    let words = format!(
        "--listen {} --admin {other} --upstream {upstream} --cert {cert} --key {key} {}",
        before.address, site.words
    );
    command.args(words.split_whitespace());
    let after = Terminator::spawn(command);
    assert_eq!((after.address, after.admin), (before.address, other));
    let closed = before.admin;
    assert_eq!(before.wait_for_exit().code(), Some(0));
    assert!(std::net::TcpStream::connect(closed).is_err());
    assert_eq!(after.admin("/healthz").1, "ok\n");
}

#[test]
fn a_successor_that_cannot_wait_for_its_own_does_not_take_over() {
    let site = Site::new("");
    let terminator = site.start();
    std::fs::create_dir(format!("{}.new", site.path())).expect("there is none");
    site.fails("cannot listen for a successor on");
    terminator.wait_for_log(GOES_ON);
    echoes(terminator.address);
    let other = Site::new("");
    std::fs::write(other.path(), "a file").expect("it is ours");
    other.fails("there is a file that is no socket");
    assert_eq!(
        std::fs::read_to_string(other.path()).expect("it stays"),
        "a file"
    );
}

#[test]
fn a_successor_that_cannot_start_leaves_the_process_as_it_was() {
    let site = Site::new("");
    let terminator = site.start();
    site.files.replace("cert.pem", b"no PEM at all");
    site.fails("certificate file");
    terminator.wait_for_log(GOES_ON);
    terminator.signal(Signal::USR2);
    eventually(GOES_ON, || terminator.logged(GOES_ON) == 2);
    echoes(terminator.address);
}
