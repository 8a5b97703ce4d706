//! What a client does and sees below TLS.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};

use openssl::ssl::{HandshakeError, ShutdownState, SslStream};
use rekindle_test_servers::{DEADLINE, eventually};
use socket2::{Domain, Socket, Type};

use super::client::{Tls, connector};

/// Into which writes the first bytes of a connection are divided.
pub(crate) type Pieces = fn(&[u8]) -> Vec<Vec<u8>>;

/// A connection whose first write, the ClientHello, goes out behind other bytes and in pieces.
#[derive(Debug)]
pub(crate) struct Wire {
    tcp: TcpStream,
    first: Option<(Vec<u8>, Pieces)>,
}

impl Wire {
    pub(crate) fn tcp(&mut self) -> &mut TcpStream {
        &mut self.tcp
    }
}

impl Read for Wire {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.tcp.read(buffer)
    }
}

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Some((before, pieces)) = self.first.take() else {
            return self.tcp.write(bytes);
        };
        for piece in pieces(&[&before, bytes].concat()) {
            self.tcp.write_all(&piece)?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Shakes hands. The ClientHello goes out behind `before`, all of it in `pieces`.
#[track_caller]
pub(crate) fn tls_in_pieces(tcp: TcpStream, before: &[u8], pieces: Pieces) -> SslStream<Wire> {
    tcp.set_nodelay(true).expect("each write is a segment");
    let first = Some((before.to_vec(), pieces));
    let connected = connector().connect("localhost", Wire { tcp, first });
    connected.expect("the handshake succeeds")
}

pub(crate) fn whole(bytes: &[u8]) -> Vec<Vec<u8>> {
    vec![bytes.to_vec()]
}

pub(crate) fn byte_by_byte(bytes: &[u8]) -> Vec<Vec<u8>> {
    bytes.iter().map(|byte| vec![*byte]).collect()
}

/// One TLS record becomes two, in two segments.
pub(crate) fn two_records(record: &[u8]) -> Vec<Vec<u8>> {
    let (head, content) = record.split_at(5);
    let (first, second) = content.split_at(content.len() / 2);
    let record = |part: &[u8]| {
        let length = (part.len() as u16).to_be_bytes();
        [&head[..3], &length, part].concat()
    };
    vec![record(first), record(second)]
}

/// The first record of a client.
pub(crate) fn client_hello() -> Vec<u8> {
    #[derive(Debug)]
    struct Sent(Vec<u8>);
    impl Read for Sent {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::ErrorKind::WouldBlock.into())
        }
    }
    impl Write for Sent {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.write(bytes)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    match connector().connect("localhost", Sent(Vec::new())) {
        Err(HandshakeError::WouldBlock(waiting)) => waiting.get_ref().0.clone(),
        other => panic!("a client waits for an answer: {other:?}"),
    }
}

/// A connection from an address of loopback that no other client has.
pub(crate) fn connect_from(source: Ipv4Addr, to: SocketAddr) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    let source = SocketAddr::from((source, 0));
    socket.bind(&source.into()).expect("an address of loopback");
    socket.connect(&to.into()).expect("the port is open");
    let tcp = TcpStream::from(socket);
    tcp.set_read_timeout(Some(DEADLINE)).expect("a timeout");
    tcp.set_write_timeout(Some(DEADLINE)).expect("a timeout");
    tcp
}

/// How a connection ended, as the client sees it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// With `close_notify`, then FIN.
    CloseNotify,
    /// With FIN alone.
    Fin,
    Reset,
}

/// All that arrives, and how it ended.
#[track_caller]
pub(crate) fn receive_to_end(stream: &mut Tls) -> (Vec<u8>, End) {
    let mut bytes = Vec::new();
    let reset = |error: &io::Error| error.kind() == io::ErrorKind::ConnectionReset;
    let read = stream.read_to_end(&mut bytes);
    if read.is_err_and(|error| reset(&error)) {
        return (bytes, End::Reset);
    }
    let end = match stream.get_ref().read(&mut [0]) {
        Ok(0) if stream.get_shutdown().contains(ShutdownState::RECEIVED) => End::CloseNotify,
        Ok(0) => End::Fin,
        Err(error) if reset(&error) => End::Reset,
        other => panic!("no end: {other:?}"),
    };
    (bytes, end)
}

/// Waits until the peer's kernel has all that was written.
pub(crate) fn wait_until_acknowledged(tcp: &TcpStream) {
    let hex = |address: io::Result<SocketAddr>| match address {
        Ok(SocketAddr::V4(v4)) => {
            let ip = u32::from_ne_bytes(v4.ip().octets());
            format!("{ip:08X}:{:04X}", v4.port())
        }
        other => panic!("no address of IPv4: {other:?}"),
    };
    let pair = format!("{} {}", hex(tcp.local_addr()), hex(tcp.peer_addr()));
    eventually("an empty send queue", || {
        let table = std::fs::read_to_string("/proc/net/tcp").expect("Linux");
        let row = table.lines().find(|row| row.contains(&pair));
        // Address, address, state, `tx_queue:rx_queue`.
        let queues = row.and_then(|row| row.split_whitespace().nth(4));
        queues.is_none_or(|queues| queues.starts_with("00000000:"))
    });
}
