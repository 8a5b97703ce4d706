//! The upstream that every server forwards to: one thread that waits for all connections at once,
//! so that connections which are held open keep no other one waiting.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::sync::LazyLock;
use std::thread;

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use rand::rngs::SmallRng;
use rand::{RngCore, SeedableRng};
use rekindle_test_servers::free_port;
use rustix::fs::{MemfdFlags, memfd_create, sendfile};
use rustix::thread::{CpuSet, sched_setaffinity};

/// Connections that may wait to be accepted; each server has as many.
const BACKLOG: i32 = 4_096;

/// What a client asks for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Question {
    /// One byte.
    Byte,
    /// The body of this many bytes that the upstream was started with.
    Body(u64),
}

impl Question {
    /// What is sent to ask it.
    pub(super) fn byte(self) -> u8 {
        match self {
            Self::Byte => b'?',
            Self::Body(_) => b'd',
        }
    }

    /// Bytes of the answer.
    pub(super) fn length(self) -> u64 {
        match self {
            Self::Byte => 1,
            Self::Body(length) => length,
        }
    }

    /// Whether this is what the answer has there. `part` has at most [`PERIOD`] bytes.
    pub(super) fn is_answered_by(self, offset: u64, part: &[u8]) -> bool {
        let fits = offset + part.len() as u64 <= self.length();
        fits && PATTERN[(offset % PERIOD as u64) as usize..].starts_with(part)
    }
}

/// Bytes after which an answer repeats itself: a prime above the size of a TLS record, so that a
/// record that is lost, doubled or moved shows. Few, so that comparing costs a client little.
pub(super) const PERIOD: usize = 16_411;

/// Two periods.
static PATTERN: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let mut period = vec![0; PERIOD];
    SmallRng::seed_from_u64(0).fill_bytes(&mut period);
    period.repeat(2)
});

/// Answers on a free port of loopback for as long as this process lives. A body has `length` bytes.
pub(super) fn start_upstream(cpus: CpuSet, length: u64) -> io::Result<SocketAddr> {
    let listener = free_port()?;
    let address = listener.local_addr()?;
    rustix::net::listen(&listener, BACKLOG)?;
    listener.set_nonblocking(true)?;
    let upstream = Upstream::new(TcpListener::from_std(listener), length)?;
    thread::spawn(move || {
        sched_setaffinity(None, &cpus).expect("our own processors are allowed");
        upstream.answer_all().expect("the upstream can wait");
    });
    Ok(address)
}

struct Upstream {
    poll: Poll,
    listener: TcpListener,
    connections: HashMap<Token, Connection>,
    /// In memory; the kernel sends it without a copy, so that little of the generator's time goes
    /// into it.
    body: File,
    length: u64,
}

struct Connection {
    tcp: TcpStream,
    /// What was sent of the body; all of it where none was asked for.
    sent: u64,
}

const LISTENER: Token = Token(usize::MAX);

impl Upstream {
    fn new(mut listener: TcpListener, length: u64) -> io::Result<Self> {
        let poll = Poll::new()?;
        let registry = poll.registry();
        registry.register(&mut listener, LISTENER, Interest::READABLE)?;
        let mut body = File::from(memfd_create("body", MemfdFlags::CLOEXEC)?);
        let mut left = length;
        while left > 0 {
            let part = left.min(PERIOD as u64);
            body.write_all(&PATTERN[..part as usize])?;
            left -= part;
        }
        Ok(Self {
            poll,
            listener,
            connections: HashMap::new(),
            body,
            length,
        })
    }

    fn answer_all(mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(1_024);
        let mut next = 0;
        loop {
            match self.poll.poll(&mut events, None) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                result => result?,
            }
            for event in &events {
                if event.token() == LISTENER {
                    self.accept(&mut next)?;
                } else {
                    self.answer(event.token());
                }
            }
        }
    }

    fn accept(&mut self, next: &mut usize) -> io::Result<()> {
        loop {
            match self.listener.accept() {
                Ok((mut tcp, _)) => {
                    let token = Token(*next);
                    *next += 1;
                    let both = Interest::READABLE | Interest::WRITABLE;
                    self.poll.registry().register(&mut tcp, token, both)?;
                    let sent = self.length;
                    self.connections.insert(token, Connection { tcp, sent });
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::ConnectionAborted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Goes on with a connection as far as it can. What goes wrong, the client sees.
    fn answer(&mut self, token: Token) {
        let Some(connection) = self.connections.get_mut(&token) else {
            return;
        };
        let outcome = connection.advance(&self.body, self.length);
        if !outcome.is_err_and(|error| error.kind() == ErrorKind::WouldBlock) {
            self.connections.remove(&token);
        }
    }
}

impl Connection {
    /// Returns at the connection's end; an error of the kind `WouldBlock` says that it goes on.
    fn advance(&mut self, body: &File, length: u64) -> io::Result<()> {
        loop {
            while self.sent < length {
                let rest = (length - self.sent) as usize;
                sendfile(&self.tcp, body, Some(&mut self.sent), rest)?;
            }
            let mut question = [0];
            if self.tcp.read(&mut question)? == 0 {
                return Ok(());
            }
            if question == [Question::Byte.byte()] {
                self.tcp.write_all(&PATTERN[..1])?;
            } else {
                self.sent = 0;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rekindle_test_servers::connect;

    fn upstream(length: u64) -> SocketAddr {
        start_upstream(rustix::thread::sched_getaffinity(None).unwrap(), length).unwrap()
    }

    fn answer(address: SocketAddr, question: Question) -> Vec<u8> {
        let mut client = connect(address);
        client.write_all(&[question.byte()]).unwrap();
        let mut told = vec![0; question.length() as usize];
        client.read_exact(&mut told).unwrap();
        client.shutdown(std::net::Shutdown::Write).unwrap();
        assert_eq!(client.read(&mut [0]).unwrap(), 0);
        told
    }

    #[test]
    fn every_question_is_answered_while_others_wait() {
        let body = Question::Body(3_000_000);
        let upstream = upstream(body.length());
        let silent: Vec<_> = (0..50).map(|_| connect(upstream)).collect();
        for _ in 0..5 {
            let told = answer(upstream, Question::Byte);
            assert!(Question::Byte.is_answered_by(0, &told));
            let told = answer(upstream, body);
            let mut parts = (0..).zip(told.chunks(1_000));
            assert!(parts.all(|(i, part)| body.is_answered_by(i * 1_000, part)));
        }
        drop(silent);
    }

    #[test]
    fn parts_that_are_lost_doubled_moved_or_too_many_show() {
        let body = Question::Body(100_000);
        let told = answer(upstream(body.length()), body);
        let record = &told[16_384..2 * 16_384];
        assert!(body.is_answered_by(16_384, record));
        assert!(!body.is_answered_by(0, record));
        assert!(!body.is_answered_by(2 * 16_384, record));
        assert!(!body.is_answered_by(100_000, &told[..1]));
    }
}
