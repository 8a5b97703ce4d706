//! From bytes to a header of either version.

use super::error::HeaderError;
use super::received::Parse;
use super::{line, v2};

/// Reads the header that `bytes`, the first of a connection, begin with.
///
/// More bytes never change what was `Complete` or refused.
///
/// # Errors
///
/// As soon as no bytes that follow could make the header valid.
pub(crate) fn parse(bytes: &[u8]) -> Result<Parse, HeaderError> {
    match bytes.first() {
        None => Ok(Parse::Incomplete),
        Some(b'P') => line::parse(bytes),
        Some(b'\r') => v2::parse(bytes),
        Some(_) => Err(HeaderError::NoHeader),
    }
}
