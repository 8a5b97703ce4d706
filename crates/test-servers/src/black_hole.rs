//! An address that swallows packets, as a firewall that drops them does.

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

/// A listener whose queue is full: the kernel drops every further SYN.
#[derive(Debug)]
pub struct BlackHole {
    listener: TcpListener,
    queued: usize,
    _queue: Vec<TcpStream>,
}

impl BlackHole {
    /// On an address of loopback; port 0 takes a free one.
    pub fn new(address: SocketAddr) -> Self {
        let listener = TcpListener::bind(address).expect("the address is free");
        // The kernel rounds it up to one or two connections.
        rustix::net::listen(&listener, 0).expect("the queue can be shortened");
        let address = listener.local_addr().expect("it has an address");
        let connect = || TcpStream::connect_timeout(&address, Duration::from_millis(100));
        let queue: Vec<_> = (0..64).map_while(|_| connect().ok()).collect();
        assert!(queue.len() < 64, "the queue takes every connection");
        Self {
            listener,
            queued: queue.len(),
            _queue: queue,
        }
    }

    /// The address that swallows packets.
    pub fn address(&self) -> SocketAddr {
        self.listener.local_addr().expect("it has an address")
    }

    /// Makes room in the queue, so that the address answers the next SYN.
    pub fn answer(&self) -> io::Result<()> {
        (0..self.queued).try_for_each(|_| self.listener.accept().map(drop))
    }
}
