//! Real clients: `openssl s_client`, `curl`, `gnutls-cli`. Their arguments are words of one line.

use std::io::Write;
use std::process::{Command, Stdio};
use std::{fmt, thread};

use crate::common::is_installed;
use crate::process::{DEADLINE, Process};
use crate::server::Server;

const REQUEST: &str = "GET / HTTP/1.0\r\n\r\n";

/// The output of a client.
pub(crate) struct Printed(pub(crate) String);

impl Printed {
    /// For each handshake of `s_client`, whether it was resumed.
    pub(crate) fn reused(&self) -> Vec<bool> {
        let lines = self.0.lines();
        let lines = lines.filter(|line| line.starts_with("New, ") || line.starts_with("Reused, "));
        lines.map(|line| line.starts_with("Reused")).collect()
    }

    /// The session ids of `s_client`'s handshakes.
    pub(crate) fn session_ids(&self) -> Vec<&str> {
        let lines = self.0.lines();
        lines
            .filter_map(|line| line.trim().strip_prefix("Session-ID: "))
            .collect()
    }

    /// The server's answers: the line `name: value` of each, which describes its connection.
    pub(crate) fn pages(&self, name: &str) -> Vec<&str> {
        let lines = self.0.lines();
        lines
            .filter_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
            .collect()
    }
}

impl fmt::Debug for Printed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Connects, and ends when the handshake is done.
#[track_caller]
pub(crate) fn s_client(server: &Server, arguments: &str) -> Printed {
    let line = format!("openssl s_client -connect {} {arguments}", server.address);
    finish(Process::spawn(&mut client(&line), Stdio::null()))
}

/// Requests the page and waits for it: TLS 1.3 sends tickets with it.
#[track_caller]
pub(crate) fn s_client_get(server: &Server, arguments: &str) -> Printed {
    let line = format!(
        "openssl s_client -ign_eof -connect {} {arguments}",
        server.address
    );
    converse(&mut client(&line), REQUEST.as_bytes())
}

/// One process that makes a connection for each request, and resumes if it can.
#[track_caller]
pub(crate) fn curl(server: &Server, arguments: &str, requests: usize) -> Printed {
    let mut curl = client(&format!(
        "curl --silent --show-error --insecure {arguments}"
    ));
    curl.args(["--header", "Connection: close"]);
    curl.args(vec![format!("https://{}/", server.address); requests]);
    finish(Process::spawn(&mut curl, Stdio::null()))
}

/// Requests the page; with `--resume` in a second connection.
#[track_caller]
pub(crate) fn gnutls_cli(server: &Server, arguments: &str) -> Printed {
    converse(&mut gnutls_client(server, arguments), REQUEST.as_bytes())
}

pub(crate) fn gnutls_client(server: &Server, arguments: &str) -> Command {
    let (host, port) = (server.address.ip(), server.address.port());
    client(&format!(
        "gnutls-cli --insecure --port {port} {host} {arguments}"
    ))
}

pub(crate) fn has_gnutls_cli() -> bool {
    let mut version = Command::new("gnutls-cli");
    is_installed(version.arg("--version"), "gnutls-cli", "gnutls-bin")
}

/// A client that cannot hang for ever.
pub(crate) fn client(line: &str) -> Command {
    let mut command = Command::new("timeout");
    command
        .arg(DEADLINE.as_secs().to_string())
        .args(line.split_whitespace());
    command
}

/// Sends `input`, and waits until the server ends the connection.
#[track_caller]
pub(crate) fn converse(client: &mut Command, input: &[u8]) -> Printed {
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

#[track_caller]
fn finish(client: Process) -> Printed {
    let (status, printed) = client.wait_for_end();
    assert_ne!(status.code(), Some(124), "it hung:\n{printed}");
    Printed(printed)
}
