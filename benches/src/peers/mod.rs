//! The engine and its peers behind one face.

mod caches;
mod floor;
mod maps;
mod openssl;
mod ours;

use std::sync::Arc;
use std::time::Duration;

use rekindle::{Clock, MonotonicClock, SessionId, Time};

use crate::workload::{Sessions, Value, number};

pub use self::openssl::{OpenSsl, session};
pub use caches::{LockedLru, Moka, QuickCache, RustlsMemory, Tiny};
pub use floor::{Floor, OwnFloor};
pub use maps::{Dash, Papaya, Scc};
pub use ours::Rekindle;

/// How long a session lives: OpenSSL's default for TLS 1.3.
const LIFETIME: Duration = Duration::from_secs(2 * 60 * 60);

/// What a peer does by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
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
pub trait Peer {
    /// What it does by itself.
    fn kind(&self) -> Kind;

    /// Copies the bytes of a live session into the buffer; their length.
    fn get_buffer(&self, id: &SessionId, buffer: &mut [u8]) -> Option<usize>;

    /// Hands a live session out.
    fn get(&self, id: &SessionId) -> Option<u64>;

    /// Inserts or replaces. The session is the [`number`] that the value begins with. Whether it was
    /// not refused.
    fn insert(&self, id: &SessionId, value: &[u8]) -> bool;

    /// Removes a session; whether it was there.
    fn remove(&self, id: &SessionId) -> bool;

    /// Removes a session and hands it out.
    fn take(&self, id: &SessionId) -> Option<u64>;
}

/// Fills a peer with all sessions.
pub fn fill(peer: &dyn Peer, sessions: &Sessions) {
    let mut value = Value::new(sessions.bytes());
    for session in 0..sessions.len() as u32 {
        peer.insert(sessions.id(session), sessions.value(session, &mut value));
    }
}

/// What a session cache made from somebody else's table holds under an id: the same as ours. Like
/// ours it looks at the clock at each lookup, the same one.
#[derive(Clone, Debug)]
struct Stored {
    session: u64,
    expires_at: Time,
    encoded: Arc<[u8]>,
}

impl Stored {
    fn new(encoded: &[u8]) -> Self {
        Self {
            session: number(encoded),
            expires_at: MonotonicClock.now().saturating_add(LIFETIME),
            encoded: Arc::from(encoded),
        }
    }

    #[inline]
    fn copy_to(&self, buffer: &mut [u8]) -> Option<usize> {
        let len = self.encoded.len().min(buffer.len());
        self.is_live().then(|| {
            buffer[..len].copy_from_slice(&self.encoded[..len]);
            len
        })
    }

    #[inline]
    fn session(&self) -> Option<u64> {
        self.is_live().then_some(self.session)
    }

    #[inline]
    fn is_live(&self) -> bool {
        self.expires_at >= MonotonicClock.now()
    }
}

#[cfg(test)]
mod tests;
