//! Connections in memory.

use openssl::ssl::{ErrorCode, Ssl, SslContext, SslStream, SslVersion};

#[path = "../../../tests/common/pipe.rs"]
mod pipe;

pub(crate) use pipe::{Pipe, step};

pub(crate) fn new_ssl(context: &SslContext) -> Ssl {
    Ssl::new(context).expect("memory for a connection")
}

/// Both ends of a connection after its handshake; the client has not read its tickets.
pub(crate) fn shake_hands(client: Ssl, server: Ssl) -> (SslStream<Pipe>, SslStream<Pipe>) {
    let (near, far) = Pipe::pair();
    let mut client = SslStream::new(client, near).expect("a stream");
    let mut server = SslStream::new(server, far).expect("a stream");
    let (mut client_done, mut server_done) = (false, false);
    while !(client_done && server_done) {
        client_done = client_done || step(client.connect()).expect("a handshake");
        server_done = server_done || step(server.accept()).expect("a handshake");
    }
    (client, server)
}

/// Reads the tickets that TLS 1.3 sends behind the handshake.
pub(crate) fn receive_tickets(client: &mut SslStream<Pipe>) {
    if client.ssl().version2() != Some(SslVersion::TLS1_3) {
        return;
    }
    let nothing = client.ssl_read(&mut [0]).expect_err("no data, but tickets");
    assert_eq!(nothing.code(), ErrorCode::WANT_READ, "{nothing}");
}
