//! TLS sessions in a cache: the live `SSL_SESSION` and its DER encoding.

use std::hash::BuildHasher;
use std::time::Duration;

use openssl::ssl::{SslSession, SslSessionRef};
use zeroize::Zeroizing;

use super::errors::StoreError;
use crate::{Cache, Inserted, SessionId, Time};

/// A cache of TLS sessions. Its encoded bytes are what `i2d_SSL_SESSION` writes (DER), so
/// `get_buffer` neither parses nor encodes; `get` hands out a reference to the live session.
///
/// A session in the cache is shared: treat it as read-only.
pub type SessionCache = Cache<SslSession>;

impl<S: BuildHasher> Cache<SslSession, S> {
    /// Inserts a session under an id until the end of its life: session time + session timeout,
    /// the whole of that second included (RFC 5246 leaves the length to the server; the rule is
    /// OpenSSL's own).
    ///
    /// # Errors
    ///
    /// [`StoreError`]; the cache is unchanged.
    pub fn insert_session(
        &self,
        id: &SessionId,
        session: SslSession,
    ) -> Result<Inserted, StoreError> {
        let encoded = Zeroizing::new(session.to_der()?);
        let expires_at = end_of_life(&session, self.now(), self.unix_time());
        Ok(self.insert(id, session, &encoded, expires_at)?)
    }
}

/// The last moment, in the cache's time, at which a session is `timeout` seconds old or younger.
fn end_of_life(session: &SslSessionRef, now: Time, unix_now: Duration) -> Time {
    // Ages are whole seconds: a session ends one millisecond before it gets a second too old.
    #[allow(clippy::unnecessary_cast)] // c_long or u64, by version of OpenSSL
    let ends = (session.time() as i128 + i128::from(session.timeout()) + 1) * 1_000 - 1;
    let left = ends - unix_now.as_millis() as i128;
    let end = i128::from(now.as_millis()) + left;
    // A session without an end exceeds the scale; one that has ended is in the past.
    Time::from_millis(end.clamp(0, i128::from(u64::MAX)) as u64)
}
