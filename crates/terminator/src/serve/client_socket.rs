//! The TCP connection of a client, under its TLS.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use rustix::net::SendFlags;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;

/// Bytes that are held at most, beside those of one write.
const MOST_HELD: usize = 16 * 1024;

/// A connection, with bytes that were read before TLS began, and bytes that wait to be sent with
/// others.
#[derive(Debug)]
pub(crate) struct ClientSocket {
    tcp: TcpStream,
    /// What came behind the header of the PROXY protocol; empty once it was read.
    ahead: Vec<u8>,
    /// Whether what is written is held.
    holds: bool,
    /// What was written and not sent.
    held: Vec<u8>,
    /// Whether the client has said that it sends no more.
    has_ended: bool,
    /// Whether FIN follows what is written.
    is_last: bool,
}

impl ClientSocket {
    pub(crate) fn new(tcp: TcpStream, ahead: Vec<u8>) -> Self {
        Self {
            tcp,
            ahead,
            holds: false,
            held: Vec::new(),
            has_ended: false,
            is_last: false,
        }
    }

    /// What is written from now on goes into one packet with the FIN that follows.
    pub(crate) fn finish(&mut self) {
        self.is_last = true;
    }

    /// To be called when the client has said that it sends no more.
    pub(crate) fn end(&mut self) {
        self.has_ended = true;
    }

    pub(crate) fn tcp(&self) -> &TcpStream {
        &self.tcp
    }

    /// From now on, what is written waits for [`Self::poll_held`], or for what is written after
    /// [`Self::release`].
    pub(crate) fn hold(&mut self) {
        self.holds = true;
    }

    pub(crate) fn release(&mut self) {
        self.holds = false;
    }

    pub(crate) fn has_held(&self) -> bool {
        !self.held.is_empty()
    }

    /// Sends what is held.
    pub(crate) fn poll_held(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut sent = 0;
        let outcome = loop {
            if sent == self.held.len() {
                // A connection without bytes that wait keeps no buffer.
                self.held = Vec::new();
                return Poll::Ready(Ok(()));
            }
            match send(&self.tcp, cx, &self.held[sent..], self.is_last) {
                Poll::Ready(Ok(0)) => break Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(more)) => sent += more,
                Poll::Ready(Err(error)) => break Poll::Ready(Err(error)),
                Poll::Pending => break Poll::Pending,
            }
        };
        self.held.drain(..sent);
        outcome
    }
}

impl AsyncRead for ClientSocket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.ahead.is_empty() {
            return Pin::new(&mut self.tcp).poll_read(cx, buf);
        }
        let length = self.ahead.len().min(buf.remaining());
        buf.put_slice(&self.ahead[..length]);
        self.ahead.drain(..length);
        if self.ahead.is_empty() {
            self.ahead = Vec::new();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for ClientSocket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        if !self.holds && self.held.is_empty() {
            return send(&self.tcp, cx, buf, self.is_last);
        }
        if !self.holds && self.held.len() >= MOST_HELD {
            ready!(self.poll_held(cx))?;
        }
        self.held.extend_from_slice(buf);
        if !self.holds
            && let Poll::Ready(Err(error)) = self.poll_held(cx)
        {
            return Poll::Ready(Err(error));
        }
        Poll::Ready(Ok(buf.len()))
    }

    /// OpenSSL flushes after each flight, also while it is held.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.holds {
            true => Poll::Ready(Ok(())),
            false => self.poll_held(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_held(cx))?;
        // If the client has ended, the socket is closed now, which sends the FIN as well.
        match self.has_ended {
            true => Poll::Ready(Ok(())),
            false => Pin::new(&mut self.tcp).poll_shutdown(cx),
        }
    }
}

/// Sends what can be sent without waiting.
fn send(
    tcp: &TcpStream,
    cx: &mut Context<'_>,
    bytes: &[u8],
    is_last: bool,
) -> Poll<io::Result<usize>> {
    let flags = match is_last {
        true => SendFlags::NOSIGNAL | SendFlags::MORE,
        false => SendFlags::NOSIGNAL,
    };
    loop {
        ready!(tcp.poll_write_ready(cx))?;
        let sent = tcp.try_io(Interest::WRITABLE, || {
            Ok(rustix::net::send(tcp, bytes, flags)?)
        });
        match sent {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            sent => return Poll::Ready(sent),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    async fn pair(ahead: &[u8]) -> (ClientSocket, std::net::TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("it has an address");
        let tcp = TcpStream::connect(address).await.expect("it listens");
        let (peer, _) = listener.accept().expect("it is connected");
        (ClientSocket::new(tcp, ahead.into()), peer)
    }

    #[tokio::test]
    async fn what_was_held_goes_out_first_and_a_flush_leaves_nothing_behind() {
        let (mut socket, mut peer) = pair(b"").await;
        // So that no write takes all.
        let small = socket2::SockRef::from(&socket.tcp).set_send_buffer_size(4096);
        small.expect("a smaller buffer");
        let bytes: Vec<u8> = (0..3_000_000_u32).map(|n| (n % 251) as u8).collect();
        let (tickets, answer) = bytes.split_at(2_000);
        socket.hold();
        socket.write_all(tickets).await.expect("it is held");
        socket.flush().await.expect("OpenSSL flushes each flight");
        assert!(socket.has_held(), "and what is held stays");
        socket.release();
        let sent = bytes.clone();
        let reader = thread::spawn(move || {
            let mut received = vec![0; sent.len()];
            io::Read::read_exact(&mut peer, &mut received).expect("all arrives");
            assert!(received == sent, "in order");
        });
        socket.write_all(answer).await.expect("it is read");
        socket.flush().await.expect("it is read");
        assert!(!socket.has_held());
        reader.join().expect("all has arrived");
    }

    #[tokio::test]
    async fn what_was_read_ahead_is_read_first() {
        let (mut socket, mut peer) = pair(b"before").await;
        io::Write::write_all(&mut peer, b" and after").expect("it is open");
        drop(peer);
        let mut received = String::new();
        socket.read_to_string(&mut received).await.expect("it ends");
        assert_eq!(received, "before and after");
    }
}
