//! One direction of a connection.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Copies from one side to the other.
#[derive(Debug)]
pub(super) struct Flow {
    /// What was read and not taken yet.
    rest: Vec<u8>,
    /// How much of it was taken.
    taken: usize,
    stage: Stage,
    /// Whether what was written may wait in the side that takes.
    is_flushed: bool,
    /// Whether the side that takes is told of the end.
    tells_end: bool,
    moved: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Open,
    /// The one side has ended; the other has not been told.
    Ending,
    Ended,
    /// The side that takes has broken.
    Given,
}

/// Which side broke.
#[derive(Debug)]
pub(super) enum Broken {
    Source(io::Error),
    Sink(io::Error),
}

impl Flow {
    /// A flow that begins with bytes that were read before.
    pub(super) fn beginning_with(rest: Vec<u8>) -> Self {
        Self {
            rest,
            taken: 0,
            stage: Stage::Open,
            is_flushed: true,
            tells_end: true,
            moved: false,
        }
    }

    /// The side that takes must not take what it gets for the whole.
    pub(super) fn withhold_end(&mut self) {
        self.tells_end = false;
    }

    /// Whether bytes were read or taken since this was asked last.
    pub(super) fn has_moved(&mut self) -> bool {
        std::mem::take(&mut self.moved)
    }

    /// Whether nothing more will be copied.
    pub(super) fn is_over(&self) -> bool {
        matches!(self.stage, Stage::Ended | Stage::Given)
    }

    /// Copies what can be copied without waiting, through `buffer`; `read` is told of bytes that
    /// were read. `Ready` when the flow is over; of an error, once.
    ///
    /// Tokio lets a task read only so often before it has to wait for its turn, so one flow cannot
    /// keep a thread to itself.
    pub(super) fn poll<R, W>(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut R,
        to: &mut W,
        buffer: &mut [u8],
        mut read: impl FnMut(u64),
    ) -> Poll<Result<(), Broken>>
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        loop {
            match self.stage {
                Stage::Ended | Stage::Given => return Poll::Ready(Ok(())),
                Stage::Open | Stage::Ending => ready!(self.poll_rest(cx, to))?,
            }
            if self.stage == Stage::Ending {
                if self.tells_end {
                    ready!(self.poll_end(cx, to))?;
                }
                self.stage = Stage::Ended;
                continue;
            }
            let mut free = ReadBuf::new(buffer);
            ready!(Pin::new(&mut *from).poll_read(cx, &mut free)).map_err(Broken::Source)?;
            let got = free.filled();
            if got.is_empty() {
                self.stage = Stage::Ending;
                continue;
            }
            self.moved = true;
            read(got.len() as u64);
            self.write(cx, to, got)?;
        }
    }

    /// Writes what can be written of bytes just read, and keeps the rest.
    fn write<W>(&mut self, cx: &mut Context<'_>, to: &mut W, mut bytes: &[u8]) -> Result<(), Broken>
    where
        W: AsyncWrite + Unpin,
    {
        self.is_flushed = false;
        while !bytes.is_empty() {
            match Pin::new(&mut *to).poll_write(cx, bytes) {
                Poll::Ready(written) => bytes = &bytes[self.sink(written)?..],
                Poll::Pending => {
                    self.rest = bytes.to_vec();
                    self.taken = 0;
                    break;
                }
            }
        }
        Ok(())
    }

    fn poll_rest<W>(&mut self, cx: &mut Context<'_>, to: &mut W) -> Poll<Result<(), Broken>>
    where
        W: AsyncWrite + Unpin,
    {
        self.is_flushed &= self.rest.is_empty();
        while self.taken < self.rest.len() {
            let written = ready!(Pin::new(&mut *to).poll_write(cx, &self.rest[self.taken..]));
            self.taken += self.sink(written)?;
            self.moved = true;
        }
        // An idle connection keeps no buffer.
        self.rest = Vec::new();
        self.taken = 0;
        if !self.is_flushed {
            let flushed = ready!(Pin::new(&mut *to).poll_flush(cx));
            self.sink(flushed)?;
            self.is_flushed = true;
        }
        Poll::Ready(Ok(()))
    }

    /// Tells the side that takes of the end.
    fn poll_end<W>(&mut self, cx: &mut Context<'_>, to: &mut W) -> Poll<Result<(), Broken>>
    where
        W: AsyncWrite + Unpin,
    {
        Poll::Ready(match ready!(Pin::new(to).poll_shutdown(cx)) {
            // A peer that is gone needs to be told nothing.
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(()),
            told => self.sink(told),
        })
    }

    /// Notes that the side that takes has broken.
    fn sink<T>(&mut self, result: io::Result<T>) -> Result<T, Broken> {
        result.map_err(|error| {
            self.stage = Stage::Given;
            self.rest = Vec::new();
            Broken::Sink(error)
        })
    }
}
