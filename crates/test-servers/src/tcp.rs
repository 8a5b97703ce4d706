//! Connections, the servers behind them, and ports for servers that cannot choose one themselves.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU16, Ordering};
use std::{io, process, thread};

use crate::wait::DEADLINE;

/// A listener on a free port of 127.0.0.1, below those that the system gives to clients: a port
/// from among those could be taken by a connection before a server listens on it.
/// Each call in a process takes another port.
pub fn free_port() -> io::Result<TcpListener> {
    static TAKEN: AtomicU16 = AtomicU16::new(0);
    let first = 10_000 + (process::id() % 1_000) as u16 * 20;
    let bind = |port| TcpListener::bind((Ipv4Addr::LOCALHOST, port));
    let found = (first..32_000).find_map(|_| {
        let taken = TAKEN.fetch_add(1, Ordering::Relaxed) % (32_000 - first);
        bind(first + taken).ok()
    });
    found.ok_or_else(|| io::ErrorKind::AddrInUse.into())
}

/// The address of a [free port](free_port) on which nothing listens.
pub fn free_address() -> SocketAddr {
    let address = free_port().and_then(|port| port.local_addr());
    address.expect("a free port")
}

/// A connection on which no read or write can hang a test for ever.
pub fn connect(address: SocketAddr) -> TcpStream {
    let tcp = TcpStream::connect(address).expect("the port is open");
    tcp.set_read_timeout(Some(DEADLINE))
        .expect("a timeout can be set");
    tcp.set_write_timeout(Some(DEADLINE))
        .expect("a timeout can be set");
    tcp
}

/// Sends everything back, and ends when the other side does.
pub fn echo() -> SocketAddr {
    echo_on(Ipv4Addr::LOCALHOST.into())
}

/// The same on another address of loopback.
pub fn echo_on(ip: IpAddr) -> SocketAddr {
    serve_on(ip, |mut tcp| {
        let mut received = tcp.try_clone()?;
        io::copy(&mut received, &mut tcp).map(drop)
    })
}

/// Serves each connection on a thread of its own with `handle`, for as long as the test process
/// lives.
pub fn serve<F>(handle: F) -> SocketAddr
where
    F: Fn(TcpStream) -> io::Result<()> + Clone + Send + 'static,
{
    serve_on(Ipv4Addr::LOCALHOST.into(), handle)
}

fn serve_on<F>(ip: IpAddr, handle: F) -> SocketAddr
where
    F: Fn(TcpStream) -> io::Result<()> + Clone + Send + 'static,
{
    let listener = TcpListener::bind((ip, 0)).expect("a free port");
    let address = listener.local_addr().expect("it has an address");
    thread::spawn(move || {
        for tcp in listener.incoming().map_while(Result::ok) {
            let handle = handle.clone();
            // What goes wrong here the client's side of the test sees as well.
            thread::spawn(move || handle(tcp));
        }
    });
    address
}
