//! rustls's sessions in a cache.

use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use rustls::server::StoresServerSessions;
use zeroize::Zeroizing;

use crate::hooks::{SessionEvent, SessionHooks};
use crate::resume::{Scope, StoreCounter, StoreCounters};
use crate::{Cache, SessionId};

/// What has a cache that sessions of rustls can be in, beside other values perhaps: all of such a
/// session is in its encoding.
pub trait CacheOwner: Send + Sync + 'static {
    /// The cache's values; those of rustls's sessions are the default one.
    type Value: Default + Send + Sync + 'static;

    /// The cache.
    fn cache(&self) -> &Cache<Self::Value>;
}

impl<V: Default + Send + Sync + 'static> CacheOwner for Cache<V> {
    type Value = V;

    fn cache(&self) -> &Self {
        self
    }
}

/// Sessions of one [`Scope`] in a cache, which other scopes may share: what is to be put into
/// `ServerConfig::session_storage`.
///
/// Lookups are wait-free. Of any number of callers that take one session, exactly one receives it.
/// What a lookup returns is rustls's own copy, which rustls does not overwrite.
pub struct SessionStore<C = Cache<()>> {
    pub(super) owner: Arc<C>,
    pub(super) hooks: Arc<SessionHooks>,
    pub(super) counters: Arc<StoreCounters>,
    pub(super) scope: Scope,
    pub(super) lifetime: Duration,
    /// What maintains the cache.
    pub(super) _resumption: Arc<dyn Any + Send + Sync>,
}

impl<C: CacheOwner> StoresServerSessions for SessionStore<C> {
    fn put(&self, key: Vec<u8>, value: Vec<u8>) -> bool {
        let value = Zeroizing::new(value);
        let Some(id) = self.id(&key) else {
            return false;
        };
        // Room for all at once: growing would leave a copy of the value behind.
        let mut encoded = Zeroizing::new(Vec::with_capacity(Scope::LEN + value.len()));
        encoded.extend_from_slice(self.scope.as_bytes());
        encoded.extend_from_slice(&value);
        let cache = self.owner.cache();
        let expires_at = cache.now().saturating_add(self.lifetime);
        let inserted = cache.insert(&id, C::Value::default(), &encoded, expires_at);
        if inserted.is_err() {
            self.counters.count(StoreCounter::Refused);
            return false;
        }
        self.counters.count(StoreCounter::Stored);
        self.run(SessionEvent::New, &id);
        true
    }

    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        let id = self.id(key)?;
        self.run(SessionEvent::Get, &id);
        self.find(&id)
    }

    fn take(&self, key: &[u8]) -> Option<Vec<u8>> {
        let id = self.id(key)?;
        self.run(SessionEvent::Get, &id);
        // A session of another scope stays where it is.
        self.find(&id).map(Zeroizing::new)?;
        self.run(SessionEvent::Remove, &id);
        let guard = self.owner.cache().pin();
        let taken = guard.take(&id)?;
        let value = self.value(taken.encoded())?;
        self.counters.count(StoreCounter::Taken);
        Some(value.to_vec())
    }

    fn can_cache(&self) -> bool {
        true
    }
}

impl<C: CacheOwner> SessionStore<C> {
    /// Keys come from the network, of any length: what no session can have is a miss before
    /// anything is hashed.
    fn id(&self, key: &[u8]) -> Option<SessionId> {
        let id = SessionId::new(key).ok();
        if id.is_none() {
            self.counters.count(StoreCounter::InvalidKeys);
        }
        id
    }

    fn find(&self, id: &SessionId) -> Option<Vec<u8>> {
        let guard = self.owner.cache().pin();
        let mut found = None;
        guard.get_if(id, |_, encoded| {
            found = self.value(encoded).map(<[u8]>::to_vec);
            found.is_some()
        });
        let counter = match found {
            Some(_) => StoreCounter::Hits,
            None => StoreCounter::Misses,
        };
        self.counters.count(counter);
        found
    }

    /// The session's value, if it is of this scope. No other value of a cache begins with a digest.
    fn value<'a>(&self, encoded: &'a [u8]) -> Option<&'a [u8]> {
        encoded.strip_prefix(self.scope.as_bytes())
    }

    /// A panic ends the run of hooks, not the handshake.
    fn run(&self, event: SessionEvent, id: &SessionId) {
        if !self.hooks.is_empty() {
            let _ = catch_unwind(AssertUnwindSafe(|| self.hooks.run(event, id)));
        }
    }
}

impl<C> fmt::Debug for SessionStore<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionStore")
            .field("scope", &self.scope)
            .field("lifetime", &self.lifetime)
            .finish_non_exhaustive()
    }
}
