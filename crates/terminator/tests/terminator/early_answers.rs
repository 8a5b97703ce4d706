//! Long answers to early data, while the client's handshake takes its time.

use std::io::{self, Read, Write};

use openssl::ssl::{SslSession, SslVersion};
use rekindle_test_servers::{Files, TlsClient, serve};

use crate::common::Terminator;
use crate::early_data::flight;

/// Far more than the buffers of sockets hold.
const ANSWER: usize = 32 << 20;
const REQUEST: &[u8] = b"request";

/// An upstream that answers every request with zeros.
fn upstream() -> std::net::SocketAddr {
    serve(|mut tcp| {
        // What is left unread makes a reset of the close.
        let mut received = Vec::new();
        while !received.ends_with(REQUEST) {
            let mut byte = [0];
            tcp.read_exact(&mut byte)?;
            received.extend(byte);
        }
        io::copy(&mut io::repeat(0).take(ANSWER as u64), &mut tcp)?;
        Ok(())
    })
}

fn session(terminator: &Terminator) -> SslSession {
    let client = TlsClient::new(SslVersion::TLS1_3);
    let mut stream = client.connect(terminator.address);
    stream.write_all(REQUEST).expect("it is sent");
    io::copy(&mut stream, &mut io::sink()).expect("an answer");
    client.session().expect("a ticket")
}

/// The handshake once went on only when the answer let up, and sometimes broke the connection.
#[test]
fn an_answer_that_never_lets_up_does_not_keep_the_handshake_from_its_end() {
    let files = Files::with_certificate("early");
    let words = "--threads 1 --proxy-protocol-out v2 --early-data 4096";
    let terminator = Terminator::proxy(upstream(), &files, words);
    let session = session(&terminator);
    let mut client = flight(&terminator, &session, REQUEST);
    let mut answer = vec![1; ANSWER];
    let (first, rest) = answer.split_at_mut(ANSWER / 4);
    // Behind this much there is always more, and no room for it.
    client.read_exact(first).expect("an answer to early data");
    // OpenSSL's client only reads so far.
    client.do_handshake().expect("the client finishes it");
    client.read_exact(rest).expect("the whole answer");
    assert!(answer.iter().all(|byte| *byte == 0));
    assert_eq!(client.read(&mut [0]).expect("close_notify"), 0);
}
