//! Makes one connection to one address, with as few system calls as it takes.

use std::io;
use std::net::SocketAddr;
use std::path::Path;

use rustix::io::Errno;
use socket2::{Domain, SockAddr, SockRef, Socket, Type};
use tokio::io::Interest;
use tokio::net::{TcpStream, UnixStream};

/// A connection that the kernel has made or has begun to make.
#[derive(Debug)]
pub(super) enum Started {
    Connected(TcpStream),
    Pending(Pending),
}

/// A connection that the kernel is making.
#[derive(Debug)]
pub(super) struct Pending {
    stream: TcpStream,
    address: SocketAddr,
}

/// Starts a connection with `TCP_NODELAY`.
///
/// It has no keepalive: the limit on idle time ends a connection whose upstream vanished.
pub(super) fn start(address: SocketAddr) -> io::Result<Started> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM.nonblocking(),
        None,
    )?;
    match socket.connect(&address.into()) {
        Err(error) if is(&error, Errno::INPROGRESS) => {}
        connected => connected?,
    }
    socket.set_tcp_nodelay(true)?;
    // Linux tells of a connection to the same machine by EINPROGRESS as well, although the
    // handshake is over when the call returns. To ask again saves a turn of the event loop.
    let pending = match proceed(&socket, address) {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => true,
        connected => connected.map(|()| false)?,
    };
    let stream = TcpStream::from_std(socket.into())?;
    Ok(if pending {
        Started::Pending(Pending { stream, address })
    } else {
        Started::Connected(stream)
    })
}

/// Connects, with no limit in time but the kernel's.
pub(super) async fn tcp(address: SocketAddr) -> io::Result<TcpStream> {
    match start(address)? {
        Started::Connected(stream) => Ok(stream),
        Started::Pending(pending) => pending.connected().await,
    }
}

/// Connects to a Unix socket, which takes no time: the kernel puts the connection into the
/// listener's queue, or fails.
///
/// A full queue (EAGAIN) is a failure. The kernel tells of no room in it, so there is nothing to
/// wait for.
pub(super) fn unix(path: &Path) -> io::Result<UnixStream> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM.nonblocking(), None)?;
    socket
        .connect(&SockAddr::unix(path)?)
        .map_err(|error| match error.kind() {
            io::ErrorKind::WouldBlock => io::Error::other("its queue of connections is full"),
            _ => error,
        })?;
    UnixStream::from_std(socket.into())
}

impl Pending {
    pub(super) async fn connected(self) -> io::Result<TcpStream> {
        let connected = || proceed(&SockRef::from(&self.stream), self.address);
        self.stream.async_io(Interest::WRITABLE, connected).await?;
        Ok(self.stream)
    }
}

/// How far the connection is, by another connect(2): `WouldBlock` while the kernel is making it.
fn proceed(socket: &Socket, address: SocketAddr) -> io::Result<()> {
    match socket.connect(&address.into()) {
        Err(error) if is(&error, Errno::ISCONN) => Ok(()),
        Err(error) if is(&error, Errno::ALREADY) => Err(io::ErrorKind::WouldBlock.into()),
        connected => connected,
    }
}

/// Whether the error is this machine's lack of descriptors or memory, and tells nothing of the
/// upstream.
pub(super) fn is_local(error: &io::Error) -> bool {
    [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM]
        .into_iter()
        .any(|errno| is(error, errno))
}

fn is(error: &io::Error, errno: Errno) -> bool {
    error.raw_os_error() == Some(errno.raw_os_error())
}
