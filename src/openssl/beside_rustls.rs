//! rustls configurations beside OpenSSL's contexts: one cache, one ring, one list of hooks.

use std::sync::Arc;
use std::time::Duration;

use ::rustls::crypto::CryptoProvider;

use super::resumption::Resumption;
use super::session::{CachedSession, SessionCache};
use crate::Cache;
use crate::resume::{Scope, StoreStats, TicketStats};
use crate::rustls::{self, CacheOwner, SessionStore, Ticketer};

impl CacheOwner for SessionCache {
    type Value = CachedSession;

    fn cache(&self) -> &Cache<CachedSession> {
        self
    }
}

impl Resumption {
    /// A store for a rustls `ServerConfig`, in the cache that OpenSSL's sessions are in. Neither
    /// library finds the other's sessions.
    ///
    /// A session lives for the session timeout that this was built with, at most 24 hours.
    pub fn rustls_store(&self, scope: &Scope) -> Arc<SessionStore<SessionCache>> {
        self.rustls().store(scope)
    }

    /// A ticketer for a rustls `ServerConfig`, with the keys that OpenSSL's tickets are sealed
    /// with. Neither library opens the other's tickets.
    pub fn rustls_ticketer(&self, scope: &Scope) -> Arc<Ticketer> {
        self.rustls().ticketer(scope)
    }

    /// The same, with the AES-256-GCM of the configuration's provider instead of that of the
    /// process's default one.
    pub fn rustls_ticketer_with_provider(
        &self,
        scope: &Scope,
        provider: &CryptoProvider,
    ) -> Arc<Ticketer> {
        self.rustls().ticketer_with_provider(scope, provider)
    }

    /// What rustls has asked of its stores.
    #[must_use]
    pub fn rustls_store_stats(&self) -> StoreStats {
        self.rustls().store_stats()
    }

    /// What became of rustls's tickets.
    #[must_use]
    pub fn rustls_ticket_stats(&self) -> TicketStats {
        self.rustls().ticket_stats()
    }

    pub(super) fn rustls(&self) -> &rustls::Resumption<SessionCache> {
        const LONGEST: Duration = rustls::Resumption::MAX_SESSION_TIMEOUT;
        let shared = &self.shared;
        shared.rustls.get_or_init(|| {
            let seconds = shared.session_timeout.map(|seconds| seconds.unsigned_abs());
            #[allow(clippy::useless_conversion)] // c_long, by platform
            let timeout = seconds.map_or(LONGEST, |seconds| Duration::from_secs(seconds.into()));
            let (cache, ring) = (Arc::clone(&shared.cache), Arc::clone(self.ticket_ring()));
            let hooks = Arc::clone(&shared.hooks);
            let rustls = rustls::Resumption::over(cache, ring, hooks, timeout.min(LONGEST));
            let revocations = Arc::clone(&shared.sealer.bindings.revocations);
            let rustls = rustls.expect("a timeout within its bounds");
            rustls.beside(revocations, Arc::clone(&shared.watchers))
        })
    }
}
