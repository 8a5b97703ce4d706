//! A guard around a stream whose session outlives the connection.

use std::fmt;
use std::ops::{Deref, DerefMut};

use openssl::ssl::SslRef;

use super::resumption::Resumption;

/// A stream that calls [`Resumption::keep_session`] when it is dropped, so that a client which
/// hangs up without `close_notify` may come back. For every kind of stream:
///
/// ```
/// # use std::io::{Read, Write};
/// use rekindle::openssl::KeepSession;
/// use rekindle::openssl::openssl::ssl::SslStream;
///
/// fn serve<S: Read + Write>(stream: SslStream<S>) -> std::io::Result<()> {
///     let mut stream = KeepSession::new(stream, |stream| stream.ssl());
///     stream.write_all(b"hello")
/// }
/// ```
pub struct KeepSession<T> {
    stream: T,
    ssl: fn(&T) -> &SslRef,
}

impl<T> KeepSession<T> {
    /// Guards a stream; `ssl` finds the connection in it.
    pub fn new(stream: T, ssl: fn(&T) -> &SslRef) -> Self {
        Self { stream, ssl }
    }
}

impl<T> Deref for KeepSession<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.stream
    }
}

impl<T> DerefMut for KeepSession<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.stream
    }
}

impl<T> Drop for KeepSession<T> {
    fn drop(&mut self) {
        Resumption::keep_session((self.ssl)(&self.stream));
    }
}

impl<T: fmt::Debug> fmt::Debug for KeepSession<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("KeepSession").field(&self.stream).finish()
    }
}
