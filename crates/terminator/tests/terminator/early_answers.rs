//! Long answers to early data, while the client's handshake takes its time.

use std::io::{self, Read, Write};
use std::net::TcpStream;

use openssl::ssl::{Ssl, SslContext, SslMethod, SslSession, SslStream, SslVerifyMode, SslVersion};
use rekindle_test_servers::{Files, TlsClient, serve};

use crate::common::{Terminator, connect};

/// Far more than the buffers of sockets hold.
const ANSWER: usize = 32 << 20;
const REQUEST: &[u8] = b"request";

/// An upstream that answers every connection with zeros.
fn upstream() -> std::net::SocketAddr {
    serve(|mut tcp| {
        tcp.read_exact(&mut [0])?;
        io::copy(&mut io::repeat(0).take(ANSWER as u64), &mut tcp)?;
        Ok(())
    })
}

/// What is written is held back while it is shut.
#[derive(Debug)]
struct Gate {
    tcp: TcpStream,
    is_shut: bool,
    held: Vec<u8>,
}

impl Read for Gate {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        self.tcp.read(bytes)
    }
}

impl Write for Gate {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.is_shut {
            true => self.held.write(bytes),
            false => self.tcp.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn session(terminator: &Terminator) -> SslSession {
    let client = TlsClient::new(SslVersion::TLS1_3);
    let mut stream = client.connect(terminator.address);
    stream.write_all(REQUEST).expect("it is sent");
    io::copy(&mut stream, &mut io::sink()).expect("an answer");
    client.session().expect("a ticket")
}

fn early(terminator: &Terminator, session: &SslSession) -> SslStream<Gate> {
    let mut builder = SslContext::builder(SslMethod::tls_client()).expect("OpenSSL");
    builder.set_verify(SslVerifyMode::NONE);
    let mut ssl = Ssl::new(&builder.build()).expect("OpenSSL");
    ssl.set_hostname("localhost").expect("a name");
    let copy = SslSession::from_der(&session.to_der().expect("DER")).expect("DER");
    #[allow(unsafe_code, reason = "rust-openssl's way to offer a session")]
    // SAFETY: both are clients of TLS 1.3 with the same settings; the copy is no other's.
    unsafe {
        ssl.set_session(&copy).expect("it fits");
    }
    ssl.set_connect_state();
    let gate = Gate {
        tcp: connect(terminator.address),
        is_shut: false,
        held: Vec::new(),
    };
    let mut stream = SslStream::new(ssl, gate).expect("OpenSSL");
    stream.write_early_data(REQUEST).expect("it is allowed");
    stream
}

/// The handshake once went on only when the answer let up, and sometimes broke the connection.
#[test]
fn an_answer_that_never_lets_up_does_not_keep_the_handshake_from_its_end() {
    let files = Files::with_certificate("early");
    let words = "--threads 1 --send-proxy v2 --early-data 4096";
    let terminator = Terminator::proxy(upstream(), &files, words);
    let session = session(&terminator);
    let mut client = early(&terminator, &session);
    client.get_mut().is_shut = true;
    let mut answer = vec![1; ANSWER];
    let (first, rest) = answer.split_at_mut(ANSWER / 4);
    // Behind this much there is always more, and no room for it.
    client.read_exact(first).expect("an answer to early data");
    let gate = client.get_mut();
    gate.is_shut = false;
    let finished = std::mem::take(&mut gate.held);
    assert!(
        !finished.is_empty(),
        "the client has finished its handshake"
    );
    gate.write_all(&finished).expect("it is sent");
    client.read_exact(rest).expect("the whole answer");
    assert!(answer.iter().all(|byte| *byte == 0));
    assert_eq!(client.read(&mut [0]).expect("close_notify"), 0);
    drop(client);
    terminator.wait_for_metric("rekindle_connections_active", 0);
    let broken = "rekindle_connections_broken_total{side=\"client\"}";
    assert_eq!(terminator.metric(broken), 0);
}
