//! A table of sessions, as the loads call it.

use std::sync::Arc;
use std::time::Duration;

use rekindle::{Clock, MonotonicClock, SessionId, Time};

use crate::workload::number;

/// How long a session lives: OpenSSL's default for TLS 1.3.
pub(super) const LIFETIME: Duration = Duration::from_secs(2 * 60 * 60);

/// What a peer does by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Evicts when it is full.
    Cache,
    /// Keeps everything until it is removed.
    Map,
    /// As a map, but drops an entry where a line overflows.
    Floor,
}

/// A table of sessions. Each holds, under an id, the number of the session (which stands for the
/// live session), when it ends, and its encoded bytes.
///
/// Loads are generic over this, so that no call of a contender goes through a pointer.
pub(crate) trait Peer {
    fn kind(&self) -> Kind;

    /// Copies the bytes of a live session into the buffer; their length.
    fn get_buffer(&self, id: &SessionId, buffer: &mut [u8]) -> Option<usize>;

    /// Hands a live session out.
    fn get(&self, id: &SessionId) -> Option<u64>;

    /// Inserts or replaces. The session is the [`number`] that the value begins with. Returns
    /// whether the insert was accepted.
    fn insert(&self, _: &SessionId, _: &[u8]) -> bool {
        unreachable!("it is shared for reading only")
    }

    /// Removes a session; whether it was there.
    fn remove(&self, _: &SessionId) -> bool {
        unreachable!("it is shared for reading only")
    }

    /// Removes a session and hands it out.
    fn take(&self, _: &SessionId) -> Option<u64> {
        unreachable!("it is shared for reading only")
    }
}

/// What a session cache made from another crate's table holds under an id: the same as ours. Like
/// ours it looks at the clock at each lookup, the same one.
#[derive(Clone)]
pub(super) struct Stored {
    session: u64,
    expires_at: Time,
    encoded: Arc<[u8]>,
}

impl Stored {
    pub(super) fn new(encoded: &[u8]) -> Self {
        Self {
            session: number(encoded),
            expires_at: MonotonicClock.now().saturating_add(LIFETIME),
            encoded: Arc::from(encoded),
        }
    }

    #[inline]
    pub(super) fn copy_to(&self, buffer: &mut [u8]) -> Option<usize> {
        self.is_live().then(|| copy(&self.encoded, buffer))
    }

    #[inline]
    pub(super) fn session(&self) -> Option<u64> {
        self.is_live().then_some(self.session)
    }

    #[inline]
    fn is_live(&self) -> bool {
        self.expires_at >= MonotonicClock.now()
    }
}

/// Copies what fits; how much that is.
#[inline]
pub(super) fn copy(bytes: &[u8], buffer: &mut [u8]) -> usize {
    let len = bytes.len().min(buffer.len());
    buffer[..len].copy_from_slice(&bytes[..len]);
    len
}
