//! Sessions and revocations: what the oracle knows.

use std::time::Duration;

use rekindle::SessionId;

use crate::store::Said;

/// How long a session lives.
pub(crate) const LIFETIME: Duration = Duration::from_secs(600);

/// A session that a machine has made.
pub(crate) struct Session {
    pub(crate) id: SessionId,
    pub(crate) scope: usize,
    pub(crate) content: Vec<u8>,
    pub(crate) by: usize,
    pub(crate) made: Duration,
    pub(crate) is_removed: bool,
}

impl Session {
    /// Machines do not take early data of each other's sessions: rustls's value ends with what
    /// hides the client's age, which is made wrong there.
    pub(crate) fn content_at(&self, machine: usize) -> Vec<u8> {
        let mut content = self.content.clone();
        if let Some(hidden) = content.last_chunk_mut::<4>().filter(|_| machine != self.by) {
            hidden[0] ^= 0x80;
        }
        content
    }
}

/// A revocation.
pub(crate) struct Revoked {
    pub(crate) by: usize,
    /// Of all, if there is none.
    pub(crate) scope: Option<usize>,
    pub(crate) at: Duration,
    /// The only write that says so, if it is known.
    pub(crate) said: Option<Said>,
}
