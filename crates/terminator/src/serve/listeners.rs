//! The listening sockets: for each address one that each worker has for itself.

use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};

use rustix::fs::fstat;
use socket2::{Domain, Protocol, Socket, Type};

use super::sockets;
use crate::cli::Address;
use crate::error::RunError;
use crate::handover::{GivenSocket, Purpose, Sockets};

/// The listeners of all addresses.
#[derive(Debug)]
pub(super) struct Listeners {
    /// A group of sockets for each worker.
    pub(super) groups: Vec<Vec<TcpListener>>,
    /// With the ports that were chosen, and what the configuration calls them.
    pub(super) bound: Vec<(Option<String>, SocketAddr)>,
}

/// Listens on all addresses, `workers` times each: the kernel divides new connections among the
/// sockets of an address. Where a socket was given for an address, by a predecessor or by systemd,
/// the workers share that. Sockets of systemd for further addresses count as well.
pub(super) fn bind_all(
    addresses: &[Address],
    backlog: u16,
    workers: usize,
    given: Vec<GivenSocket>,
) -> Result<Listeners, RunError> {
    let mut given = Given::sort(given)?;
    let mut all = Listeners {
        groups: (0..workers).map(|_| Vec::new()).collect(),
        bound: Vec::with_capacity(addresses.len()),
    };
    for address in addresses {
        let text = address.as_str();
        let failed = |source| RunError::Bind {
            flag: "--listen",
            address: text.into(),
            source,
        };
        let (listeners, local) = match given.take(text) {
            Some(given) => given.shared_by(workers, backlog),
            None => bind(address, backlog, workers),
        }
        .map_err(failed)?;
        all.add(Some(text.into()), listeners, local);
    }
    for further in given.of_systemd() {
        let (listeners, local) = further
            .shared_by(workers, backlog)
            .map_err(RunError::Systemd)?;
        all.add(None, listeners, local);
    }
    match all.bound.is_empty() {
        true => Err(RunError::NoListener),
        false => Ok(all),
    }
}

impl Listeners {
    fn add(&mut self, text: Option<String>, listeners: Vec<TcpListener>, local: SocketAddr) {
        self.bound.push((text, local));
        let workers = self.groups.len();
        for (number, listener) in listeners.into_iter().enumerate() {
            self.groups[number % workers].push(listener);
        }
    }

    /// Adds them to what a successor is given.
    pub(super) fn share(&self, sockets: &Sockets) -> io::Result<()> {
        for listener in self.groups.iter().flatten() {
            let local = listener.local_addr()?;
            let bound = self.bound.iter().find(|(_, bound)| *bound == local);
            let text = bound.and_then(|(text, _)| text.clone());
            sockets.add(Purpose::Listen(text), listener)?;
        }
        Ok(())
    }
}

/// The sockets that were given for one address.
#[derive(Debug)]
struct GivenAddress {
    /// As the predecessor's configuration has it; `None` from systemd.
    text: Option<String>,
    local: SocketAddr,
    sockets: Vec<Socket>,
}

/// By address.
#[derive(Debug)]
struct Given(Vec<GivenAddress>);

impl Given {
    fn sort(given: Vec<GivenSocket>) -> Result<Self, RunError> {
        let mut sorted: Vec<GivenAddress> = Vec::new();
        for GivenSocket { purpose, socket } in given {
            let Purpose::Listen(text) = purpose else {
                continue;
            };
            let socket = Socket::from(socket);
            let local = listening_at(&socket).map_err(RunError::Systemd)?;
            match sorted.iter_mut().find(|known| known.local == local) {
                // The workers of the predecessor share it, or it is systemd's as well.
                Some(known) if known.sockets.iter().any(|known| is_same(known, &socket)) => {}
                Some(known) => known.sockets.push(socket),
                None => sorted.push(GivenAddress {
                    text,
                    local,
                    sockets: vec![socket],
                }),
            }
        }
        Ok(Self(sorted))
    }

    /// Those that the configuration calls so, or that have such an address.
    fn take(&mut self, text: &str) -> Option<GivenAddress> {
        let is_so = |known: &GivenAddress| known.text.as_deref() == Some(text);
        let place = self.0.iter().position(is_so).or_else(|| {
            let addresses: Vec<_> = text.to_socket_addrs().ok()?.collect();
            self.0
                .iter()
                .position(|known| addresses.contains(&known.local))
        })?;
        Some(self.0.remove(place))
    }

    fn of_systemd(self) -> impl Iterator<Item = GivenAddress> {
        self.0.into_iter().filter(|known| known.text.is_none())
    }
}

impl GivenAddress {
    /// A listener for each worker at least: where there are too few, workers share. None is left
    /// out, for each has clients in its queue.
    fn shared_by(self, workers: usize, backlog: u16) -> io::Result<(Vec<TcpListener>, SocketAddr)> {
        for socket in &self.sockets {
            socket.set_nonblocking(true)?;
            sockets::set_options(socket)?;
            // systemd's own has its `Backlog=`.
            if self.text.is_some() {
                socket.listen(backlog.into())?;
            }
        }
        let (local, mut sockets) = (self.local, self.sockets);
        for shared in 0..workers.saturating_sub(sockets.len()) {
            let shared = sockets[shared].try_clone()?;
            sockets.push(shared);
        }
        let listeners = sockets.into_iter().map(TcpListener::from).collect();
        Ok((listeners, local))
    }
}

/// Whether two descriptors are of one socket.
fn is_same(one: &Socket, other: &Socket) -> bool {
    let inode = |socket: &Socket| fstat(socket).ok().map(|stat| stat.st_ino);
    inode(one).is_some_and(|one| Some(one) == inode(other))
}

/// The address of a listening socket of TCP.
fn listening_at(socket: &Socket) -> io::Result<SocketAddr> {
    let is_tcp = socket.r#type()? == Type::STREAM && socket.is_listener()?;
    let address = socket.local_addr()?.as_socket();
    let address = address.filter(|_| is_tcp);
    address.ok_or_else(|| io::Error::other("one is no listening socket of TCP"))
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
