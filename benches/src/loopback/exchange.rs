//! One connection of a client: handshake, a question and its answer, and a clean end.

use std::io::{ErrorKind, Read};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use openssl::error::ErrorStack;
use openssl::ssl::{Ssl, SslContext, SslOptions, SslSession, SslSessionRef, SslStream};
use rekindle_test_servers::GROUP;

use super::upstream::{PERIOD, Question};
use crate::tls::{HandshakeKind, SERVER_NAME, client_builder, offer};

/// The cipher suites of TLS 1.2 and TLS 1.3.
pub(super) const CIPHER_SUITES: [&str; 2] =
    ["ECDHE-ECDSA-AES128-GCM-SHA256", "TLS_AES_128_GCM_SHA256"];

/// A client's context. It offers one cipher suite, one group, one signature algorithm, so that
/// every server ends up with the same. It does not check the certificate's chain, to spend as
/// little time as a client can; the handshake's own signature is checked.
pub(super) fn client(kind: HandshakeKind) -> Result<SslContext, ErrorStack> {
    let mut builder = client_builder(kind.version());
    builder.set_cipher_list(CIPHER_SUITES[0])?;
    builder.set_ciphersuites(CIPHER_SUITES[1])?;
    // The other is the certificate's: in TLS 1.2 it has to be among them. Every server takes the
    // first: four are told to, and OpenSSL prefers it for rekindle.
    builder.set_groups_list(&format!("{GROUP}:P-256"))?;
    builder.set_sigalgs_list("ECDSA+SHA256")?;
    // One read for all that has come, not two for each record.
    builder.set_read_ahead(true);
    if kind == HandshakeKind::Tls12Id {
        // No server gives a ticket that was not asked for.
        builder.set_options(SslOptions::NO_TICKET);
    }
    Ok(builder.build())
}

/// No server may be silent for longer.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);
/// More reads than any clean end takes.
const READS_TO_THE_END: usize = 16;

pub(super) struct Exchange {
    /// From before connecting until the answer was there.
    pub(super) latency: Duration,
    /// Whether the offered session was taken.
    pub(super) resumed: bool,
    /// What to offer the next time.
    pub(super) session: Option<SslSession>,
}

/// Connects, offering `session`, which must come from a connection with the same context.
///
/// The answer proves that the server took the client's side of the handshake for good, and in
/// TLS 1.3 the new tickets come before it. Then the client says `close_notify`, and waits for the
/// server's end of TCP before it closes its own. So a server keeps its session (OpenSSL drops one
/// when neither side said `close_notify`, and Traffic Server never does), and no client's
/// port is left in TIME_WAIT.
/// The error says what failed, and how.
pub(super) fn exchange(
    context: &SslContext,
    address: SocketAddr,
    session: Option<&SslSessionRef>,
    question: Question,
) -> Result<Exchange, String> {
    let start = Instant::now();
    let mut stream = open(context, address, session, question)?;
    let exchange = Exchange {
        latency: start.elapsed(),
        resumed: stream.ssl().session_reused(),
        session: stream.ssl().session().map(ToOwned::to_owned),
    };
    stream.shutdown().map_err(failed("close_notify"))?;
    wait_for_end(stream.get_mut())?;
    Ok(exchange)
}

/// The same without the end.
pub(super) fn open(
    context: &SslContext,
    address: SocketAddr,
    session: Option<&SslSessionRef>,
    question: Question,
) -> Result<SslStream<TcpStream>, String> {
    let tcp = TcpStream::connect(address).map_err(failed("connect"))?;
    tcp.set_read_timeout(Some(PATIENCE))
        .map_err(failed("read timeout"))?;
    // The question follows the client's last message of the handshake at once, and would wait for
    // that one's acknowledgement.
    tcp.set_nodelay(true).map_err(failed("no delay"))?;
    let ssl = connection(context, session)?;
    let mut stream = ssl.connect(tcp).map_err(failed("handshake"))?;
    let asked = stream.ssl_write(&[question.byte()]);
    asked.map_err(failed("question"))?;
    let (mut buffer, mut received) = ([0; PERIOD], 0);
    while received < question.length() {
        let part = stream.ssl_read(&mut buffer).map_err(failed("answer"))?;
        if !question.is_answered_by(received, &buffer[..part]) {
            return Err(format!("answer: wrong after {received} bytes"));
        }
        received += part as u64;
    }
    Ok(stream)
}

/// A client's side that has not begun.
pub(super) fn connection(
    context: &SslContext,
    session: Option<&SslSessionRef>,
) -> Result<Ssl, String> {
    let mut ssl = Ssl::new(context).map_err(failed("connection"))?;
    ssl.set_hostname(SERVER_NAME).map_err(failed("name"))?;
    if let Some(session) = session {
        offer(&mut ssl, session);
    }
    Ok(ssl)
}

/// Waits for the server's end of TCP.
pub(super) fn wait_for_end(tcp: &mut TcpStream) -> Result<(), String> {
    // Its `close_notify`, should it send one, is not read by OpenSSL.
    let mut rest = [0; 256];
    for _ in 0..READS_TO_THE_END {
        match tcp.read(&mut rest) {
            Ok(0) => return Ok(()),
            Ok(_) => {}
            // It does not matter how it hangs up: everything was said before.
            Err(error) if error.kind() == ErrorKind::ConnectionReset => return Ok(()),
            Err(error) => return Err(failed("end")(error)),
        }
    }
    Err("end: does not come".into())
}

pub(super) fn failed<E: std::fmt::Display>(what: &'static str) -> impl Fn(E) -> String {
    move |error| format!("{what}: {error}")
}
