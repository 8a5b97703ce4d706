//! Accepts admin connections, also when the process has no descriptor left.
//!
//! The number of client connections leaves descriptors to this address. They may run out all the
//! same: the limit is lowered while the terminator runs, or a part of the process leaks. One open
//! file is kept to be closed then, which makes room for one admin connection; when that one ends,
//! the file is opened again.

use std::fs::File;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use tokio::io::unix::AsyncFd;
use tokio::net::{TcpListener, TcpStream};

const SPARE: &str = "/dev/null";

/// The listener of the admin address.
#[derive(Debug)]
pub(crate) struct AdminListener {
    socket: AsyncFd<std::net::TcpListener>,
    pub(super) spare: Arc<SpareFile>,
}

impl AdminListener {
    pub(crate) fn new(listener: TcpListener) -> io::Result<Self> {
        Ok(Self {
            socket: AsyncFd::new(listener.into_std()?)?,
            spare: Arc::new(SpareFile::open()?),
        })
    }

    pub(super) async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        loop {
            let mut ready = self.socket.readable().await?;
            // An error of `try_io`: no connection is there, so readiness is awaited once more.
            if let Ok(accepted) = ready.try_io(|socket| self.accept_now(socket.get_ref())) {
                let (tcp, peer) = accepted?;
                tcp.set_nonblocking(true)?;
                return Ok((TcpStream::from_std(tcp)?, peer));
            }
        }
    }

    fn accept_now(
        &self,
        listener: &std::net::TcpListener,
    ) -> io::Result<(std::net::TcpStream, SocketAddr)> {
        match listener.accept() {
            Err(error) if is_out_of_files(&error) => {}
            accepted => return accepted,
        }
        // Linux takes the descriptor before it looks for a connection.
        if !has_connection(listener)? {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.spare.release();
        let accepted = listener.accept();
        if accepted.is_err() {
            self.spare.refill();
        }
        accepted
    }
}

/// Whether descriptors have run out, in the process or in the system.
pub(super) fn is_out_of_files(error: &io::Error) -> bool {
    let error = Errno::from_io_error(error);
    matches!(error, Some(Errno::MFILE | Errno::NFILE))
}

fn has_connection(listener: &std::net::TcpListener) -> io::Result<bool> {
    let mut listeners = [PollFd::new(listener, PollFlags::IN)];
    Ok(poll(&mut listeners, Some(&Timespec::default()))? > 0)
}

/// A descriptor to be closed when there is no other.
#[derive(Debug)]
pub(super) struct SpareFile(Mutex<Option<File>>);

impl SpareFile {
    pub(super) fn open() -> io::Result<Self> {
        let file = File::open(SPARE)?;
        Ok(Self(Mutex::new(Some(file))))
    }

    fn release(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    /// Opens the file again if it was closed. Without a descriptor that has to wait for the end of
    /// the next connection.
    pub(super) fn refill(&self) {
        let mut file = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if file.is_none() {
            *file = File::open(SPARE).ok();
        }
    }
}
