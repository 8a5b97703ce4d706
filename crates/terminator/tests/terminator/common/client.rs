//! A TLS stream of the test's own, where it needs both ends of a half-closed connection.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};

use openssl::ssl::{
    ShutdownState, SslConnector, SslConnectorBuilder, SslMethod, SslStream, SslVerifyMode,
};

use super::connect;

pub(crate) type Tls = SslStream<TcpStream>;

/// A connection of the test's own, with the handshake done.
pub(crate) fn tls_connect(address: SocketAddr) -> Tls {
    connector()
        .connect("localhost", connect(address))
        .expect("the handshake succeeds")
}

pub(crate) fn connector() -> SslConnector {
    connector_builder().build()
}

/// Of a client that takes each certificate.
pub(crate) fn connector_builder() -> SslConnectorBuilder {
    let mut builder = SslConnector::builder(SslMethod::tls_client()).expect("OpenSSL works");
    builder.set_verify(SslVerifyMode::NONE);
    builder
}

/// A new connection, behind which an upstream sends everything back.
#[track_caller]
pub(crate) fn echoes(address: SocketAddr) {
    let mut stream = tls_connect(address);
    send(&mut stream, b"hello");
    assert_eq!(&receive(&mut stream), b"hello");
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
    // To `SslStream` the end of TCP is an end as well.
    match stream.get_shutdown().contains(ShutdownState::RECEIVED) {
        true => Ok(bytes),
        false => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

/// The common name in the certificate that the server shows on this connection.
pub(crate) fn common_name(stream: &Tls) -> String {
    let certificate = stream.ssl().peer_certificate();
    let certificate = certificate.expect("servers show a certificate");
    let entry = certificate.subject_name().entries().next();
    let name = entry.expect("the subject has a name").data().to_string();
    name.expect("the name is text")
}
