//! Ports for servers that cannot choose one themselves.

use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::process;
use std::sync::atomic::{AtomicU16, Ordering};

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
