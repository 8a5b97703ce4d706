//! Clients that are programs. Their arguments are words of one line.

use std::io::Write;
use std::net::SocketAddr;
use std::process::{Command, ExitStatus, Stdio};
use std::{fmt, thread};

use tempfile::NamedTempFile;

use crate::process::Process;
use crate::wait::DEADLINE;

/// The output of a client, and how it ended.
pub struct Printed(pub String, pub ExitStatus);

impl Printed {
    /// For each handshake of `s_client`, whether it was resumed.
    pub fn reused(&self) -> Vec<bool> {
        let lines = self.0.lines();
        let lines = lines.filter(|line| line.starts_with("New, ") || line.starts_with("Reused, "));
        lines.map(|line| line.starts_with("Reused")).collect()
    }

    /// The session ids of `s_client`'s handshakes, in order, without empty ones.
    pub fn session_ids(&self) -> Vec<&str> {
        let lines = self.0.lines();
        let ids = lines.filter_map(|line| line.trim().strip_prefix("Session-ID:"));
        ids.map(str::trim).filter(|id| !id.is_empty()).collect()
    }

    /// The server's answers: the line `name: value` of each, which describes its connection.
    pub fn pages(&self, name: &str) -> Vec<&str> {
        let lines = self.0.lines();
        lines
            .filter_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
            .collect()
    }

    /// What the terminator's demo says the handshake was.
    #[track_caller]
    pub fn handshake(&self) -> &str {
        let (_, rest) = self
            .0
            .split_once("\"handshake\": \"")
            .unwrap_or_else(|| panic!("no answer: {}", self.0));
        rest.split_once('"').expect("JSON is complete").0
    }

    /// Fails the test when the client printed an error or an alert.
    #[track_caller]
    pub fn assert_no_error(&self) -> &Self {
        assert!(!self.0.contains(":error:"), "{}", self.0);
        assert!(!self.0.contains("alert"), "{}", self.0);
        self
    }

    /// No error, and handshakes that were resumed or not, in this order.
    #[track_caller]
    pub fn expect_reused<const N: usize>(&self, reused: [bool; N]) -> &Self {
        self.assert_no_error();
        assert_eq!(self.reused(), reused, "{}", self.0);
        self
    }
}

impl fmt::Debug for Printed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Connects, and hangs up when the handshake is done.
#[track_caller]
pub fn s_client(address: SocketAddr, words: &str) -> Printed {
    let line = format!("openssl s_client -connect {address} {words}");
    finish(Process::spawn(&mut bounded(&line), Stdio::null()))
}

/// Requests a page and waits for it: with it come the tickets of TLS 1.3.
#[track_caller]
pub fn s_client_get(address: SocketAddr, words: &str) -> Printed {
    let line = format!("openssl s_client -ign_eof -connect {address} {words}");
    converse(&mut bounded(&line), b"GET / HTTP/1.0\r\n\r\n")
}

/// A client that keeps its session in a file, from one visit to the next.
#[derive(Debug)]
pub struct Visitor<'a> {
    words: &'a str,
    session: NamedTempFile,
}

impl<'a> Visitor<'a> {
    /// `words` go to `s_client` at each visit.
    pub fn new(words: &'a str) -> Self {
        let session = NamedTempFile::new().expect("a temporary file");
        Self { words, session }
    }

    /// Requests a page as a new client, and keeps the session.
    #[track_caller]
    pub fn visit(&self, address: SocketAddr) -> Printed {
        s_client_get(
            address,
            &format!("{} -sess_out {}", self.words, self.session()),
        )
    }

    /// Requests a page, and offers the session.
    #[track_caller]
    pub fn come_back(&self, address: SocketAddr) -> Printed {
        s_client_get(
            address,
            &format!("{} -sess_in {}", self.words, self.session()),
        )
    }

    /// The file with the session, in PEM form.
    pub fn session(&self) -> &str {
        self.session.path().to_str().expect("paths here are UTF-8")
    }
}

/// A program that cannot run for ever.
pub fn bounded(line: &str) -> Command {
    let mut command = Command::new("timeout");
    command.arg(DEADLINE.as_secs().to_string());
    command.args(line.split_whitespace());
    command
}

/// Sends `input`, and waits until the client ends.
#[track_caller]
pub fn converse(client: &mut Command, input: &[u8]) -> Printed {
    let mut client = Process::spawn(client, Stdio::piped());
    let mut stdin = client.take_stdin();
    thread::scope(|scope| {
        scope.spawn(|| {
            // A client that fails at once does not read its input; its output says why.
            let _ = stdin.write_all(input).and_then(|()| stdin.flush());
        });
        finish(client)
    })
}

/// Waits until the client ends by itself.
#[track_caller]
pub fn finish(client: Process) -> Printed {
    let (status, printed) = client.wait_for_end();
    assert_ne!(status.code(), Some(124), "it hung:\n{printed}");
    Printed(printed, status)
}
