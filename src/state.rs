//! Bytes of the state that one process hands over to another of the same machine.
//!
//! Numbers have their big end first; bytes of no fixed length stand behind their number, in 4
//! bytes. The reader belongs to a newer or older program perhaps, or has half of the bytes: each
//! read can fail, and none allocates more than there is to read.

use thiserror::Error;
use zeroize::Zeroizing;

use crate::Time;

/// Why a state cannot be taken over.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum StateError {
    /// It ends too early, or goes on behind its end.
    #[error("the state is not whole")]
    Truncated,
    /// A part of it cannot be.
    #[error("the state has a part that cannot be: {0}")]
    Invalid(&'static str),
    /// Its times are of another clock: it comes from another machine, from before a reboot, or is
    /// an hour old.
    #[error("the state is of another clock, or too old")]
    Clock,
}

/// Writes secrets too, so what it grows out of is wiped.
#[derive(Default)]
pub(crate) struct Writer(Zeroizing<Vec<u8>>);

impl Writer {
    pub(crate) fn with_capacity(bytes: usize) -> Self {
        Self(Zeroizing::new(Vec::with_capacity(bytes)))
    }

    pub(crate) fn fixed(&mut self, bytes: &[u8]) {
        if self.0.capacity() - self.0.len() < bytes.len() {
            let room = (2 * self.0.capacity()).max(self.0.len() + bytes.len());
            let mut grown = Zeroizing::new(Vec::with_capacity(room));
            grown.extend_from_slice(&self.0);
            self.0 = grown;
        }
        self.0.extend_from_slice(bytes);
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.count(bytes.len());
        self.fixed(bytes);
    }

    pub(crate) fn count(&mut self, number: usize) {
        let number = u32::try_from(number).expect("less than 4 GB");
        self.fixed(&number.to_be_bytes());
    }

    pub(crate) fn byte(&mut self, byte: u8) {
        self.fixed(&[byte]);
    }

    pub(crate) fn number(&mut self, number: u64) {
        self.fixed(&number.to_be_bytes());
    }

    pub(crate) fn time(&mut self, time: Time) {
        self.number(time.as_millis());
    }

    #[cfg(feature = "openssl")]
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn finish(self) -> Zeroizing<Vec<u8>> {
        self.0
    }
}

/// Reads what a [`Writer`] wrote.
pub(crate) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    #[cfg(feature = "openssl")]
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn take(&mut self, len: usize) -> Result<&'a [u8], StateError> {
        let (taken, rest) = self.0.split_at_checked(len).ok_or(StateError::Truncated)?;
        self.0 = rest;
        Ok(taken)
    }

    pub(crate) fn fixed<const N: usize>(&mut self) -> Result<[u8; N], StateError> {
        Ok(self.take(N)?.try_into().expect("N bytes"))
    }

    pub(crate) fn bytes(&mut self) -> Result<&'a [u8], StateError> {
        let len = u32::from_be_bytes(self.fixed()?);
        self.take(len as usize)
    }

    /// The number of items that follow, each of at least `least` bytes.
    pub(crate) fn count(&mut self, least: usize) -> Result<usize, StateError> {
        let number = u32::from_be_bytes(self.fixed()?) as usize;
        match number.checked_mul(least) {
            Some(bytes) if bytes <= self.0.len() => Ok(number),
            _ => Err(StateError::Truncated),
        }
    }

    pub(crate) fn byte(&mut self) -> Result<u8, StateError> {
        Ok(self.fixed::<1>()?[0])
    }

    pub(crate) fn number(&mut self) -> Result<u64, StateError> {
        Ok(u64::from_be_bytes(self.fixed()?))
    }

    pub(crate) fn time(&mut self) -> Result<Time, StateError> {
        self.number().map(Time::from_millis)
    }

    pub(crate) fn end(self) -> Result<(), StateError> {
        match self.0 {
            [] => Ok(()),
            _ => Err(StateError::Truncated),
        }
    }
}
