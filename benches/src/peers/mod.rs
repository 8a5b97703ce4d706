//! The engine and its peers behind one face.

mod caches;
mod maps;

use std::hint::black_box;
use std::sync::Arc;

use rand::Rng;
use rand::rngs::SmallRng;
use rekindle::{Cache, SessionId, Time};

use crate::engine::floor::Floor;
use crate::workload::{Sessions, VALUE};

pub use caches::{LockedLru, Moka, QuickCache, RustlsMemory, Tiny};
pub use maps::{Dash, Papaya, Scc};

/// A concurrent table of sessions.
pub trait Peer: Sync {
    /// Copies the bytes of a session into the buffer; their length.
    fn get_buffer(&self, id: &SessionId, buffer: &mut [u8]) -> Option<usize>;

    /// Whether there is a value for an id; hands out whatever the peer hands out.
    fn get(&self, id: &SessionId) -> bool;

    /// Inserts or replaces. Whether it was not refused.
    fn insert(&self, id: &SessionId, value: &[u8]) -> bool;

    /// Removes a session; whether it was there. Of no use to caches, which evict.
    fn remove(&self, _: &SessionId) -> bool {
        false
    }

    /// Looks `count` random sessions up.
    fn gets(&self, sessions: &Sessions, rng: &mut SmallRng, count: usize) {
        for _ in 0..count {
            let session = rng.random_range(0..sessions.len() as u32);
            black_box(self.get(sessions.id(session)));
        }
    }

    /// Follows `count` dependent lookups and returns the session that they lead to. Peers that can
    /// pin do it once.
    ///
    /// # Panics
    ///
    /// When a lookup misses or returns wrong bytes.
    fn chain(&self, sessions: &Sessions, start: u32, count: usize) -> u32 {
        follow(sessions, start, count, |id, buffer| {
            self.get_buffer(id, buffer).is_some()
        })
    }
}

fn follow(
    sessions: &Sessions,
    mut session: u32,
    count: usize,
    get: impl Fn(&SessionId, &mut [u8; VALUE]) -> bool,
) -> u32 {
    let mut buffer = [0; VALUE];
    for _ in 0..count {
        assert!(get(sessions.id(session), &mut buffer), "a lookup missed");
        session = sessions.follow(session, &buffer);
    }
    session
}

/// Fills a peer with all sessions.
pub fn fill(peer: &dyn Peer, sessions: &Sessions) {
    for session in 0..sessions.len() as u32 {
        peer.insert(sessions.id(session), &sessions.value(session));
    }
}

/// The engine. `PINNED`: chains pin once instead of at each lookup.
#[derive(Debug)]
pub struct Rekindle<const PINNED: bool>(Arc<Cache<u64>>);

impl<const PINNED: bool> Rekindle<PINNED> {
    /// Wraps a cache.
    #[must_use]
    pub fn new(cache: Arc<Cache<u64>>) -> Self {
        Self(cache)
    }
}

impl<const PINNED: bool> Peer for Rekindle<PINNED> {
    #[inline]
    fn get_buffer(&self, id: &SessionId, buffer: &mut [u8]) -> Option<usize> {
        self.0.get_buffer(id, buffer).map(|copied| copied.stored)
    }

    #[inline]
    fn get(&self, id: &SessionId) -> bool {
        self.0.get(id).is_some()
    }

    fn insert(&self, id: &SessionId, value: &[u8]) -> bool {
        self.0.insert(id, 0, value, Time::NEVER).is_ok()
    }

    fn chain(&self, sessions: &Sessions, start: u32, count: usize) -> u32 {
        if PINNED {
            let guard = self.0.pin();
            follow(sessions, start, count, |id, buffer| {
                guard.get_buffer(id, buffer).is_some()
            })
        } else {
            follow(sessions, start, count, |id, buffer| {
                self.get_buffer(id, buffer).is_some()
            })
        }
    }
}

/// The unsynchronised floor, for reading only.
impl Peer for Floor {
    #[inline]
    fn get_buffer(&self, id: &SessionId, buffer: &mut [u8]) -> Option<usize> {
        let buffer = buffer.first_chunk_mut::<VALUE>()?;
        Floor::get_buffer(self, id, buffer)
    }

    fn get(&self, id: &SessionId) -> bool {
        Floor::get_buffer(self, id, &mut [0; VALUE]).is_some()
    }

    fn insert(&self, _: &SessionId, _: &[u8]) -> bool {
        unreachable!("the floor is filled before it is shared");
    }
}

/// What a session cache made from a map holds under an id: the same as ours.
#[derive(Clone, Debug)]
struct Stored {
    /// The live session.
    session: u64,
    expires_at: Time,
    encoded: Arc<[u8]>,
}

impl Stored {
    fn new(encoded: &[u8]) -> Self {
        Self {
            session: 0,
            expires_at: Time::NEVER,
            encoded: Arc::from(encoded),
        }
    }

    #[inline]
    fn copy_to(&self, buffer: &mut [u8]) -> Option<usize> {
        let len = self.encoded.len().min(buffer.len());
        buffer[..len].copy_from_slice(&self.encoded[..len]);
        self.is_live().then_some(len)
    }

    /// What a lookup hands out.
    #[inline]
    fn session(self) -> Option<u64> {
        self.is_live().then_some(self.session)
    }

    #[inline]
    fn is_live(&self) -> bool {
        self.expires_at > Time::from_millis(1)
    }
}
