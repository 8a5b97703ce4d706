//! One connection: handshake, one byte there and one back, and a clean end.

use std::io::{ErrorKind, Read};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use openssl::ssl::{Ssl, SslContext, SslSession, SslSessionRef, SslStream};

use super::upstream::{ANSWER, QUESTION};
use crate::tls::{SERVER_NAME, offer};

/// No server may be silent for longer.
const PATIENCE: Duration = Duration::from_secs(5);
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
) -> Result<Exchange, String> {
    let start = Instant::now();
    let tcp = TcpStream::connect(address).map_err(failed("connect"))?;
    tcp.set_read_timeout(Some(PATIENCE))
        .map_err(failed("read timeout"))?;
    // The byte follows the client's last message of the handshake at once, and would wait for that
    // one's acknowledgement.
    tcp.set_nodelay(true).map_err(failed("no delay"))?;
    let mut ssl = Ssl::new(context).map_err(failed("connection"))?;
    ssl.set_hostname(SERVER_NAME).map_err(failed("name"))?;
    if let Some(session) = session {
        offer(&mut ssl, session);
    }
    let mut stream = ssl.connect(tcp).map_err(failed("handshake"))?;
    stream.ssl_write(&[QUESTION]).map_err(failed("question"))?;
    let mut answer = [0];
    stream.ssl_read(&mut answer).map_err(failed("answer"))?;
    let latency = start.elapsed();
    if answer != [ANSWER] {
        return Err(format!("answer: {answer:?}"));
    }
    let exchange = Exchange {
        latency,
        resumed: stream.ssl().session_reused(),
        session: stream.ssl().session().map(ToOwned::to_owned),
    };
    end(stream)?;
    Ok(exchange)
}

fn end(mut stream: SslStream<TcpStream>) -> Result<(), String> {
    stream.shutdown().map_err(failed("close_notify"))?;
    // Its `close_notify`, should it send one, is not read by OpenSSL.
    let mut rest = [0; 256];
    for _ in 0..READS_TO_THE_END {
        match stream.get_mut().read(&mut rest) {
            Ok(0) => return Ok(()),
            Ok(_) => {}
            // It does not matter how it hangs up: everything was said before.
            Err(error) if error.kind() == ErrorKind::ConnectionReset => return Ok(()),
            Err(error) => return Err(failed("end")(error)),
        }
    }
    Err("end: does not come".into())
}

fn failed<E: std::fmt::Display>(what: &'static str) -> impl Fn(E) -> String {
    move |error| format!("{what}: {error}")
}
