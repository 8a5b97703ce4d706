//! Messages between the two processes.

use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use zeroize::Zeroizing;

use super::error::HandoverError;

/// Both sides have the same, or there is no handover.
pub(super) const VERSION: u32 = 1;

/// Bytes of a message, for which a process that has gone mad must not ask memory.
const LONGEST: usize = 256 << 20;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Kind {
    Hello = 1,
    Refused,
    Socket,
    Ring,
    State,
    Sessions,
    End,
    Prepared,
    Flights,
    Taken,
    Go,
}

const KINDS: [Kind; 11] = [
    Kind::Hello,
    Kind::Refused,
    Kind::Socket,
    Kind::Ring,
    Kind::State,
    Kind::Sessions,
    Kind::End,
    Kind::Prepared,
    Kind::Flights,
    Kind::Taken,
    Kind::Go,
];

pub(super) struct Message {
    pub(super) kind: Kind,
    pub(super) content: Zeroizing<Vec<u8>>,
    pub(super) socket: Option<OwnedFd>,
}

#[derive(Debug)]
pub(super) struct Channel {
    stream: UnixStream,
    until: Instant,
}

impl Channel {
    /// Each message within `time`, all of them.
    pub(super) fn new(stream: UnixStream, time: Duration) -> Self {
        let until = Instant::now() + time;
        Self { stream, until }
    }

    /// From now on, within `time`.
    pub(super) fn within(&mut self, time: Duration) {
        self.until = Instant::now() + time;
    }

    pub(super) fn send(&mut self, kind: Kind, content: &[u8]) -> Result<(), HandoverError> {
        self.send_with(kind, content, None)
    }

    /// Attaches a descriptor.
    pub(super) fn send_with(
        &mut self,
        kind: Kind,
        content: &[u8],
        socket: Option<BorrowedFd<'_>>,
    ) -> Result<(), HandoverError> {
        let len = u32::try_from(content.len()).map_err(|_| HandoverError::Protocol("too much"))?;
        let mut head = [kind as u8, 0, 0, 0, 0];
        head[1..].copy_from_slice(&len.to_be_bytes());
        self.stream.set_write_timeout(Some(self.left()?))?;
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut attached = SendAncillaryBuffer::new(&mut space);
        let sockets = socket.as_slice();
        if socket.is_some() {
            attached.push(SendAncillaryMessage::ScmRights(sockets));
        }
        // Five bytes go out at once, or not at all.
        let flags = SendFlags::NOSIGNAL;
        let sent = loop {
            match sendmsg(&self.stream, &[IoSlice::new(&head)], &mut attached, flags) {
                Err(Errno::INTR) => self.stream.set_write_timeout(Some(self.left()?))?,
                sent => break sent.map_err(io::Error::from)?,
            }
        };
        match sent {
            5 => {}
            _ => return Err(io::Error::from(io::ErrorKind::WriteZero).into()),
        }
        for part in content.chunks(1 << 20) {
            self.stream.set_write_timeout(Some(self.left()?))?;
            self.stream.write_all(part)?;
        }
        Ok(())
    }

    pub(super) fn receive(&mut self) -> Result<Message, HandoverError> {
        let (mut head, mut have, mut socket) = ([0; 5], 0, None);
        while have < head.len() {
            self.stream.set_read_timeout(Some(self.left()?))?;
            let (read, attached) = match self.read_head(&mut head[have..]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                read => read?,
            };
            if read == 0 {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
            }
            have += read;
            socket = socket.or(attached);
        }
        let [kind, len @ ..] = head;
        let kind = KINDS.into_iter().find(|known| *known as u8 == kind);
        let kind = kind.ok_or(HandoverError::Protocol("a message of no kind"))?;
        let len = u32::from_be_bytes(len) as usize;
        if len > LONGEST {
            return Err(HandoverError::Protocol("a message that is too long"));
        }
        let mut content = Zeroizing::new(vec![0; len]);
        for part in content.chunks_mut(1 << 20) {
            self.stream.set_read_timeout(Some(self.left()?))?;
            self.stream.read_exact(part)?;
        }
        if kind == Kind::Refused {
            return Err(HandoverError::Refused(
                String::from_utf8_lossy(&content).escape_debug().to_string(),
            ));
        }
        Ok(Message {
            kind,
            content,
            socket,
        })
    }

    /// A message of that kind.
    pub(super) fn expect(&mut self, kind: Kind) -> Result<Message, HandoverError> {
        let message = self.receive()?;
        match message.kind == kind {
            true => Ok(message),
            false => Err(HandoverError::Protocol("another message than is expected")),
        }
    }

    fn read_head(&self, room: &mut [u8]) -> io::Result<(usize, Option<OwnedFd>)> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut attached = RecvAncillaryBuffer::new(&mut space);
        let flags = RecvFlags::CMSG_CLOEXEC;
        let read = recvmsg(
            &self.stream,
            &mut [IoSliceMut::new(room)],
            &mut attached,
            flags,
        )?;
        let sockets = attached.drain().filter_map(|message| match message {
            RecvAncillaryMessage::ScmRights(mut sockets) => sockets.next(),
            _ => None,
        });
        Ok((read.bytes, { sockets }.next()))
    }

    fn left(&self) -> Result<Duration, HandoverError> {
        let left = self.until.saturating_duration_since(Instant::now());
        match left.is_zero() {
            true => Err(io::Error::from(io::ErrorKind::TimedOut).into()),
            false => Ok(left),
        }
    }
}
