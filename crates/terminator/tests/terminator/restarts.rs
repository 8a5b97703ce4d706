//! Restarts under load: by `--handover`, by SIGUSR2, and with sockets of systemd. No client notices
//! one. `REKINDLE_RESTARTS=100` for as many; the gate does five of each kind.

use std::env;
use std::io::{self, Read, Write};
use std::mem;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Instant;

use openssl::ssl::SslVersion;
use rekindle_test_servers::{Files, Signal, TlsClient, echo};
use rustix::process::kill_process;

use crate::common::{Terminator, eventually, successor_of};
use crate::systemd::with_sockets;

const SERVES: &str = "a successor serves";

/// Clients that come back all the time: what went wrong, and how often they resumed.
#[derive(Debug, Default)]
struct Load {
    stop: AtomicBool,
    failed: AtomicU64,
    resumed: AtomicU64,
    full: AtomicU64,
}

/// Ends the load, also when the test fails.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Load {
    fn visit(&self, client: &TlsClient, address: SocketAddr) -> io::Result<()> {
        let tcp = TcpStream::connect(address)?;
        let stream = client.try_connect("localhost", tcp);
        let mut stream = stream.map_err(|error| io::Error::other(error.to_string()))?;
        let count = match stream.ssl().session_reused() {
            true => &self.resumed,
            false => &self.full,
        };
        count.fetch_add(1, Ordering::Relaxed);
        stream.write_all(b"hello")?;
        let mut echo = [0; 5];
        stream.read_exact(&mut echo)?;
        if stream.ssl().version2() == Some(SslVersion::TLS1_2) {
            client.keep_session(&stream);
        }
        let _ = stream.shutdown();
        match &echo {
            b"hello" => Ok(()),
            _ => Err(io::Error::other("another echo")),
        }
    }

    fn run(&self, version: SslVersion, address: SocketAddr) {
        let client = TlsClient::new(version);
        while !self.stop.load(Ordering::Relaxed) {
            if let Err(error) = self.visit(&client, address) {
                eprintln!("{error}");
                self.failed.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}

/// Calls `restart` with the number of each restart, and checks that no client notices.
fn under_load(way: &str, address: SocketAddr, mut restart: impl FnMut(usize)) {
    let restarts = env::var("REKINDLE_RESTARTS").map_or(5, |text| text.parse().expect("a number"));
    let (load, begin) = (Load::default(), Instant::now());
    thread::scope(|scope| {
        let _stop = Stop(&load.stop);
        for version in [SslVersion::TLS1_2, SslVersion::TLS1_3].repeat(3) {
            let load = &load;
            scope.spawn(move || load.run(version, address));
        }
        for number in 1..=restarts {
            let visits = load.resumed.load(Ordering::Relaxed) + 30;
            let went_on = || load.resumed.load(Ordering::Relaxed) > visits;
            eventually("clients resume", went_on);
            restart(number);
        }
    });
    let time = begin.elapsed();
    let (full, resumed) = (load.full.into_inner(), load.resumed.into_inner());
    println!("{restarts} restarts by {way} in {time:?}: {resumed} resumed, {full} full");
    let failed = load.failed.into_inner();
    assert_eq!(failed, 0, "nothing is refused, reset or lost");
    // The first of each client. A session of TLS 1.2 by id that a handshake makes in the moment of
    // a handover stays with the process that ends.
    assert!(full <= 6 + restarts as u64, "{full} of {}", full + resumed);
}

/// Each process in the place of the one before.
fn one_after_another(way: &str, start: impl Fn() -> Terminator) {
    let mut serving = start();
    let address = serving.address;
    under_load(way, address, |_| {
        let next = start();
        serving.wait_for_log(SERVES);
        let before = mem::replace(&mut serving, next);
        assert_eq!(before.wait_for_exit().code(), Some(0));
    });
}

#[test]
fn by_handover() {
    let files = Files::with_certificate("localhost");
    let words = format!("--handover {}", files.text("handover"));
    one_after_another("--handover", || Terminator::proxy(echo(), &files, &words));
}

#[test]
fn by_handover_with_sockets_of_systemd() {
    let files = Files::with_certificate("localhost");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let words = format!("--handover {}", files.text("handover"));
    one_after_another("--handover with sockets of systemd", || {
        with_sockets(&listener, &files, &words)
    });
}

/// Ends by the end of the last process.
struct Line(Terminator);

impl Drop for Line {
    fn drop(&mut self) {
        if let Some(pid) = successor_of(&self.0) {
            let _ = kill_process(pid, Signal::KILL);
        }
    }
}

#[test]
fn by_sigusr2() {
    let files = Files::with_certificate("localhost");
    let line = Line(Terminator::proxy(echo(), &files, ""));
    under_load("SIGUSR2", line.0.address, |restart| {
        match successor_of(&line.0) {
            Some(pid) => kill_process(pid, Signal::USR2).expect("it lives"),
            None => line.0.signal(Signal::USR2),
        }
        eventually(SERVES, || line.0.logged(SERVES) == restart);
    });
}
