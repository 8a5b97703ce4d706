//! One TLS connection: its handshake, with early data before its end, and the bytes after it.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use openssl::error::ErrorStack;
use openssl::ssl::{ErrorCode, Ssl, SslRef, SslVersion};
use rekindle::openssl::Resumption;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_openssl::SslStream;

use super::fetch::FetchWait;
use super::handshake::HandshakeError;
use super::sites::Sites;
use crate::serve::client_socket::ClientSocket;
use crate::serve::shared_buffer::with_shared_buffer;

/// A connection. Reading to its end succeeds only if the peer has announced the end.
///
/// `SslStream` reports a TCP connection that ended without `close_notify` as the end of the data.
/// An attacker that sends a FIN in the client's name could then cut a message short unnoticed.
///
/// A client that hangs up without `close_notify`, as many do, keeps its session all the same.
#[derive(Debug)]
pub(crate) struct TlsStream {
    stream: SslStream<ClientSocket>,
    stage: Stage,
    fetch: FetchWait,
    /// Bytes before the end of the handshake wait to be written. OpenSSL cannot write anything else
    /// before them.
    must_write: bool,
    /// The next write waits until the task has had another turn.
    gives_way: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// The client has not proven yet that it is there.
    Handshake,
    /// As before, but what it reads is early data, and it may be answered.
    EarlyData,
    /// As before. The client has said that its early data have ended.
    Finishing,
    Done,
}

impl TlsStream {
    pub(crate) fn new(sites: &Sites, socket: ClientSocket) -> Result<Self, ErrorStack> {
        let ssl = Ssl::new(sites.first())?;
        Ok(Self {
            stream: SslStream::new(ssl, socket)?,
            stage: Stage::Handshake,
            fetch: FetchWait::default(),
            must_write: false,
            gives_way: false,
        })
    }

    /// Runs the handshake to its end. If a request has come already, the tickets of TLS 1.3 are
    /// held to be sent with the first bytes of the answer.
    pub(crate) async fn accept(&mut self) -> Result<(), HandshakeError> {
        poll_fn(|cx| self.poll_accept(cx)).await?;
        poll_fn(|cx| match !self.has_held() || self.has_request(cx) {
            true => Poll::Ready(Ok(())),
            // The kernel of a client without TCP_NODELAY keeps the request back until the last
            // message of the handshake is acknowledged, which the tickets do at once.
            false => self.poll_held(cx),
        })
        .await
        .map_err(HandshakeError::Io)
    }

    /// Whether bytes of the client have come behind its handshake.
    fn has_request(&mut self, cx: &mut Context<'_>) -> bool {
        matches!(self.stream().poll_peek(cx, &mut [0]), Poll::Ready(Ok(_)))
    }

    /// Each flight goes out as a whole. The tickets of TLS 1.3 end the handshake, and the client
    /// waits for nothing in them: they are held.
    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), HandshakeError>> {
        self.socket().hold();
        let accepted = self.poll_fetching(cx, |stream, cx| stream.poll_accept(cx));
        self.socket().release();
        if matches!(accepted, Poll::Ready(Ok(())))
            && self.ssl().version2() == Some(SslVersion::TLS1_3)
        {
            self.stage = Stage::Done;
            return Poll::Ready(Ok(()));
        }
        // An alert is sent as well as a flight.
        let sent = self.socket().poll_held(cx);
        ready!(accepted)?;
        ready!(sent).map_err(HandshakeError::Io)?;
        self.stage = Stage::Done;
        Poll::Ready(Ok(()))
    }

    /// Takes a step of the handshake in which OpenSSL reads a ClientHello. It may have to wait for
    /// a session that is fetched, and is taken again then.
    fn poll_fetching<T>(
        &mut self,
        cx: &mut Context<'_>,
        mut step: impl FnMut(
            Pin<&mut SslStream<ClientSocket>>,
            &mut Context<'_>,
        ) -> Poll<Result<T, openssl::ssl::Error>>,
    ) -> Poll<Result<T, openssl::ssl::Error>> {
        loop {
            ready!(self.fetch.poll(cx));
            let taken = step(self.stream(), cx);
            if !self.fetch.begins(&taken, self.stream.ssl()) {
                return taken;
            }
        }
    }

    /// Runs the handshake to its end or, if the client sends early data, as far as the first of
    /// them, which are returned. In that case reading and writing go on with the handshake.
    pub(crate) async fn accept_early(&mut self) -> Result<Vec<u8>, HandshakeError> {
        let early = poll_fn(|cx| {
            with_shared_buffer(|buffer| {
                let step = |stream: Pin<&mut SslStream<_>>, cx: &mut Context<'_>| {
                    stream.poll_read_early_data(cx, buffer)
                };
                let read = ready!(self.poll_fetching(cx, step));
                Poll::Ready(read.map(|read| buffer[..read].to_vec()))
            })
        });
        let early = early.await?;
        match early.is_empty() {
            true => self.accept().await?,
            false => self.stage = Stage::EarlyData,
        }
        Ok(early)
    }

    pub(crate) fn ssl(&self) -> &SslRef {
        self.stream.ssl()
    }

    /// The address that the client has connected to.
    pub(crate) fn local_address(&self) -> io::Result<SocketAddr> {
        self.tcp().local_addr()
    }

    pub(crate) fn tcp(&self) -> &TcpStream {
        self.stream.get_ref().tcp()
    }

    /// Whether tickets wait to be sent with other bytes.
    pub(crate) fn has_held(&self) -> bool {
        self.stream.get_ref().has_held()
    }

    /// Sends tickets that wait.
    pub(crate) fn poll_held(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.socket().poll_held(cx)
    }

    fn socket(&mut self) -> &mut ClientSocket {
        self.stream.get_mut()
    }

    /// Whether the handshake has come to its end.
    pub(crate) fn is_done(&self) -> bool {
        self.stage == Stage::Done
    }

    fn stream(&mut self) -> Pin<&mut SslStream<ClientSocket>> {
        Pin::new(&mut self.stream)
    }

    /// Reads early data, then finishes the handshake. Ready without data when that is done.
    fn poll_handshake(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.must_write {
            return Poll::Pending;
        }
        if self.stage == Stage::EarlyData {
            ready!(self.poll_early_data(cx, buf))?;
            if self.stage == Stage::EarlyData {
                return Poll::Ready(Ok(()));
            }
        }
        ready!(self.poll_holding(cx, |stream, cx| stream.poll_accept(cx)))?;
        self.stage = Stage::Done;
        Poll::Ready(Ok(()))
    }

    /// Reads early data; none if they have ended.
    fn poll_early_data(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let room = buf.initialize_unfilled();
        let read = self.poll_holding(cx, |stream, cx| stream.poll_read_early_data(cx, room));
        let read = ready!(read)?;
        buf.advance(read);
        if read == 0 {
            self.stage = Stage::Finishing;
        }
        Poll::Ready(Ok(()))
    }

    /// Takes the early data that are left, for which there is no use.
    pub(crate) async fn discard_early_data(&mut self) -> io::Result<()> {
        while self.stage == Stage::EarlyData {
            poll_fn(|cx| {
                with_shared_buffer(|buffer| self.poll_early_data(cx, &mut ReadBuf::new(buffer)))
            })
            .await?;
        }
        Ok(())
    }

    /// Goes on with the handshake after early data. The end of these may come with the end of the
    /// handshake, and tickets follow at once: they are held, so that no half of them is in the way
    /// of an answer.
    fn poll_holding<T>(
        &mut self,
        cx: &mut Context<'_>,
        step: impl FnOnce(
            Pin<&mut SslStream<ClientSocket>>,
            &mut Context<'_>,
        ) -> Poll<Result<T, openssl::ssl::Error>>,
    ) -> Poll<io::Result<T>> {
        self.socket().hold();
        let done = step(self.stream(), cx);
        self.socket().release();
        if let Poll::Ready(Err(_)) = done {
            // An alert, if it can be sent.
            let _ = self.socket().poll_held(cx);
        }
        done.map_err(broken)
    }

    /// Answers before the handshake has ended.
    fn poll_write_early(&mut self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if std::mem::take(&mut self.gives_way) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let had_to_write = std::mem::replace(&mut self.must_write, true);
        let written = ready!(self.stream().poll_write_early_data(cx, buf));
        self.must_write = false;
        if had_to_write {
            // The handshake goes on, before an answer that never lets up.
            self.gives_way = true;
            cx.waker().wake_by_ref();
        }
        Poll::Ready(written.map_err(broken))
    }

    /// OpenSSL remembers what ended the last read, so a second read tells one end from the other.
    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match ready!(self.stream().poll_peek(cx, &mut [0])) {
            Err(error) if error.code() == ErrorCode::ZERO_RETURN => {
                self.socket().end();
                Poll::Ready(Ok(()))
            }
            _ => Poll::Ready(Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "closed without close_notify",
            ))),
        }
    }
}

impl Drop for TlsStream {
    fn drop(&mut self) {
        if self.stage == Stage::Done {
            Resumption::keep_session(self.ssl());
        }
    }
}

impl AsyncRead for TlsStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.remaining();
        if self.stage != Stage::Done {
            ready!(self.poll_handshake(cx, buf))?;
            if buf.remaining() < before {
                return Poll::Ready(Ok(()));
            }
        }
        ready!(self.stream().poll_read(cx, buf))?;
        if before > 0 && buf.remaining() == before {
            self.poll_end(cx)
        } else {
            Poll::Ready(Ok(()))
        }
    }
}

impl AsyncWrite for TlsStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.stage {
            Stage::Done => self.stream().poll_write(cx, buf),
            _ => self.poll_write_early(cx, buf),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream().poll_flush(cx)
    }

    /// Before the handshake has ended, there is no `close_notify` to send. Early data have to be
    /// read before.
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.stage {
            // To be polled again when they are read.
            Stage::EarlyData => return Poll::Pending,
            Stage::Finishing => ready!(self.poll_handshake(cx, &mut ReadBuf::new(&mut [])))?,
            Stage::Handshake | Stage::Done => {}
        }
        self.socket().finish();
        // Once OpenSSL has written `close_notify`, it would wait for that of the client.
        ready!(self.socket().poll_held(cx))?;
        self.stream().poll_shutdown(cx)
    }
}

fn broken(error: openssl::ssl::Error) -> io::Error {
    (error.into_io_error()).unwrap_or_else(|error| io::Error::other(error.to_string()))
}
