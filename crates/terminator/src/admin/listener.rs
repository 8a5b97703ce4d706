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
use std::time::Duration;

use futures_util::FutureExt;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use tokio::net::{TcpListener, TcpStream};

/// How often a connection is looked for while there is no descriptor to accept one.
const PAUSE: Duration = Duration::from_millis(20);

const SPARE: &str = "/dev/null";

/// The listener of the admin address.
#[derive(Debug)]
pub(crate) struct AdminListener {
    socket: TcpListener,
    pub(super) spare: Arc<SpareFile>,
}

impl AdminListener {
    pub(crate) fn new(socket: TcpListener) -> io::Result<Self> {
        let spare = Arc::new(SpareFile::open()?);
        Ok(Self { socket, spare })
    }

    /// Takes the next connection, in the place of the spare file if need be.
    pub(super) async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        loop {
            match self.socket.accept().await {
                Err(error) if is_out_of_files(&error) => {}
                accepted => return accepted,
            }
            // Linux takes the descriptor before it looks for a connection, so there may be none.
            if !has_connection(&self.socket)? {
                tokio::time::sleep(PAUSE).await;
                continue;
            }
            self.spare.release();
            match self.socket.accept().now_or_never() {
                Some(Ok(accepted)) => return Ok(accepted),
                // The connection or the descriptor has gone in the meantime.
                failed => {
                    self.spare.refill();
                    failed.transpose()?;
                }
            }
        }
    }
}

/// Whether descriptors have run out, in the process or in the system.
pub(super) fn is_out_of_files(error: &io::Error) -> bool {
    let error = Errno::from_io_error(error);
    matches!(error, Some(Errno::MFILE | Errno::NFILE))
}

fn has_connection(listener: &TcpListener) -> io::Result<bool> {
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
