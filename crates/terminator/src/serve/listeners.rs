//! The listening sockets: for each address one that each worker has for itself.

use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};

use socket2::{Domain, Protocol, Socket, Type};

use super::sockets;
use crate::cli::Address;
use crate::error::RunError;

/// Listens on all addresses, `workers` times each: the kernel divides new connections among the
/// sockets of an address. The result has a group of sockets for each worker, and the addresses with
/// the ports that were chosen.
pub(super) fn bind_all(
    addresses: &[Address],
    backlog: u16,
    workers: usize,
) -> Result<(Vec<Vec<TcpListener>>, Vec<SocketAddr>), RunError> {
    let mut groups: Vec<Vec<TcpListener>> = (0..workers).map(|_| Vec::new()).collect();
    let mut bound = Vec::with_capacity(addresses.len());
    for address in addresses {
        let listeners = bind(address, backlog, workers);
        let (listeners, local) = listeners.map_err(|source| RunError::Bind {
            flag: "--listen",
            address: address.as_str().into(),
            source,
        })?;
        bound.push(local);
        for (group, listener) in groups.iter_mut().zip(listeners) {
            group.push(listener);
        }
    }
    Ok((groups, bound))
}

/// The first of the addresses that a name has and that can be listened on.
fn bind(
    address: &Address,
    backlog: u16,
    workers: usize,
) -> io::Result<(Vec<TcpListener>, SocketAddr)> {
    let mut failed = None;
    for address in address.as_str().to_socket_addrs()? {
        match bind_group(address, backlog, workers) {
            Ok(bound) => return Ok(bound),
            Err(error) => failed = Some(error),
        }
    }
    Err(failed.unwrap_or_else(|| io::Error::other("the name has no address")))
}

fn bind_group(
    address: SocketAddr,
    backlog: u16,
    workers: usize,
) -> io::Result<(Vec<TcpListener>, SocketAddr)> {
    // The first one is bound before it shares its port, so that a port which another process
    // listens on is an error: the kernel would divide connections between the processes.
    let first = socket(address)?;
    first.bind(&address.into())?;
    let local = first.local_addr()?;
    let local = local.as_socket().expect("it was bound to an address of IP");
    let mut sockets = vec![first];
    if workers > 1 {
        sockets[0].set_reuse_port(true)?;
    }
    for _ in 1..workers {
        let socket = socket(local)?;
        socket.set_reuse_port(true)?;
        socket.bind(&local.into())?;
        sockets.push(socket);
    }
    for socket in &sockets {
        sockets::set_options(socket)?;
        socket.listen(backlog.into())?;
    }
    let listeners = sockets.into_iter().map(TcpListener::from).collect();
    Ok((listeners, local))
}

fn socket(address: SocketAddr) -> io::Result<Socket> {
    let domain = Domain::for_address(address);
    let socket = Socket::new(domain, Type::STREAM.nonblocking(), Some(Protocol::TCP))?;
    // After a restart, connections of the process before may still wait for their end.
    socket.set_reuse_address(true)?;
    if domain == Domain::IPV6 {
        // 0.0.0.0 and [::] are two addresses.
        socket.set_only_v6(true)?;
    }
    Ok(socket)
}
