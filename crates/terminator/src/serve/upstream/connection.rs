//! A connection to an upstream, over TCP or a Unix socket.

use std::io;
use std::mem;
use std::net::Shutdown;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::peer::Upstream;
use super::stream::Stream;

/// A connection to an upstream.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: Stream,
    /// Nothing was written yet. Tokio lets no write through before its event loop has heard of the
    /// socket. The first write does not wait for that.
    fresh: bool,
    upstream: Arc<Upstream>,
}

/// Calls the same method of either stream.
macro_rules! either {
    ($stream:expr, $inner:ident => $call:expr) => {
        match $stream {
            Stream::Tcp($inner) => $call,
            Stream::Unix($inner) => $call,
        }
    };
}

impl Connection {
    pub(super) fn new(stream: Stream, upstream: Arc<Upstream>) -> Self {
        Self {
            stream,
            fresh: true,
            upstream,
        }
    }

    /// The upstream's address, as it was configured.
    pub(crate) fn upstream(&self) -> &str {
        self.upstream.name()
    }

    fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.fresh {
            return Poll::Ready(Ok(()));
        }
        either!(&self.stream, stream => stream.poll_write_ready(cx))
    }

    fn try_write(&mut self, data: &[u8]) -> io::Result<usize> {
        if mem::take(&mut self.fresh) {
            return self.socket().send(data);
        }
        either!(&self.stream, stream => stream.try_write(data))
    }

    /// Sends FIN. A peer that is gone needs none.
    fn shutdown_write(&self) -> io::Result<()> {
        match self.socket().shutdown(Shutdown::Write) {
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(()),
            shut => shut,
        }
    }

    /// Makes the close a reset, so that the upstream cannot take a part for the whole. Unix sockets
    /// have no reset: the upstream reads an end, or ECONNRESET if it had sent unread bytes.
    pub(crate) fn reset_on_close(&self) {
        if let Stream::Tcp(stream) = &self.stream {
            // If the option cannot be set, the upstream reads an end.
            let _ = stream.set_zero_linger();
        }
    }

    fn socket(&self) -> SockRef<'_> {
        either!(&self.stream, stream => SockRef::from(stream))
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        either!(&mut self.get_mut().stream, stream => Pin::new(stream).poll_read(cx, buffer))
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.poll_write_ready(cx))?;
            match self.try_write(data) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                written => return Poll::Ready(written),
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.shutdown_write())
    }
}

#[cfg(test)]
mod tests;
