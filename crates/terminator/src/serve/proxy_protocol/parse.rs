//! From bytes to a header of either version.

use super::error::HeaderError;
use super::outgoing::Version;
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
    match version(bytes) {
        _ if bytes.is_empty() => Ok(Parse::Incomplete),
        Some(Version::V1) => line::parse(bytes),
        Some(Version::V2) => v2::parse(bytes),
        None => Err(HeaderError::NoHeader),
    }
}

/// The version of the header that `bytes` can only begin with.
pub(crate) fn version(bytes: &[u8]) -> Option<Version> {
    match bytes.first()? {
        b'P' => Some(Version::V1),
        b'\r' => Some(Version::V2),
        _ => None,
    }
}
