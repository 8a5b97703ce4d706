//! What systemd does and hears, with the environment that it gives to a service.

use std::net::TcpListener;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixDatagram;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use rekindle_test_servers::{Files, Signal, echo};
use rustix::process::kill_process;

use crate::common::client::{echoes, receive, send, tls_connect};
use crate::common::{BINARY, DEADLINE, Terminator, proxy, successor_of};

/// A terminator that is given a listening socket (`sd_listen_fds(3)`): it has no `--listen`.
pub(crate) fn with_sockets(listener: &TcpListener, files: &Files, words: &str) -> Terminator {
    // The shell's process becomes the terminator, so its number is known.
    let script = "exec 3<&0 </dev/null; export LISTEN_PID=$$ LISTEN_FDS=1; exec \"$0\" \"$@\"";
    let mut command = Command::new("sh");
    command.args(["-c", script, BINARY]);
    let (cert, key, upstream) = (files.cert(), files.key(), echo());
    let words =
        format!("--admin 127.0.0.1:0 --upstream {upstream} --cert {cert} --key {key} {words}");
    command.args(words.split_whitespace());
    let socket: OwnedFd = listener.as_fd().try_clone_to_owned().expect("descriptors");
    Terminator::spawn_with(command, Stdio::from(socket))
}

#[test]
fn a_socket_of_systemd_is_served_by_all_workers_and_outlives_the_process() {
    let files = Files::with_certificate("localhost");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    let terminator = with_sockets(&listener, &files, "--threads 3");
    assert_eq!(terminator.address, address);
    (0..20).for_each(|_| echoes(terminator.address));
    terminator.signal(Signal::TERM);
    assert_eq!(terminator.wait_for_exit().code(), Some(0));
    // Who comes in between waits.
    let client = thread::spawn(move || {
        let mut stream = tls_connect(address);
        send(&mut stream, b"hello");
        receive::<5>(&mut stream)
    });
    let next = with_sockets(&listener, &files, "--threads 1");
    assert_eq!(&client.join().expect("it is served"), b"hello");
    echoes(next.address);
}

#[test]
fn a_socket_that_nothing_listens_on_is_refused() {
    let files = Files::with_certificate("localhost");
    let datagrams = std::net::UdpSocket::bind("127.0.0.1:0").expect("a free port");
    let script = "exec 3<&0 </dev/null; export LISTEN_PID=$$ LISTEN_FDS=1; exec \"$0\" \"$@\"";
    let mut command = Command::new("sh");
    let (cert, key) = (files.cert(), files.key());
    let words = format!("--upstream 127.0.0.1:1 --cert {cert} --key {key}");
    command.args(["-c", script, BINARY]).args(words.split(' '));
    command.stdin(Stdio::from(OwnedFd::from(datagrams)));
    let output = command.output().expect("sh runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("the sockets of systemd: "), "{said}");
    assert_eq!(output.status.code(), Some(1));
}

/// The other end of `NOTIFY_SOCKET`.
struct Notified(UnixDatagram);

impl Notified {
    fn new(files: &Files) -> Self {
        let socket = UnixDatagram::bind(files.text("notify")).expect("it is free");
        socket.set_read_timeout(Some(DEADLINE)).expect("a timeout");
        Self(socket)
    }

    fn command(&self, files: &Files, words: &str) -> Command {
        let mut command = proxy(echo(), files, words);
        command.env("NOTIFY_SOCKET", files.text("notify"));
        command
    }

    /// The next message, in lines.
    #[track_caller]
    fn next(&self) -> Vec<String> {
        let mut message = [0; 4096];
        let len = self.0.recv(&mut message).expect("a message");
        let message = String::from_utf8_lossy(&message[..len]);
        message.lines().map(str::to_owned).collect()
    }
}

/// By the machine's monotonic clock, in microseconds.
fn now() -> i64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    now.tv_sec * 1_000_000 + now.tv_nsec / 1_000
}

#[test]
fn systemd_hears_of_the_start_of_reloads_and_of_the_end() {
    let files = Files::with_certificate("localhost");
    let systemd = Notified::new(&files);
    let terminator = Terminator::spawn(systemd.command(&files, ""));
    assert_eq!(systemd.next(), ["READY=1"]);
    for _ in 0..2 {
        let before = now();
        terminator.signal(Signal::HUP);
        // In one message, as `Type=notify-reload` demands.
        let [reloading, time] = &systemd.next()[..] else {
            panic!("two lines");
        };
        assert_eq!(reloading, "RELOADING=1");
        let time = time.strip_prefix("MONOTONIC_USEC=").map(str::parse);
        let time: i64 = time.expect("a time").expect("a number");
        assert!((before..=now()).contains(&time), "{time}");
        assert_eq!(systemd.next(), ["READY=1"]);
    }
    terminator.signal(Signal::TERM);
    assert_eq!(systemd.next(), ["STOPPING=1"]);
    assert_eq!(terminator.wait_for_exit().code(), Some(0));
}

#[test]
fn the_watchdog_hears_of_the_process_while_its_workers_go_on() {
    let files = Files::with_certificate("localhost");
    let systemd = Notified::new(&files);
    let mut command = systemd.command(&files, "--threads 2");
    command.env("WATCHDOG_USEC", "400000");
    let terminator = Terminator::spawn(command);
    let is_beat = |message: &[String]| message == ["WATCHDOG=1"];
    let mut beats = 0;
    while beats < 5 {
        beats += usize::from(is_beat(&systemd.next()));
    }
    // Nothing runs: that is when systemd kills it.
    terminator.signal(Signal::STOP);
    systemd.0.set_nonblocking(true).expect("a socket");
    while systemd.0.recv(&mut [0; 64]).is_ok() {}
    thread::sleep(Duration::from_millis(300));
    let heard = systemd.0.recv(&mut [0; 64]);
    assert!(heard.is_err(), "nothing beats for it");
}

#[test]
fn systemd_is_told_of_the_successor() {
    let files = Files::with_certificate("localhost");
    let systemd = Notified::new(&files);
    let words = format!("--handover {}", files.text("handover"));
    let before = Terminator::spawn(systemd.command(&files, &words));
    assert_eq!(systemd.next(), ["READY=1"]);
    let after = Terminator::spawn(systemd.command(&files, &words));
    let main = format!("MAINPID={}", after.process().id());
    assert_eq!(systemd.next(), [main]);
    assert_eq!(systemd.next(), ["READY=1"]);
    assert_eq!(before.wait_for_exit().code(), Some(0));
    // It reads its files again, in case of a SIGHUP that the other one got.
    assert_eq!(systemd.next()[0], "RELOADING=1");
    assert_eq!(systemd.next(), ["READY=1"]);
    after.signal(Signal::TERM);
    // The one that ended before said no such thing.
    assert_eq!(systemd.next(), ["STOPPING=1"]);
}

#[test]
fn a_successor_by_sigusr2_has_the_sockets_of_systemd() {
    let files = Files::with_certificate("localhost");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let terminator = with_sockets(&listener, &files, "--threads 2");
    terminator.signal(Signal::USR2);
    terminator.wait_for_log("a successor serves");
    terminator.wait_for_log("drained");
    echoes(terminator.address);
    let successor = successor_of(&terminator).expect("it is in the log");
    kill_process(successor, Signal::KILL).expect("it lives");
}
