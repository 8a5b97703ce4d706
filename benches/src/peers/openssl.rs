//! OpenSSL's internal session cache: a hash table and a list under one lock, inside an `SSL_CTX`.
//!
//! Nothing but a handshake can look a session up in it, so it carries loads that only insert or
//! only remove (the part `handshake` measures the rest). It holds the live session alone, which is
//! made beforehand and not timed: no id is hashed with a key, no encoding copied.
#![allow(unsafe_code)] // two calls that are unsafe since sessions know their context

use openssl::ssl::{SslContext, SslMethod, SslSession, SslSessionCacheMode, SslSessionRef};

/// OpenSSL's cache.
pub(crate) struct OpenSsl(SslContext);

impl OpenSsl {
    /// A cache for `capacity` sessions.
    pub(crate) fn new(capacity: usize) -> Self {
        let mut context = SslContext::builder(SslMethod::tls_server()).expect("a context");
        context.set_session_cache_mode(SslSessionCacheMode::SERVER);
        // It evicts as soon as it is full, counting the one that comes in: one more than it keeps.
        context.set_session_cache_size(i32::try_from(capacity + 1).expect("up to 2^31"));
        Self(context.build())
    }

    /// Adds a session; `false` where it was there.
    pub(crate) fn insert(&self, session: &SslSessionRef) -> bool {
        // SAFETY: the harness gives a session to one cache only, and to no connection.
        unsafe { self.0.add_session(session) }
    }

    /// Removes a session; whether it was there.
    pub(crate) fn remove(&self, session: &SslSessionRef) -> bool {
        // SAFETY: as above.
        unsafe { self.0.remove_session(session) }
    }
}

/// A TLS 1.2 session under an id, as OpenSSL decodes it: it offers no other way to choose the id.
pub(crate) fn session(id: &[u8]) -> SslSession {
    assert!(id.len() == 32, "an id of 32 bytes");
    let fields: [&[u8]; 8] = [
        &[0x02, 1, 1],          // version of the structure
        &[0x02, 2, 0x03, 0x03], // TLS 1.2
        &[0x04, 2, 0xc0, 0x2f], // ECDHE-RSA-AES128-GCM-SHA256
        &[0x04, 32],
        id,
        &[0x04, 48],
        &[0x5a; 48],                     // the master secret
        &[0xa2, 4, 0x02, 2, 0x1c, 0x20], // how many seconds it lives, from now
    ];
    let fields = fields.concat();
    let der = [&[0x30, fields.len() as u8][..], &fields[..]].concat();
    SslSession::from_der(&der).expect("a valid encoding")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::churned;

    #[test]
    fn sessions_come_and_go_and_the_oldest_is_evicted() {
        let cache = OpenSsl::new(2);
        let [a, b, c] = [1, 2, 3].map(|step| session(churned(0, step).id.as_bytes()));
        assert_eq!(a.id(), churned(0, 1).id.as_bytes());
        assert!(cache.insert(&a));
        assert!(!cache.insert(&a), "it was there");
        assert!(cache.insert(&b) && cache.insert(&c));
        assert!(!cache.remove(&a), "it was evicted");
        assert!(cache.remove(&b) && !cache.remove(&b));
    }
}
