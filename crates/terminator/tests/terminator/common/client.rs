//! TLS clients: the `openssl` command line, and a stream of the test's own where it needs both ends
//! of a half-closed connection.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Stdio};

use openssl::ssl::{SslConnector, SslMethod, SslStream, SslVerifyMode};

use super::connect;

/// What `openssl s_client` printed.
#[derive(Debug)]
pub(crate) struct Printed(pub(crate) String);

impl Printed {
    /// For each handshake, whether it was resumed.
    pub(crate) fn reused(&self) -> Vec<bool> {
        let lines = self
            .0
            .lines()
            .filter(|line| line.starts_with("New, ") || line.starts_with("Reused, "));
        lines.map(|line| line.starts_with("Reused")).collect()
    }

    /// The session ids of the handshakes, in order.
    pub(crate) fn session_ids(&self) -> Vec<&str> {
        let ids = self
            .0
            .lines()
            .filter_map(|line| line.trim().strip_prefix("Session-ID:"));
        ids.map(str::trim).filter(|id| !id.is_empty()).collect()
    }

    /// What the demo says the handshake was.
    #[track_caller]
    pub(crate) fn handshake(&self) -> &str {
        let (_, rest) = self
            .0
            .split_once("\"handshake\": \"")
            .unwrap_or_else(|| panic!("no answer: {}", self.0));
        rest.split_once('"').expect("JSON is complete").0
    }

    #[track_caller]
    pub(crate) fn assert_no_error(&self) -> &Self {
        assert!(!self.0.contains(":error:"), "{}", self.0);
        assert!(!self.0.contains("alert"), "{}", self.0);
        self
    }

    /// No error, and handshakes that were resumed or not, in this order.
    #[track_caller]
    pub(crate) fn expect_reused<const N: usize>(&self, reused: [bool; N]) -> &Self {
        self.assert_no_error();
        assert_eq!(self.reused(), reused, "{}", self.0);
        self
    }
}

/// Connects, and hangs up when the handshake is done.
pub(crate) fn s_client(address: SocketAddr, words: &str) -> Printed {
    run_s_client(address, words, "")
}

/// Connects, asks the demo how the handshake was, and waits for the answer: with it come the
/// tickets of TLS 1.3.
pub(crate) fn s_client_get(address: SocketAddr, words: &str) -> Printed {
    run_s_client(
        address,
        &format!("-ign_eof {words}"),
        "GET / HTTP/1.0\r\n\r\n",
    )
}

fn run_s_client(address: SocketAddr, words: &str, input: &str) -> Printed {
    let command = format!("60 openssl s_client -connect {address} {words}");
    let mut child = Command::new("timeout")
        .args(command.split_whitespace())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("openssl runs");
    let mut stdin = child.stdin.take().expect("stdin is piped");
    // A client that fails at once does not read its input; what it printed says why.
    let _ = stdin.write_all(input.as_bytes());
    drop(stdin);
    let output = child.wait_with_output().expect("openssl ends");
    let printed = [output.stdout, output.stderr].concat();
    Printed(String::from_utf8_lossy(&printed).into_owned())
}

pub(crate) type Tls = SslStream<TcpStream>;

/// A connection of the test's own, with the handshake done.
pub(crate) fn tls_connect(address: SocketAddr) -> Tls {
    connector()
        .connect("localhost", connect(address))
        .expect("the handshake succeeds")
}

pub(crate) fn connector() -> SslConnector {
    let mut builder = SslConnector::builder(SslMethod::tls_client()).expect("OpenSSL works");
    builder.set_verify(SslVerifyMode::NONE);
    builder.build()
}

#[track_caller]
pub(crate) fn send(stream: &mut Tls, bytes: &[u8]) {
    stream.write_all(bytes).expect("the connection takes bytes");
}

#[track_caller]
pub(crate) fn receive<const N: usize>(stream: &mut Tls) -> [u8; N] {
    let mut bytes = [0; N];
    stream.read_exact(&mut bytes).expect("bytes arrive");
    bytes
}

/// All bytes up to `close_notify`; an error if the connection ends without it.
pub(crate) fn receive_all(stream: &mut Tls) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The common name in the certificate that the server shows on this connection.
pub(crate) fn common_name(stream: &Tls) -> String {
    let certificate = stream.ssl().peer_certificate();
    let certificate = certificate.expect("servers show a certificate");
    let entry = certificate.subject_name().entries().next();
    let name = entry.expect("the subject has a name").data().to_string();
    name.expect("the name is text")
}
