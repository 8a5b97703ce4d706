//! One connection of a client, from its first byte on.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Poll, ready};
use std::time::Instant;

use openssl::x509::X509VerifyResult;
use rekindle::openssl::Resumption;
use tokio::io::{AsyncRead, ReadBuf};
use tokio::net::TcpStream;
use tracing::{debug, warn};

use super::client::Client;
use super::client_socket::ClientSocket;
use super::deadlines::Deadlines;
use super::frontend::Frontend;
use super::live::{Live, Service};
use super::proxy_protocol::{self, Addresses, HeaderError, MAX_RECEIVED, Parse, Version};
use super::shared_buffer::with_shared_buffer;
use super::tls::{HandshakeError, TlsStream, handshake_kind};
use super::tunnel::linger;
use crate::admin::Active;

/// The type of a record that belongs to a handshake (RFC 8446, section 5.1).
const HANDSHAKE: u8 = 22;
/// The most bytes in a plain record.
const LONGEST_RECORD: usize = 1 << 14;
/// Bytes that are read at once before TLS begins.
const LONGEST_READ: usize = LONGEST_RECORD + MAX_RECEIVED;

/// Why there is no client, and the connection, unless the client has it.
struct Failure(HandshakeError, Option<TlsStream>);

impl<E: Into<HandshakeError>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self(error.into(), None)
    }
}

/// Serves a connection to its end.
pub(super) async fn serve(
    frontend: Arc<Frontend>,
    tcp: TcpStream,
    peer: SocketAddr,
    deadlines: Deadlines,
    _active: Active,
) {
    // What a reload changes is for the connections after it.
    let live = frontend.live.load_full();
    let accepted = Instant::now();
    let deadline = deadlines.after(live.handshake_timeout);
    let opened = deadline.limit(open(&live, tcp, peer)).await;
    let client = match opened.unwrap_or_else(|| Err(HandshakeError::Timeout.into())) {
        Ok(client) => client,
        Err(Failure(error, stream)) => {
            refuse(&frontend, peer, &error);
            if let Some(stream) = stream {
                linger(stream.tcp(), &deadline).await;
            }
            return;
        }
    };
    let ssl = client.stream.ssl();
    let resumed = Resumption::resumed_by(ssl);
    let (protocol, took) = (ssl.version_str(), accepted.elapsed());
    frontend.metrics.handshake_done(protocol, resumed, took);
    let kind = handshake_kind(resumed);
    debug!(%peer, protocol, kind, early = client.early.len(), "handshake done");
    let served = match &live.service {
        Service::Tunnel(tunnel) => {
            let metrics = &frontend.metrics;
            tunnel.serve(client, resumed, &deadline, metrics).await
        }
        Service::Demo(demo) => {
            let drain = &frontend.drain;
            demo.serve(client, resumed, &deadline, drain).await
        }
    };
    match served {
        Ok(()) => debug!(%peer, "connection finished"),
        Err(error) => debug!(%peer, error, "connection broken off"),
    }
}

fn refuse(frontend: &Frontend, peer: SocketAddr, error: &HandshakeError) {
    frontend.metrics.handshake_failed(error);
    // Other failures are the peer's. Scanners and health checks cause them all day.
    if matches!(error, HandshakeError::Setup(_))
        && let Some(suppressed) = frontend.log_limits.setup_failures.admit()
    {
        warn!(%error, suppressed, "handshakes fail");
    }
    debug!(%peer, %error, "handshake failed");
}

/// Runs the handshake, or as much of it as comes before early data.
async fn open(live: &Live, mut tcp: TcpStream, peer: SocketAddr) -> Result<Client, Failure> {
    let (named, mut ahead) = match live.proxy_protocol_in {
        [] => (None, Vec::new()),
        versions => read_header(&mut tcp, versions).await?,
    };
    while !is_whole(&ahead) {
        read_more(&mut tcp, &mut ahead).await?;
    }
    let mut stream = TlsStream::new(&live.sites, ClientSocket::new(tcp, ahead))?;
    let early = match live.early_data {
        true => stream.accept_early().await,
        false => stream.accept().await.map(|()| Vec::new()),
    };
    match early {
        Ok(early) => Ok(Client {
            stream,
            early,
            named,
            peer,
        }),
        // An alert is on its way.
        Err(HandshakeError::Tls(reason)) => {
            let reason = match stream.ssl().verify_result() {
                X509VerifyResult::OK => reason,
                verified => format!("{reason}: {verified}"),
            };
            Err(Failure(HandshakeError::Tls(reason), Some(stream)))
        }
        Err(error) => Err(error.into()),
    }
}

/// Reads the header of the PROXY protocol: what it says, and what came behind it.
async fn read_header(
    tcp: &mut TcpStream,
    versions: &[Version],
) -> Result<(Option<Addresses>, Vec<u8>), HandshakeError> {
    let mut bytes = Vec::new();
    loop {
        read_more(tcp, &mut bytes).await?;
        let version = proxy_protocol::version(&bytes);
        if version.is_some_and(|version| !versions.contains(&version)) {
            return Err(HeaderError::NotAccepted.into());
        }
        if let Parse::Complete { header, length } = proxy_protocol::parse(&bytes)? {
            return Ok((header.addresses, bytes.split_off(length)));
        }
    }
}

/// Whether these bytes begin with a whole record of TLS, or cannot. Until then a client costs
/// little more than what it has sent, and no TLS connection.
fn is_whole(bytes: &[u8]) -> bool {
    match bytes {
        [HANDSHAKE, _, _, high, low, record @ ..] => {
            record.len() >= usize::from(u16::from_be_bytes([*high, *low])).min(LONGEST_RECORD)
        }
        [HANDSHAKE, ..] | [] => false,
        _ => true,
    }
}

/// Reads what has come.
async fn read_more(tcp: &mut TcpStream, bytes: &mut Vec<u8>) -> Result<(), HandshakeError> {
    let read = poll_fn(|cx| {
        with_shared_buffer(|buffer| {
            let mut room = ReadBuf::new(&mut buffer[..LONGEST_READ]);
            ready!(Pin::new(&mut *tcp).poll_read(cx, &mut room))?;
            bytes.extend_from_slice(room.filled());
            Poll::Ready(io::Result::Ok(room.filled().len()))
        })
    });
    match read.await.map_err(HandshakeError::Io)? {
        0 => Err(HandshakeError::Closed),
        _ => Ok(()),
    }
}

impl From<HeaderError> for HandshakeError {
    fn from(error: HeaderError) -> Self {
        Self::ProxyHeader(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_waited_for_until_its_first_record_is_whole_or_cannot_be() {
        let record = [HANDSHAKE, 3, 1, 0, 2, 1, 1];
        for length in 0..record.len() {
            assert!(!is_whole(&record[..length]), "{length} bytes");
        }
        assert!(is_whole(&record));
        assert!(is_whole(&[&record[..], b"more"].concat()));
        assert!(is_whole(b"GET"), "no TLS: OpenSSL answers");
        let longest = [&[HANDSHAKE, 3, 1, 0xff, 0xff], &[0; LONGEST_RECORD - 1][..]].concat();
        assert!(!is_whole(&longest));
        assert!(
            is_whole(&[&longest[..], b"x"].concat()),
            "too long: OpenSSL refuses it"
        );
    }
}
