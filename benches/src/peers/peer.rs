//! A table of sessions, as the loads call it.

use std::hint::black_box;
use std::ops::Deref;
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

/// Encoded bytes behind a shared pointer: plain ones, or [`Wiping`] ones.
pub(crate) trait Encoded:
    Deref<Target: AsRef<[u8]>> + Clone + Send + Sync + 'static
{
    fn new(encoded: &[u8]) -> Self;
}

impl Encoded for Arc<[u8]> {
    fn new(encoded: &[u8]) -> Self {
        Self::from(encoded)
    }
}

/// Bytes that overwrite themselves when they are dropped, as a secret has to.
#[repr(transparent)]
pub(crate) struct Wiping([u8]);

impl Drop for Wiping {
    fn drop(&mut self) {
        self.0.fill(0);
        // Keeps the compiler from leaving it out.
        black_box(&mut self.0);
    }
}

impl AsRef<[u8]> for Wiping {
    #[inline]
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Encoded for Arc<Wiping> {
    fn new(encoded: &[u8]) -> Self {
        let plain = Arc::into_raw(Arc::<[u8]>::from(encoded));
        // SAFETY: the pointer comes from `into_raw`; `Wiping` is transparent, so that size,
        // alignment and length are those of the bytes.
        #[allow(unsafe_code)]
        unsafe {
            Self::from_raw(plain as *const Wiping)
        }
    }
}

/// What a session cache made from another crate's table holds under an id: the same as ours. Like
/// ours it looks at the clock at each lookup, the same one.
#[derive(Clone)]
pub(super) struct Stored<E> {
    session: u64,
    expires_at: Time,
    encoded: E,
}

impl<E: Encoded> Stored<E> {
    pub(super) fn new(encoded: &[u8]) -> Self {
        Self {
            session: number(encoded),
            expires_at: MonotonicClock.now().saturating_add(LIFETIME),
            encoded: E::new(encoded),
        }
    }

    #[inline]
    pub(super) fn copy_to(&self, buffer: &mut [u8]) -> Option<usize> {
        (self.is_live()).then(|| copy((*self.encoded).as_ref(), buffer))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wiping_bytes_overwrite_themselves() {
        let mut bytes = [7_u8; 40];
        // SAFETY: `Wiping` is transparent; nothing is dropped but its contents, which stay bytes.
        #[allow(unsafe_code)]
        unsafe {
            std::ptr::drop_in_place(&raw mut bytes[..] as *mut Wiping);
        }
        assert_eq!(bytes, [0; 40]);
        assert_eq!((*Arc::<Wiping>::new(&[1, 2, 3])).as_ref(), [1, 2, 3]);
    }
}
