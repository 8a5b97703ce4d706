//! A pipe in memory with TLS on both ends, driven by one thread.
#![allow(unreachable_pub)] // in a module of one test or another

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::rc::Rc;

use openssl::ssl::ErrorCode;

/// Whether a step of a handshake was its last; an error if it cannot go on.
pub fn step(result: Result<(), openssl::ssl::Error>) -> Result<bool, String> {
    match result {
        Ok(()) => Ok(true),
        Err(e) if [ErrorCode::WANT_READ, ErrorCode::WANT_WRITE].contains(&e.code()) => Ok(false),
        Err(e) => Err(e.to_string()),
    }
}

/// One end of a duplex pipe in memory; reading from an empty one would block.
#[derive(Debug)]
pub struct Pipe {
    pub incoming: Rc<RefCell<VecDeque<u8>>>,
    pub outgoing: Rc<RefCell<VecDeque<u8>>>,
}

impl Pipe {
    pub fn pair() -> (Self, Self) {
        let (a, b) = (Rc::default(), Rc::default());
        let near = Self {
            incoming: Rc::clone(&a),
            outgoing: Rc::clone(&b),
        };
        let far = Self {
            incoming: b,
            outgoing: a,
        };
        (near, far)
    }
}

impl Read for Pipe {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.incoming.borrow_mut().read(buffer)? {
            0 => Err(io::ErrorKind::WouldBlock.into()),
            n => Ok(n),
        }
    }
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.outgoing.borrow_mut().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
