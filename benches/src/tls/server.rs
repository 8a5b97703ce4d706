//! Servers in this process.

use openssl::ssl::{SslContext, SslContextBuilder, SslOptions, SslSession, SslSessionCacheMode};
use rekindle::SessionId;
use rekindle::openssl::Resumption;

use super::context::server_builder;
use super::ffi;

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
            None => ffi::sessions_in(&self.context),
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
            None => assert!(ffi::add_session(&self.context, &session), "a new session"),
        }
    }
}
