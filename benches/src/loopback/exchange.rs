//! One connection of a client: handshake, one byte there and one back, and a clean end; and the
//! upstream that every server forwards to.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use openssl::error::ErrorStack;
use openssl::ssl::{Ssl, SslContext, SslOptions, SslSession, SslSessionRef, SslStream};
use rekindle_test_servers::{GROUP, free_port};
use rustix::thread::{CpuSet, sched_setaffinity};

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

/// What a client says.
const QUESTION: u8 = b'?';
/// What it is answered.
const ANSWER: u8 = b'!';

/// Answers on a free port of loopback for as long as this process lives. It has a thread for each
/// connection that there can be at a time: a client that waits for another one's end would be
/// measured as the server's delay.
pub(super) fn start_upstream(threads: usize, cpus: CpuSet) -> io::Result<SocketAddr> {
    let listener = Arc::new(free_port()?);
    let address = listener.local_addr()?;
    for _ in 0..threads {
        let listener = Arc::clone(&listener);
        thread::spawn(move || {
            sched_setaffinity(None, &cpus).expect("our own processors are allowed");
            for connection in listener.incoming().map_while(Result::ok) {
                // The client sees what goes wrong here.
                let _ = answer(connection);
            }
        });
    }
    Ok(address)
}

fn answer(mut connection: TcpStream) -> io::Result<()> {
    connection.set_read_timeout(Some(PATIENCE))?;
    let mut byte = [0];
    connection.read_exact(&mut byte)?;
    if byte == [QUESTION] {
        connection.write_all(&[ANSWER])?;
        // Nothing more comes, but the end.
        let _ = connection.read(&mut byte)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rekindle_test_servers::connect;

    #[test]
    fn every_question_is_answered() {
        let all = rustix::thread::sched_getaffinity(None).unwrap();
        let upstream = start_upstream(2, all).unwrap();
        for _ in 0..5 {
            let mut client = connect(upstream);
            client.write_all(&[QUESTION]).unwrap();
            let mut told = [0];
            client.read_exact(&mut told).unwrap();
            assert_eq!(told, [ANSWER]);
        }
    }
}
