//! Servers in this process, and sessions for them that no handshake made.

use openssl::ssl::{SslContext, SslContextBuilder, SslOptions, SslSession, SslSessionCacheMode};
use rekindle::SessionId;
use rekindle::openssl::Resumption;

use super::context::server_builder;
use super::ffi::{add_session, sessions_in};

/// What keeps a server's sessions, or the key to them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Store {
    NoResumption,
    Internal,
    BuiltInKey,
    RekindleCache,
    RekindleTickets,
}

pub(crate) struct Server {
    pub(crate) context: SslContext,
    pub(crate) resumption: Option<Resumption>,
}

impl Server {
    pub(crate) fn new(store: Store, room: usize) -> Self {
        Self::configured(store, room, |_| ())
    }

    /// As [`new`](Self::new), with more on its context.
    pub(crate) fn configured(
        store: Store,
        room: usize,
        configure: impl FnOnce(&mut SslContextBuilder),
    ) -> Self {
        let mut builder = server_builder();
        configure(&mut builder);
        let mut resumption = None;
        match store {
            Store::NoResumption => {
                builder.set_session_cache_mode(SslSessionCacheMode::OFF);
                builder.set_options(SslOptions::NO_TICKET);
                builder.set_num_tickets(0).expect("none is a number");
            }
            Store::Internal => {
                builder.set_session_cache_mode(SslSessionCacheMode::SERVER);
                builder.set_session_cache_size(i32::try_from(room).expect("an int of C"));
                builder.set_options(SslOptions::NO_TICKET);
            }
            Store::BuiltInKey => {
                // The same mode as with rekindle, so that nothing differs but the key.
                builder.set_session_cache_mode(
                    SslSessionCacheMode::SERVER | SslSessionCacheMode::NO_INTERNAL,
                );
            }
            Store::RekindleCache | Store::RekindleTickets => {
                let stateless = store == Store::RekindleTickets;
                let ours = Resumption::builder().sessions(room);
                let ours = ours.stateless_tickets(stateless).build().expect("valid");
                ours.install(&mut builder).expect("a fresh context");
                resumption = Some(ours);
            }
        }
        Self {
            context: builder.build(),
            resumption,
        }
    }

    pub(crate) fn sessions(&self) -> usize {
        match &self.resumption {
            Some(ours) => ours.cache().len(),
            None => sessions_in(&self.context),
        }
    }

    /// Stores a session that was made for this server's context, as a handshake would.
    pub(crate) fn insert(&self, session: SslSession) {
        match &self.resumption {
            Some(ours) => {
                let id = SessionId::new(session.id()).expect("an id");
                let inserted = ours.cache().insert_session(&id, session);
                inserted.expect("nothing is refused here");
            }
            None => assert!(add_session(&self.context, &session), "a new session"),
        }
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
    use crate::tls::remove_session;
    use crate::workload::churned;

    #[test]
    fn sessions_come_and_go_and_the_oldest_is_evicted() {
        // It evicts as soon as it is full, counting the one that comes in: it keeps two.
        let cache = Server::new(Store::Internal, 3).context;
        let add = |session: &SslSession| add_session(&cache, session);
        let remove = |session: &SslSession| remove_session(&cache, session);
        let [a, b, c] = [1, 2, 3].map(|step| session(churned(0, step).id.as_bytes()));
        assert_eq!(a.id(), churned(0, 1).id.as_bytes());
        assert!(add(&a));
        assert!(!add(&a), "it was there");
        assert!(add(&b) && add(&c));
        assert!(!remove(&a), "it was evicted");
        assert!(remove(&b) && !remove(&b));
    }
}
