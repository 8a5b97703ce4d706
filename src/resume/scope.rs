//! What a session may be resumed under.

use std::fmt;

use sha2::{Digest, Sha256};

/// What a session belongs to: it resumes under the same scope and under no other. Two servers that
/// authenticate clients in different ways, or for different tenants, have different scopes.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Scope([u8; Self::LEN]);

impl Scope {
    pub(crate) const LEN: usize = 32;

    /// The scope of that name: any bytes, the same on all machines that resume each other's
    /// sessions. A digest, so that the length does not matter.
    pub fn new(name: impl AsRef<[u8]>) -> Self {
        let name = name.as_ref();
        let mut digest = Sha256::new();
        digest.update(b"rekindle scope");
        digest.update((name.len() as u64).to_be_bytes());
        digest.update(name);
        Self(digest.finalize().into())
    }

    /// The bytes of the digest.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// The first four bytes, in hexadecimal.
impl fmt::Debug for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, ..] = self.0;
        write!(f, "Scope({a:02x}{b:02x}{c:02x}{d:02x}..)")
    }
}
