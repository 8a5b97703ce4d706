//! The configuration of a resumption.

use std::ffi::c_long;
use std::sync::Arc;
use std::time::Duration;

use openssl::lib_ctx::LibCtxRef;

use super::binding::Bindings;
use super::cipher::{Ciphers, Library};
use super::early_data::{EarlyData, EarlyDataGate};
use super::errors::BuildError;
use super::handover::InheritedState;
use super::resumption::Resumption;
use super::sealer::Sealer;
use super::session::{SessionCache, SessionStorage};
use super::session_times::Lifetimes;
use super::shared::Shared;
use crate::Cache;
use crate::resume::{Limits, RingSource, ServerNames};
use crate::tickets::{TicketPolicy, TicketRing, TicketSecret};

/// TLS 1.3 allows no ticket a longer life (RFC 8446, section 4.6.1), and chains of renewals end
/// there by default: seven days.
const SEVEN_DAYS: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// Configures a [`Resumption`].
#[derive(Debug)]
#[must_use]
pub struct ResumptionBuilder {
    sessions: usize,
    storage: SessionStorage,
    cache: Option<Arc<SessionCache>>,
    ticket_keys: RingSource,
    stateless_tickets: Option<bool>,
    keep_sessions: bool,
    session_timeout: Option<Duration>,
    full_handshake_max_age: Duration,
    names: ServerNames,
    early_data: EarlyData,
    single_use: bool,
    library_context: Library,
    inherited: Option<InheritedState>,
}

impl Resumption {
    /// Starts from the defaults: room for 100,000 sessions, tickets under a random key, session
    /// timeout and kind of tickets as each context has them.
    pub fn builder() -> ResumptionBuilder {
        ResumptionBuilder {
            sessions: 100_000,
            storage: SessionStorage::default(),
            cache: None,
            ticket_keys: RingSource::default(),
            stateless_tickets: None,
            keep_sessions: false,
            session_timeout: None,
            full_handshake_max_age: SEVEN_DAYS,
            names: ServerNames::default(),
            early_data: EarlyData::up_to(0),
            single_use: false,
            library_context: Library::default(),
            inherited: None,
        }
    }
}

impl ResumptionBuilder {
    /// The number of sessions that fit. Ignored when a [`cache`](Self::cache) is given.
    pub fn sessions(mut self, capacity: usize) -> Self {
        self.sessions = capacity;
        self
    }

    /// What the cache keeps of a session: by default the live session. Ignored when a
    /// [`cache`](Self::cache) is given.
    pub fn session_storage(mut self, storage: SessionStorage) -> Self {
        self.storage = storage;
        self
    }

    /// Uses a cache that was configured elsewhere.
    pub fn cache(mut self, cache: Arc<SessionCache>) -> Self {
        self.cache = Some(cache);
        self
    }

    /// Uses a ring of ticket keys that was configured elsewhere, with its own policy; excludes
    /// [`ticket_policy`](Self::ticket_policy) and [`ticket_secret`](Self::ticket_secret).
    ///
    /// A ticket lives for [`session_timeout`](Self::session_timeout), but no longer than its key
    /// opens: with keys that the ring made, for its policy's
    /// [`lifetime`](TicketPolicy::lifetime). Clients are told the shorter of the two.
    pub fn ticket_ring(mut self, ring: Arc<TicketRing>) -> Self {
        self.ticket_keys.ring = Some(ring);
        self
    }

    /// How long ticket keys seal and how old they get. The policy's
    /// [`lifetime`](TicketPolicy::lifetime) counts only where no
    /// [`session_timeout`](Self::session_timeout) is set: keys open for as long as sessions live.
    pub fn ticket_policy(mut self, policy: TicketPolicy) -> Self {
        self.ticket_keys.policy = Some(policy);
        self
    }

    /// Derives the ticket keys from a secret and the wall clock, so that machines which share the
    /// secret resume each other's tickets.
    pub fn ticket_secret(mut self, secret: TicketSecret) -> Self {
        self.ticket_keys.secret = Some(secret);
        self
    }

    /// Whether clients get tickets that carry their session, or sessions stay in the cache: by
    /// session id in TLS 1.2, by stateful tickets in TLS 1.3. By default a context's own option
    /// decides (`SSL_OP_NO_TICKET`; OpenSSL's default are tickets that carry the session).
    pub fn stateless_tickets(mut self, on: bool) -> Self {
        self.stateless_tickets = Some(on);
        self
    }

    /// Whether a session in the cache outlives a connection that just ends: one that the program
    /// frees without a shutdown, or whose peer closes it without `close_notify`. OpenSSL removes
    /// such a session, though TLS lets it live (RFC 5246, section 7.2.1). A session whose
    /// connection failed, by a fatal alert that was sent or received, is removed in any case. Off
    /// by default.
    ///
    /// A connection failed if the thread's queue of OpenSSL's errors says so. (Over QUIC it does
    /// not say so of an alert that the peer sent.) A session that the program itself removes while
    /// that queue is empty (`SSL_CTX_remove_session`) stays as well: remove it from the
    /// [cache](Resumption::cache) instead. One that is removed, or fails on another connection, in
    /// the moment in which a connection of it just ends may stay.
    ///
    /// Such a session is kept as its encoding from then on: each lookup parses it.
    pub fn keep_sessions(mut self, on: bool) -> Self {
        self.keep_sessions = on;
        self
    }

    /// How long a session may be resumed, in whole seconds, at least one. By default each
    /// context's own timeout (`SSL_CTX_set_timeout`). A ticket ends no later than seven days after
    /// it was issued (RFC 8446, section 4.6.1).
    pub fn session_timeout(mut self, timeout: Duration) -> Self {
        self.session_timeout = Some(timeout);
        self
    }

    /// How long a client may go on resuming after its last full handshake, however often its ticket
    /// was renewed: OpenSSL's tickets of TLS 1.3 would go on for ever. In whole seconds, one second
    /// to seven days, by default seven days.
    pub fn full_handshake_max_age(mut self, limit: Duration) -> Self {
        self.full_handshake_max_age = limit;
        self
    }

    /// Says that some server names are one: a session that was made under one of them may be
    /// resumed under another. Without this, none is: names are compared without regard to case, and
    /// a client that sends none is not one that does. May be called for several groups.
    ///
    /// All contexts behind these names must authenticate clients in the same way: OpenSSL decides
    /// what is resumed before a servername callback chooses the context.
    pub fn names_as_one<N: AsRef<[u8]>>(mut self, names: impl IntoIterator<Item = N>) -> Self {
        let names = names.into_iter().map(|name| name.as_ref().to_vec());
        self.names.add_group(names);
        self
    }

    /// Says that all server names are one: for contexts without a servername callback, whose
    /// clients use several names for the same service.
    pub fn all_names_as_one(mut self) -> Self {
        self.names.ignore();
        self
    }

    /// Accepts early data (0-RTT) of clients that come back, each flight once. Off by default.
    ///
    /// The program asks for it (`SSL_read_early_data`) before the handshake, and has to tell it
    /// from other data, for an observer can send a flight first: see
    /// [`Resumption::early_data_status`]. On contexts that this is installed on, do not set
    /// `SSL_CTX_set_allow_early_data_cb`, nor the sizes of early data.
    pub fn early_data(mut self, early_data: EarlyData) -> Self {
        self.early_data = early_data;
        self
    }

    /// Whether a session of TLS 1.3 in the cache (without stateless tickets) resumes once. It is
    /// taken when its client has shown that it has the secret: with early data before that is
    /// accepted, else at the end of the handshake. Connections that race with one session and
    /// without early data resume all the same. Off by default.
    pub fn single_use(mut self, on: bool) -> Self {
        self.single_use = on;
        self
    }

    /// OpenSSL's library context for ticket keys' ciphers and for randomness: for contexts of
    /// `SSL_CTX_new_ex`, whose providers (FIPS, say) are loaded there only. By default the default
    /// one. The MAC of tickets always comes from the library context of the connection's context.
    pub fn library_context(mut self, context: &'static LibCtxRef) -> Self {
        self.library_context = Library(Some(context));
        self
    }

    /// Goes on for another process of this machine, whose [ticket ring](Self::ticket_ring) this one
    /// has inherited as well: what it knows as its own, this one does, and what it has revoked is
    /// revoked. [`Resumption::hand_over`] shows all of a handover.
    pub fn inherit(mut self, state: InheritedState) -> Self {
        self.inherited = Some(state);
        self
    }

    /// Builds it.
    ///
    /// # Errors
    ///
    /// [`BuildError`] says what is wrong.
    pub fn build(self) -> Result<Resumption, BuildError> {
        let in_seconds = |timeout| seconds(timeout).ok_or(BuildError::SessionTimeout(timeout));
        let session_timeout = self.session_timeout.map(in_seconds).transpose()?;
        let max_age = self.full_handshake_max_age;
        if seconds(max_age).is_none() || max_age > SEVEN_DAYS {
            return Err(BuildError::FullHandshakeMaxAge(max_age));
        }
        let lifetimes = Lifetimes {
            limits: Limits {
                full_handshake_max_age: max_age,
            },
            session_timeout,
        };
        let lifetime = self.session_timeout.map(|timeout| timeout.min(SEVEN_DAYS));
        let ring = self.ticket_keys.ring(lifetime);
        let ring = ring.ok_or(BuildError::ConflictingTicketKeys)??;
        let cache = match self.cache {
            Some(cache) => cache,
            None => {
                let builder = Cache::builder().capacity(self.sessions);
                Arc::new(SessionCache::new(builder, self.storage)?)
            }
        };
        let inherited = match self.inherited {
            Some(inherited) => inherited,
            None => InheritedState::none(&ring).map_err(BuildError::Randomness)?,
        };
        let started = inherited.started.unwrap_or_else(|| ring.now());
        let early_data = (self.early_data.bytes > 0)
            .then(|| EarlyDataGate::new(self.early_data, &ring, started))
            .transpose()
            .map_err(BuildError::EarlyData)?;
        if let (Some(gate), true, None) = (&early_data, inherited.is_inherited, inherited.started) {
            // The predecessor accepted none, but the one before it may have.
            gate.refuse_for_now(ring.now());
        }
        let sealer = Sealer::new(
            ring,
            lifetimes,
            Bindings {
                names: self.names,
                revocations: inherited.revocations.into(),
            },
            early_data,
            inherited.timestamps,
            Ciphers::fetch(self.library_context)?,
        );
        let shared = Shared::new(
            cache,
            sealer,
            self.stateless_tickets,
            self.keep_sessions,
            self.single_use,
            session_timeout,
        );
        Ok(Resumption {
            shared: Arc::new(shared),
        })
    }
}

/// A duration as OpenSSL takes it: whole seconds, at least one.
fn seconds(duration: Duration) -> Option<c_long> {
    let seconds = c_long::try_from(duration.as_secs()).ok()?;
    (duration.subsec_nanos() == 0 && seconds > 0).then_some(seconds)
}
