//! Ways to come back, and the servers that offer them.

use std::fmt;

use openssl::ssl::{
    SslContext, SslContextBuilder, SslOptions, SslSession, SslSessionCacheMode, SslVersion,
};
use rand::Rng;
use rand::rngs::StdRng;
use rekindle::SessionId;
use rekindle::openssl::Resumption;

use super::batch::session_of_server;
use super::ffi;
use super::tls::{client_builder, server_builder};

/// What a handshake is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    FullTls12,
    FullTls13,
    Tls12Id,
    Tls12Ticket,
    Tls13Ticket,
    Tls13Stateful,
}

impl Way {
    pub(crate) const ALL: [Self; 6] = [
        Self::FullTls12,
        Self::FullTls13,
        Self::Tls12Id,
        Self::Tls12Ticket,
        Self::Tls13Ticket,
        Self::Tls13Stateful,
    ];

    pub(crate) fn resumes(self) -> bool {
        !matches!(self, Self::FullTls12 | Self::FullTls13)
    }

    /// Whether sessions come back out of the server's memory.
    pub(crate) fn looks_up(self) -> bool {
        matches!(self, Self::Tls12Id | Self::Tls13Stateful)
    }

    /// A client that comes this way and no other.
    pub(crate) fn client(self) -> SslContext {
        let version = match self {
            Self::FullTls12 | Self::Tls12Id | Self::Tls12Ticket => SslVersion::TLS1_2,
            Self::FullTls13 | Self::Tls13Ticket | Self::Tls13Stateful => SslVersion::TLS1_3,
        };
        client_builder(version).build()
    }

    /// Whether a session that a client has received leads this way: by the length of its ticket,
    /// which is none for session ids, and for stateful tickets that of a session id.
    pub(crate) fn fits(self, session: &SslSession) -> bool {
        let ticket = ffi::ticket_of(session).len();
        match self {
            Self::FullTls12 | Self::FullTls13 => false,
            Self::Tls12Id => ticket == 0,
            Self::Tls13Stateful => ticket == 32,
            Self::Tls12Ticket | Self::Tls13Ticket => ticket > 100,
        }
    }

    /// Who is held against whom; ratios are to the first.
    pub(crate) fn contenders(self) -> Vec<(&'static str, Keeper)> {
        let internal = ("OpenSSL internal cache", Keeper::Internal);
        let built_in = ("OpenSSL's built-in key", Keeper::BuiltInKey);
        match self {
            // Here it shows what it costs to prepare for a return.
            Self::FullTls12 | Self::FullTls13 => vec![
                ("no resumption", Keeper::Nobody),
                internal,
                ("rekindle", Keeper::RekindleCache),
                built_in,
                ("rekindle, tickets", Keeper::RekindleTickets),
            ],
            Self::Tls12Id | Self::Tls13Stateful => {
                vec![internal, ("rekindle", Keeper::RekindleCache)]
            }
            Self::Tls12Ticket | Self::Tls13Ticket => {
                vec![built_in, ("rekindle", Keeper::RekindleTickets)]
            }
        }
    }
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::FullTls12 => "full, TLS 1.2",
            Self::FullTls13 => "full, TLS 1.3",
            Self::Tls12Id => "TLS 1.2 id",
            Self::Tls12Ticket => "TLS 1.2 ticket",
            Self::Tls13Ticket => "TLS 1.3 ticket",
            Self::Tls13Stateful => "TLS 1.3 stateful",
        })
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
