//! Values that say whose they are, in several places.

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

#[cfg(test)]
mod tests {
    use std::panic::catch_unwind;

    use super::*;

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
}
