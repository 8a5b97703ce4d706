//! Values that say whose they are, in several places; and sessions that come and go: ids that were
//! never seen before, without a list of them.

use rekindle::SessionId;

/// The shortest value, in bytes.
pub(crate) const SHORTEST: usize = 32;

/// A buffer in which the values of sessions are written, one after the other.
#[derive(Debug)]
pub(crate) struct Value(Vec<u8>);

impl Value {
    pub(crate) fn new(bytes: usize) -> Self {
        assert!(bytes >= SHORTEST, "a value has at least {SHORTEST} bytes");
        Self(vec![0x5a; bytes])
    }

    /// The value of a session: its number (which stands for the live session), the number of the
    /// session that follows, and in the middle and at the end words that depend on its own.
    #[inline]
    pub(crate) fn of(&mut self, session: u64, next: u32) -> &[u8] {
        let value = &mut self.0[..];
        let (middle, end) = (middle(value.len()), value.len() - 8);
        value[..8].copy_from_slice(&session.to_le_bytes());
        value[8..16].copy_from_slice(&u64::from(next).to_le_bytes());
        value[middle..middle + 8].copy_from_slice(&mark(session).to_le_bytes());
        value[end..].copy_from_slice(&(!mark(session)).to_le_bytes());
        value
    }
}

/// Checks the value that was read for a session, and returns the number of the one that follows.
/// Looks at its length, its beginning, its middle and its end: a copy of two values shows, and the
/// check costs the same for every contender.
#[inline]
pub(crate) fn check(session: u64, value: &[u8], bytes: usize) -> u32 {
    assert!(value.len() == bytes, "a wrong length for session {session}");
    assert!(
        number(value) == session
            && word(value, middle(bytes)) == mark(session)
            && word(value, bytes - 8) == !mark(session),
        "wrong bytes for session {session}"
    );
    word(value, 8) as u32
}

/// The number of the session whose value this is.
#[inline]
pub(crate) fn number(value: &[u8]) -> u64 {
    word(value, 0)
}

#[inline]
fn word(value: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(value[at..at + 8].try_into().expect("eight bytes"))
}

#[inline]
fn middle(bytes: usize) -> usize {
    bytes / 2 / 8 * 8
}

#[inline]
fn mark(session: u64) -> u64 {
    (session ^ 0x5bd1_e995_9d1b_873b).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// The number of a session that comes and goes, and its id.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Churned {
    pub(crate) number: u64,
    /// 32 bytes that depend on the number.
    pub(crate) id: SessionId,
}

/// The session that a thread inserts at a step of its own. Computed, since an id that a handshake
/// has just received is in the nearest cache as well.
#[inline]
pub(crate) fn churned(thread: usize, step: u64) -> Churned {
    let number = (thread as u64 + 1) << 40 | step;
    let mut bytes = [0; 32];
    for (i, word) in bytes.chunks_exact_mut(8).enumerate() {
        word.copy_from_slice(&mixed(number ^ (i as u64) << 61).to_le_bytes());
    }
    Churned {
        number,
        id: SessionId::new(&bytes).expect("32 bytes"),
    }
}

/// The finaliser of splitmix64: one to one, and no bit of it tells of the order of the numbers.
#[inline]
fn mixed(number: u64) -> u64 {
    let mut word = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    word = (word ^ word >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ word >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ word >> 31
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;
    use std::panic::catch_unwind;

    #[test]
    fn every_way_to_be_wrong_is_caught() {
        let bytes = 160;
        let right = Value::new(bytes).of(7, 9).to_vec();
        let other = Value::new(bytes).of(8, 9).to_vec();
        let torn = |at: usize| [&right[..at], &other[at..]].concat();
        let begins_torn = |at: usize| [&other[..at], &right[at..]].concat();
        let wrong = [
            other.clone(),
            right[..bytes - 1].to_vec(),
            torn(bytes - 8),
            torn(bytes / 2),
            begins_torn(8),
        ];
        for value in wrong {
            assert!(catch_unwind(|| check(7, &value, bytes)).is_err());
        }
    }

    #[test]
    fn no_two_sessions_share_an_id() {
        let all = (0..4).flat_map(|thread| (0..1_000).map(move |step| churned(thread, step)));
        let ids: HashSet<_> = all.map(|c| c.id.as_bytes().to_vec()).collect();
        assert_eq!(ids.len(), 4_000);
    }
}
