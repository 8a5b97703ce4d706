//! What an embedder holds: gives each `ServerConfig` its store and its ticketer.

use std::fmt;
use std::io;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use rustls::crypto::CryptoProvider;
use thiserror::Error;

use super::gcm::GcmSource;
use super::shared::{CacheOwner, Shared};
use super::store::SessionStore;
use super::ticketer::Ticketer;
use crate::hooks::SessionHooks;
use crate::resume::{
    Maintainer, RingSource, Scope, StoreCounters, StoreStats, TicketCounters, TicketStats,
};
#[cfg(feature = "openssl")]
use crate::resume::{Revocations, Watchers};
use crate::tickets::{TicketKeyError, TicketPolicy, TicketRing, TicketRingError, TicketSecret};
use crate::{Cache, ConfigError};

/// A cache of sessions and a ring of ticket keys, for any number of `ServerConfig`s, which share
/// them. Cloning is cheap.
pub struct Resumption<C = Cache<()>> {
    pub(super) shared: Arc<Shared<C>>,
}

/// Configures a [`Resumption`].
#[derive(Debug)]
#[must_use]
pub struct ResumptionBuilder {
    sessions: usize,
    cache: Option<Arc<Cache<()>>>,
    ticket_keys: RingSource,
    session_timeout: Duration,
}

impl Resumption {
    /// The longest session timeout: rustls tells the client of a session in the store that it lives
    /// for 24 hours.
    pub const MAX_SESSION_TIMEOUT: Duration = Duration::from_secs(24 * 60 * 60);

    /// Starts from the defaults: room for 100,000 sessions, which live for 24 hours, tickets under
    /// a random key.
    pub fn builder() -> ResumptionBuilder {
        ResumptionBuilder {
            sessions: 100_000,
            cache: None,
            ticket_keys: RingSource::default(),
            session_timeout: Self::MAX_SESSION_TIMEOUT,
        }
    }
}

impl<C: CacheOwner> Resumption<C> {
    /// Over a cache that another adapter uses as well, and its ring and hooks.
    ///
    /// # Errors
    ///
    /// [`BuildError::SessionTimeout`].
    pub fn over(
        owner: Arc<C>,
        ring: Arc<TicketRing>,
        hooks: Arc<SessionHooks>,
        session_timeout: Duration,
    ) -> Result<Self, BuildError> {
        if session_timeout.is_zero() || session_timeout > Resumption::MAX_SESSION_TIMEOUT {
            return Err(BuildError::SessionTimeout(session_timeout));
        }
        let shared = Shared {
            owner,
            ring,
            hooks,
            session_timeout,
            revocations: Arc::default(),
            watchers: Arc::default(),
            store: StoreCounters::default(),
            tickets: Arc::new(TicketCounters::new()),
            maintainer: Maintainer::default(),
        };
        Ok(Self {
            shared: Arc::new(shared),
        })
    }

    /// With the revocations and watchers of another adapter. This is new, and has no clones.
    #[cfg(feature = "openssl")]
    pub(crate) fn beside(mut self, revocations: Arc<Revocations>, watchers: Arc<Watchers>) -> Self {
        if let Some(shared) = Arc::get_mut(&mut self.shared) {
            (shared.revocations, shared.watchers) = (revocations, watchers);
        }
        self
    }

    /// A store for one configuration. Sessions never cross to another scope.
    pub fn store(&self, scope: &Scope) -> Arc<SessionStore<C>> {
        Arc::new(SessionStore {
            shared: Arc::clone(&self.shared),
            scope: *scope,
        })
    }

    /// A ticketer for one configuration. A ticket of another scope does not open.
    ///
    /// Its AES-256-GCM is that of the process's default provider, or RustCrypto's, which is slower,
    /// if there is none when the first ticket is sealed or opened.
    pub fn ticketer(&self, scope: &Scope) -> Arc<Ticketer> {
        self.ticketer_of(scope, OnceLock::new())
    }

    /// A ticketer for one configuration, with the AES-256-GCM of its provider. (A key of which one
    /// ticketer has sealed or opened tickets is used as it is by others of its ring.)
    pub fn ticketer_with_provider(
        &self,
        scope: &Scope,
        provider: &CryptoProvider,
    ) -> Arc<Ticketer> {
        self.ticketer_of(scope, GcmSource::of(Some(provider)).into())
    }

    fn ticketer_of(&self, scope: &Scope, gcm: OnceLock<GcmSource>) -> Arc<Ticketer> {
        Arc::new(Ticketer {
            ring: Arc::clone(&self.shared.ring),
            counters: Arc::clone(&self.shared.tickets),
            scope: *scope,
            gcm,
            revocations: Arc::clone(&self.shared.revocations),
            _resumption: Arc::clone(&self.shared) as _,
        })
    }

    /// Revokes the sessions of a scope, in stores and tickets: from when this returns on, none of
    /// before is found or opened. It takes the same time however many sessions there are, and
    /// reading it keeps no handshake waiting.
    ///
    /// For tickets the time of day decides, in whole seconds, so that one that is sealed within the
    /// same second does not open either. rustls does not tell a ticketer how old a session was that
    /// a ticket renews: a handshake that has opened its ticket by then seals another one, which
    /// lives on. Other machines have to revoke theirs themselves.
    pub fn revoke(&self, scope: &Scope) {
        let shared = &self.shared;
        (shared.watchers).revoke(&shared.revocations, &shared.ring, Some(scope));
    }

    /// Revokes the sessions of all scopes, as [`revoke`](Self::revoke) does those of one.
    pub fn revoke_all(&self) {
        let shared = &self.shared;
        (shared.watchers).revoke(&shared.revocations, &shared.ring, None);
    }

    /// The cache of sessions.
    #[must_use]
    pub fn cache(&self) -> &Cache<C::Value> {
        self.shared.owner.cache()
    }

    /// The ring of ticket keys.
    #[must_use]
    pub fn ticket_ring(&self) -> &Arc<TicketRing> {
        &self.shared.ring
    }

    /// The hooks that handshakes run.
    #[must_use]
    pub fn hooks(&self) -> &SessionHooks {
        &self.shared.hooks
    }

    /// What handshakes have asked of the stores so far.
    #[must_use]
    pub fn store_stats(&self) -> StoreStats {
        self.shared.store.sum()
    }

    /// What became of tickets so far. A ticket of another scope counts as `bad_mac`, a ticket of
    /// another TLS library as `malformed`.
    #[must_use]
    pub fn ticket_stats(&self) -> TicketStats {
        self.shared.tickets.sum()
    }

    /// Maintains the cache and the ticket ring: to be called once a second, by a thread that may
    /// work for a moment. [`spawn_maintenance`](Self::spawn_maintenance) starts one.
    ///
    /// # Errors
    ///
    /// As [`TicketRing::maintain`].
    pub fn maintain(&self) -> Result<(), TicketKeyError> {
        self.shared.maintain()
    }

    /// Starts a thread, `rekindle`, that calls [`maintain`](Self::maintain) once a second. It ends
    /// when the last clone of this, the last store and the last ticketer are gone. A resumption has
    /// one such thread at most: further calls do nothing.
    ///
    /// # Errors
    ///
    /// The operating system's, if it gives no thread; the next call tries again.
    pub fn spawn_maintenance(&self) -> io::Result<()> {
        let shared = Arc::downgrade(&self.shared);
        self.shared.maintainer.spawn(move || {
            // Without randomness for a new key the ring in use stays.
            let _ = shared.upgrade()?.maintain();
            Some(())
        })
    }
}

impl ResumptionBuilder {
    /// The number of sessions that fit. Ignored when a [`cache`](Self::cache) is given.
    pub fn sessions(mut self, capacity: usize) -> Self {
        self.sessions = capacity;
        self
    }

    /// Uses a cache that was configured elsewhere.
    pub fn cache(mut self, cache: Arc<Cache<()>>) -> Self {
        self.cache = Some(cache);
        self
    }

    /// Uses a ring of ticket keys that was configured elsewhere, with its own policy; excludes
    /// [`ticket_policy`](Self::ticket_policy) and [`ticket_secret`](Self::ticket_secret).
    pub fn ticket_ring(mut self, ring: Arc<TicketRing>) -> Self {
        self.ticket_keys.ring = Some(ring);
        self
    }

    /// How long ticket keys seal, how long tickets live, and how old keys get.
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

    /// How long a session in the cache may be resumed: up to 24 hours, which rustls tells clients
    /// in any case. (Tickets live for as long as the [policy](Self::ticket_policy) says.)
    pub fn session_timeout(mut self, timeout: Duration) -> Self {
        self.session_timeout = timeout;
        self
    }

    /// Builds it.
    ///
    /// # Errors
    ///
    /// [`BuildError`] says what is wrong.
    pub fn build(self) -> Result<Resumption, BuildError> {
        let ring = self.ticket_keys.ring(None);
        let ring = ring.ok_or(BuildError::ConflictingTicketKeys)??;
        let cache = match self.cache {
            Some(cache) => cache,
            None => Arc::new(Cache::builder().capacity(self.sessions).build()?),
        };
        Resumption::over(cache, ring, Arc::default(), self.session_timeout)
    }
}

/// Why a resumption could not be built.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum BuildError {
    /// The cache's configuration.
    #[error(transparent)]
    Cache(#[from] ConfigError),
    /// The ring of ticket keys.
    #[error(transparent)]
    Tickets(#[from] TicketRingError),
    /// A session timeout of zero, or above 24 hours.
    #[error("a session timeout of {0:?}: up to 24 hours, which rustls tells clients")]
    SessionTimeout(Duration),
    /// A ring was given, and so was what a ring would be made of.
    #[error("a ticket ring was given together with a policy or a secret")]
    ConflictingTicketKeys,
}

impl<C> Clone for Resumption<C> {
    fn clone(&self) -> Self {
        let shared = Arc::clone(&self.shared);
        Self { shared }
    }
}

/// Shows no keys.
impl<C: CacheOwner> fmt::Debug for Resumption<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resumption")
            .field("cache", self.cache())
            .field("ticket_ring", &self.shared.ring)
            .field("hooks", &self.shared.hooks)
            .field("session_timeout", &self.shared.session_timeout)
            .finish_non_exhaustive()
    }
}
