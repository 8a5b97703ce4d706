//! Session ids: 1 to 32 bytes, compared whole.

use std::fmt;
use std::hash::{Hash, Hasher};

use crate::error::InvalidSessionId;

/// A TLS session id: 1 to 32 bytes (RFC 5246, section 7.4.1.2).
///
/// Ids come from the network. Two ids are equal when their lengths and all their bytes are:
/// `"ab"` and `"ab\0"` are two ids. They are ordered as their bytes are.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct SessionId {
    /// Zero beyond `len`, so that derived equality, derived order and fixed-length hashing are
    /// right.
    bytes: [u8; Self::MAX_LEN],
    len: u8,
}

impl SessionId {
    /// The longest id that TLS allows, in bytes.
    pub const MAX_LEN: usize = 32;

    /// Takes an id of 1 to 32 bytes.
    ///
    /// # Errors
    ///
    /// [`InvalidSessionId`] when `id` is empty or longer than [`MAX_LEN`](Self::MAX_LEN).
    #[inline]
    pub fn new(id: &[u8]) -> Result<Self, InvalidSessionId> {
        if id.is_empty() || id.len() > Self::MAX_LEN {
            return Err(InvalidSessionId { len: id.len() });
        }
        let mut bytes = [0; Self::MAX_LEN];
        bytes[..id.len()].copy_from_slice(id);
        Ok(Self {
            bytes,
            len: id.len() as u8,
        })
    }

    /// The bytes of the id, without padding.
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

impl Hash for SessionId {
    /// Hashes all 32 bytes (a fixed length is faster) and the length.
    #[inline]
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write(&self.bytes);
        state.write_u8(self.len);
    }
}

impl AsRef<[u8]> for SessionId {
    fn as_ref(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl TryFrom<&[u8]> for SessionId {
    type Error = InvalidSessionId;

    fn try_from(id: &[u8]) -> Result<Self, InvalidSessionId> {
        Self::new(id)
    }
}

/// Shows all bytes in hexadecimal, in lower case.
impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = self.as_bytes().iter();
        bytes.try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Shows the first four bytes only: an observer who knows a whole session id of TLS 1.2 can
/// recognise its connections.
impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionId(")?;
        for byte in self.as_bytes().iter().take(4) {
            write!(f, "{byte:02x}")?;
        }
        write!(f, ".., {} bytes)", self.len)
    }
}
