//! Starts terminators and talks to them. Arguments are words between spaces: no path has a space.

pub(crate) mod client;
pub(crate) mod files;
pub(crate) mod keys;
pub(crate) mod upstream;

use std::env;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// Far longer than anything takes here, on a slow machine with other work.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(10);

pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_rekindle-terminator");

/// A running terminator on free ports of loopback. Killed when dropped.
#[derive(Debug)]
pub(crate) struct Terminator {
    child: Child,
    pub(crate) address: SocketAddr,
    admin: SocketAddr,
    log: Arc<Mutex<Vec<String>>>,
    /// Kept open, because a program whose output is closed may behave differently.
    _stdout: BufReader<ChildStdout>,
}

impl Terminator {
    /// The demo, with `words` in addition.
    pub(crate) fn demo(words: &str) -> Self {
        Self::start(&format!("--demo {words}"))
    }

    /// A proxy to `upstream`, with a certificate from `files`.
    pub(crate) fn proxy(upstream: SocketAddr, files: &files::Files, words: &str) -> Self {
        let (cert, key) = (files.cert(), files.key());
        Self::start(&format!(
            "--upstream {upstream} --cert {cert} --key {key} {words}"
        ))
    }

    fn start(words: &str) -> Self {
        let words = format!("--listen 127.0.0.1:0 --admin 127.0.0.1:0 {words}");
        let mut command = Command::new(BINARY);
        command.args(words.split_whitespace());
        Self::spawn(command)
    }

    /// Connects with `openssl s_client`, and hangs up when the handshake is done.
    pub(crate) fn s_client(&self, words: &str) -> client::Printed {
        client::s_client(self.address, words)
    }

    /// Connects with `openssl s_client`, and asks the demo how the handshake was.
    pub(crate) fn get(&self, words: &str) -> client::Printed {
        client::s_client_get(self.address, words)
    }

    pub(crate) fn spawn(mut command: Command) -> Self {
        command
            .env("RUST_LOG", "rekindle_terminator=debug")
            .stdin(Stdio::null());
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let log = collect_lines(child.stderr.take().expect("stderr is piped"));
        let mut stdout = BufReader::new(child.stdout.take().expect("stdout is piped"));
        let mut announced = |what: &str| {
            let mut line = String::new();
            stdout.read_line(&mut line).expect("stdout is readable");
            let address = line
                .strip_prefix(what)
                .map(|address| address.trim().parse());
            match address {
                Some(Ok(address)) => address,
                _ => panic!(
                    "expected `{what}ADDR`, got {line:?}; log: {:#?}",
                    log.lock().unwrap()
                ),
            }
        };
        let admin = announced("admin on ");
        let address = announced("listening on ");
        Self {
            child,
            address,
            admin,
            log,
            _stdout: stdout,
        }
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, signal).expect("the terminator is alive");
    }

    pub(crate) fn thread_names(&self) -> String {
        let script = format!("cat /proc/{}/task/*/comm", self.child.id());
        let output = Command::new("sh").args(["-c", &script]).output();
        let names = output.expect("sh runs").stdout;
        String::from_utf8(names).expect("names are text")
    }

    /// SIGHUP, and waits until `done` is in the log once more than before.
    pub(crate) fn reload(&self, done: &str) {
        self.reload_after(|| (), done);
    }

    /// Changes files, sends SIGHUP, and waits until `done` is in the log once more than before:
    /// because of the signal or, on a slow machine, because the change was noticed first.
    pub(crate) fn reload_after(&self, change: impl FnOnce(), done: &str) {
        let before = self.logged(done);
        change();
        self.signal(Signal::HUP);
        eventually(&format!("log line `{done}`"), || self.logged(done) > before);
    }

    /// How many lines of the log contain `text`.
    pub(crate) fn logged(&self, text: &str) -> usize {
        self.log
            .lock()
            .unwrap()
            .iter()
            .filter(|line| line.contains(text))
            .count()
    }

    pub(crate) fn wait_for_log(&self, text: &str) {
        eventually(&format!("log line `{text}`"), || self.logged(text) > 0);
    }

    pub(crate) fn wait_for_exit(mut self) -> ExitStatus {
        let mut status = None;
        eventually("exit", || {
            status = self.child.try_wait().expect("the child can be waited for");
            status.is_some()
        });
        status.expect("it has ended")
    }

    /// Status line and body of an admin page.
    pub(crate) fn admin(&self, path: &str) -> (String, String) {
        http_get(self.admin, path)
    }

    /// The value of one series, written as in the metrics text; 0 if there is none.
    pub(crate) fn metric(&self, series: &str) -> u64 {
        let (_, text) = self.admin("/metrics");
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        line.map_or(0, |value| value.parse().expect("an integer"))
    }

    pub(crate) fn wait_for_metric(&self, series: &str, value: u64) {
        eventually(&format!("{series} = {value}"), || {
            self.metric(series) == value
        });
    }
}

impl Drop for Terminator {
    fn drop(&mut self) {
        // Either may fail, if it has ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            eprintln!(
                "log of the terminator on {}:\n{}",
                self.address,
                self.log.lock().unwrap().join("\n")
            );
        }
    }
}

/// The series of handshakes of a protocol and a kind.
pub(crate) fn handshakes(protocol: &str, kind: &str) -> String {
    format!("rekindle_handshakes_total{{protocol=\"{protocol}\",kind=\"{kind}\"}}")
}

/// Whether `./check --quick` runs. Standard error says that `what` is skipped.
pub(crate) fn skipped_when_quick(what: &str) -> bool {
    let quick = env::var_os("REKINDLE_TIER").is_some_and(|tier| tier == "quick");
    if quick {
        // Past the test harness, which shows no output of a test that passes.
        let _ = writeln!(io::stderr(), "SKIPPED in the quick tier: {what}");
    }
    quick
}

/// Polls until `done`, or fails the test.
#[track_caller]
pub(crate) fn eventually(what: &str, mut done: impl FnMut() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < DEADLINE, "waited in vain for: {what}");
        thread::sleep(POLL);
    }
}

/// A connection on which no read or write can hang a test for ever.
pub(crate) fn connect(address: SocketAddr) -> TcpStream {
    let tcp = TcpStream::connect(address).expect("the port is open");
    tcp.set_read_timeout(Some(DEADLINE))
        .expect("a timeout can be set");
    tcp.set_write_timeout(Some(DEADLINE))
        .expect("a timeout can be set");
    tcp
}

fn http_get(address: SocketAddr, path: &str) -> (String, String) {
    let mut tcp = connect(address);
    write!(
        tcp,
        "GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n"
    )
    .expect("the request is sent");
    let mut response = String::new();
    tcp.read_to_string(&mut response)
        .expect("the response is text");
    let (head, body) = response.split_once("\r\n\r\n").expect("a head and a body");
    let status = head.lines().next().expect("a status line");
    (status.to_owned(), body.to_owned())
}

fn collect_lines(source: impl Read + Send + 'static) -> Arc<Mutex<Vec<String>>> {
    let lines = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&lines);
    thread::spawn(move || {
        for line in BufReader::new(source).lines().map_while(Result::ok) {
            sink.lock().unwrap().push(line);
        }
    });
    lines
}
