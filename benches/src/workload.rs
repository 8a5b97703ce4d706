//! What the peers are asked to do: ids, values, chains of dependent lookups.

use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use rekindle::SessionId;

/// Bytes of a value: a TLS session without certificates.
pub const VALUE: usize = 200;

/// Ids, and values that lead from each id to the next in one cycle through all of them, so that
/// each lookup needs the result of the one before.
#[derive(Debug)]
pub struct Sessions {
    ids: Vec<SessionId>,
    next: Vec<u32>,
}

impl Sessions {
    /// `count` sessions with random 32-byte ids.
    ///
    /// # Panics
    ///
    /// For more than 2^32 sessions.
    #[must_use]
    pub fn new(count: usize) -> Self {
        let mut rng = StdRng::seed_from_u64(count as u64);
        let ids = (0..count).map(|_| random_id(&mut rng)).collect();
        let mut sessions = Self {
            ids,
            next: vec![0; count],
        };
        sessions.relink(|_| true);
        sessions
    }

    /// Leads the cycle through those sessions only that `present` names: at full capacity, lines of
    /// eight have overflowed here and there, and each table has lost others.
    ///
    /// # Panics
    ///
    /// For more than 2^32 sessions.
    pub fn relink(&mut self, present: impl Fn(&SessionId) -> bool) {
        let all = 0..u32::try_from(self.len()).expect("up to 2^32");
        let mut order: Vec<u32> = all.filter(|s| present(self.id(*s))).collect();
        let mut rng = StdRng::seed_from_u64(order.len() as u64);
        order.shuffle(&mut rng);
        for (i, from) in order.iter().enumerate() {
            self.next[*from as usize] = order[(i + 1) % order.len()];
        }
        // Sessions that are not in the cycle lead into it, so that a chain may start anywhere.
        for (session, next) in self.next.iter_mut().enumerate() {
            if !present(&self.ids[session]) {
                *next = order[session % order.len()];
            }
        }
    }

    /// The session that follows: where a chain may start.
    #[must_use]
    pub fn next(&self, session: u32) -> u32 {
        self.next[session as usize]
    }

    /// Number of sessions.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// The id of a session.
    #[must_use]
    pub fn id(&self, session: u32) -> &SessionId {
        &self.ids[session as usize]
    }

    /// The value of a session: the next session's number, then bytes that depend on its own.
    #[must_use]
    pub fn value(&self, session: u32) -> [u8; VALUE] {
        let mut value = [session as u8; VALUE];
        value[..4].copy_from_slice(&self.next[session as usize].to_le_bytes());
        value
    }

    /// Checks a value that was read and returns the session that it leads to.
    ///
    /// # Panics
    ///
    /// When the bytes are not the session's: a benchmark must not time wrong answers.
    #[inline]
    #[must_use]
    pub fn follow(&self, session: u32, value: &[u8; VALUE]) -> u32 {
        assert!(
            value[4] == session as u8 && value[VALUE - 1] == session as u8,
            "wrong bytes for session {session}"
        );
        u32::from_le_bytes([value[0], value[1], value[2], value[3]])
    }
}

/// A random 32-byte id.
pub fn random_id(rng: &mut StdRng) -> SessionId {
    SessionId::new(&rng.random::<[u8; 32]>()).expect("32 bytes")
}
