//! A ClientHello with many tickets.

use openssl::ssl::{SslStream, SslVersion};

use crate::tls::{Pipe, client_builder, new_ssl, step};

const PRE_SHARED_KEY: u16 = 41;

/// A MAC of SHA-256 that the server does not check, as it chooses none of the tickets.
const BINDER: [u8; 32] = [0; 32];

/// One record, of TLS 1.3 and with SHA-256 only, that names a server.
pub(super) fn without_tickets(server: &str) -> Vec<u8> {
    let mut context = client_builder(SslVersion::TLS1_3);
    let suites = context.set_ciphersuites("TLS_AES_128_GCM_SHA256");
    suites.expect("every OpenSSL has it");
    let mut client = new_ssl(&context.build());
    client.set_hostname(server).expect("a name");
    let (near, far) = Pipe::pair();
    let mut client = SslStream::new(client, near).expect("a stream");
    let done = step(client.connect()).expect("the beginning of a handshake");
    assert!(!done, "no server answers");
    far.incoming.borrow_mut().drain(..).collect()
}

/// The same with an extension behind the others that offers tickets (RFC 8446, section 4.2.11).
pub(super) fn with_tickets(hello: &[u8], tickets: &[Vec<u8>]) -> Vec<u8> {
    let (mut identities, mut binders) = (Vec::new(), Vec::new());
    for ticket in tickets {
        identities.extend(with_length(ticket));
        let age = [0; 4];
        identities.extend(age);
        binders.push(BINDER.len() as u8);
        binders.extend(BINDER);
    }
    let content = [with_length(&identities), with_length(&binders)].concat();
    let extension = [&PRE_SHARED_KEY.to_be_bytes()[..], &with_length(&content)].concat();

    let mut hello = [hello, &extension].concat();
    // Of the record, of the message (its last two bytes of three), of all extensions.
    for at in [3, 7, extensions_at(&hello)] {
        let length = short(&hello, at) + extension.len();
        hello[at..at + 2].copy_from_slice(&fits(length).to_be_bytes());
    }
    assert!(hello.len() < 1 << 14, "one record");
    hello
}

fn extensions_at(hello: &[u8]) -> usize {
    // Headers of record and message, version, random.
    let mut at = 5 + 4 + 2 + 32;
    at += 1 + usize::from(hello[at]); // session id
    at += 2 + short(hello, at); // cipher suites
    at + 1 + usize::from(hello[at]) // compression methods
}

fn short(bytes: &[u8], at: usize) -> usize {
    usize::from(u16::from_be_bytes([bytes[at], bytes[at + 1]]))
}

fn with_length(bytes: &[u8]) -> Vec<u8> {
    [&fits(bytes.len()).to_be_bytes()[..], bytes].concat()
}

fn fits(length: usize) -> u16 {
    u16::try_from(length).expect("a length of two bytes")
}
