//! Real clients: `openssl s_client`, `curl`, `gnutls-cli`.

use std::io::Write;
use std::process::{Command, Stdio};
use std::{fmt, thread};

use crate::process::{DEADLINE, Process};
use crate::server::Server;

const REQUEST: &str = "GET / HTTP/1.0\r\n\r\n";

/// What a client printed.
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
        let ids = lines.filter_map(|line| line.trim().strip_prefix("Session-ID: "));
        ids.collect()
    }

    /// The server's answers: each says in the line `name: value` how its connection was made.
    pub(crate) fn pages(&self, name: &str) -> Vec<&str> {
        let lines = self.0.lines();
        let values = lines.filter_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        values.collect()
    }
}

impl fmt::Debug for Printed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Connects, and goes when the handshake is done.
#[track_caller]
pub(crate) fn s_client(server: &Server, arguments: &[&str]) -> Printed {
    let address = server.address.to_string();
    let all = [&["s_client", "-connect", &address], arguments].concat();
    finish(Process::spawn(&mut client("openssl", &all), Stdio::null()))
}

/// Asks for the page and waits for it: with it come the tickets of TLS 1.3.
#[track_caller]
pub(crate) fn s_client_get(server: &Server, arguments: &[&str]) -> Printed {
    let address = server.address.to_string();
    let all = [&["s_client", "-ign_eof", "-connect", &address], arguments].concat();
    converse(&mut client("openssl", &all), REQUEST.as_bytes())
}

/// One process that connects anew for each request, and resumes if it can.
#[track_caller]
pub(crate) fn curl(server: &Server, arguments: &[&str], requests: usize) -> Printed {
    let url = format!("https://{}/", server.address);
    let mut all = vec!["--silent", "--show-error", "--insecure"];
    all.extend(["--header", "Connection: close"]);
    all.extend(arguments);
    all.extend(vec![url.as_str(); requests]);
    finish(Process::spawn(&mut client("curl", &all), Stdio::null()))
}

/// Asks for the page, with `--resume` in a second connection.
#[track_caller]
pub(crate) fn gnutls_cli(server: &Server, arguments: &[&str]) -> Printed {
    let (host, port) = (server.address.ip(), server.address.port());
    let (host, port) = (host.to_string(), port.to_string());
    let all = [&["--insecure", "--port", &port, &host], arguments].concat();
    converse(&mut client("gnutls-cli", &all), REQUEST.as_bytes())
}

/// A client that cannot hang for ever.
pub(crate) fn client(program: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new("timeout");
    command.arg(DEADLINE.as_secs().to_string());
    command.arg(program).args(arguments);
    command
}

/// Sends `input` and leaves it at that: the client ends when the server does.
#[track_caller]
pub(crate) fn converse(client: &mut Command, input: &[u8]) -> Printed {
    let mut client = Process::spawn(client, Stdio::piped());
    let mut stdin = client.take_stdin();
    thread::scope(|scope| {
        scope.spawn(|| {
            // A client that fails at once does not read its input; what it prints says why.
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
