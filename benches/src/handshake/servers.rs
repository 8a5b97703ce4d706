//! Servers, and who is held against whom.

use openssl::ssl::{SslContext, SslContextBuilder, SslOptions, SslSession, SslSessionCacheMode};
use rand::Rng;
use rand::rngs::StdRng;
use rekindle::SessionId;
use rekindle::openssl::Resumption;

use super::batch::session_of_server;
use super::ffi;
use super::tls::server_builder;
use crate::way::Way;

/// Who is held against whom; ratios are to the first.
pub(super) fn contenders(way: Way) -> Vec<(&'static str, Keeper)> {
    let internal = ("OpenSSL internal cache", Keeper::Internal);
    let built_in = ("OpenSSL's built-in key", Keeper::BuiltInKey);
    match way {
        // Here it shows what it costs to prepare for a return.
        Way::FullTls12 | Way::FullTls13 => vec![
            ("no resumption", Keeper::Nobody),
            internal,
            ("rekindle", Keeper::RekindleCache),
            built_in,
            ("rekindle, tickets", Keeper::RekindleTickets),
        ],
        Way::Tls12Id | Way::Tls13Stateful => {
            vec![internal, ("rekindle", Keeper::RekindleCache)]
        }
        Way::Tls12Ticket | Way::Tls13Ticket => {
            vec![built_in, ("rekindle", Keeper::RekindleTickets)]
        }
    }
}

/// Who keeps a server's sessions, or the key to them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keeper {
    Nobody,
    Internal,
    BuiltInKey,
    RekindleCache,
    RekindleTickets,
}

/// A server, as its context.
pub(crate) struct Server {
    pub(crate) context: SslContext,
    pub(crate) resumption: Option<Resumption>,
}

impl Server {
    /// With room for so many sessions.
    pub(crate) fn new(keeper: Keeper, room: usize) -> Self {
        Self::configured(keeper, room, |_| ())
    }

    /// As [`new`](Self::new), with more on its context.
    pub(crate) fn configured(
        keeper: Keeper,
        room: usize,
        configure: impl FnOnce(&mut SslContextBuilder),
    ) -> Self {
        let mut builder = server_builder();
        configure(&mut builder);
        let mut resumption = None;
        match keeper {
            Keeper::Nobody => {
                builder.set_session_cache_mode(SslSessionCacheMode::OFF);
                builder.set_options(SslOptions::NO_TICKET);
                builder.set_num_tickets(0).expect("none is a number");
            }
            Keeper::Internal => {
                builder.set_session_cache_mode(SslSessionCacheMode::SERVER);
                builder.set_session_cache_size(i32::try_from(room).expect("an int of C"));
                builder.set_options(SslOptions::NO_TICKET);
            }
            Keeper::BuiltInKey => {
                // The same mode as with rekindle, so that nothing differs but the key.
                builder.set_session_cache_mode(
                    SslSessionCacheMode::SERVER | SslSessionCacheMode::NO_INTERNAL,
                );
            }
            Keeper::RekindleCache | Keeper::RekindleTickets => {
                let stateless = keeper == Keeper::RekindleTickets;
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

    /// Number of sessions that are kept.
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

/// A session of a server, to make others from that differ in their id.
pub(crate) struct Template {
    der: Vec<u8>,
    /// Where in it the id is.
    id: usize,
}

impl Template {
    /// Of a session that a full handshake makes.
    pub(crate) fn new(server: &Server, client: &SslContext) -> Self {
        let session = session_of_server(&server.context, client);
        let der = session.to_der().expect("an encoding");
        assert_eq!(session.id().len(), 32, "a session with an id");
        let id = der.windows(32).position(|bytes| bytes == session.id());
        Self {
            id: id.expect("it is in there"),
            der,
        }
    }

    /// A session with an id of its own, and its encoding.
    pub(crate) fn fresh(&self, rng: &mut StdRng) -> (SslSession, Vec<u8>) {
        let mut der = self.der.clone();
        der[self.id..self.id + 32].copy_from_slice(&rng.random::<[u8; 32]>());
        (SslSession::from_der(&der).expect("a session"), der)
    }
}
