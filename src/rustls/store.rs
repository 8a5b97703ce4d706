//! rustls's sessions in a cache.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use rustls::server::StoresServerSessions;
use zeroize::Zeroizing;

use super::shared::{CacheOwner, Shared};
use super::value::created_at;
use crate::hooks::SessionEvent;
use crate::resume::{Began, Scope, SessionChange, StoreCounter, TlsLibrary};
use crate::{Cache, SessionId, Time};

/// Sessions of one [`Scope`] in a cache, which other scopes may share: what is to be put into
/// `ServerConfig::session_storage`.
///
/// Lookups are wait-free. Of any number of callers that take one session, exactly one receives it.
/// What a lookup returns is rustls's own copy, which rustls does not overwrite.
pub struct SessionStore<C = Cache<()>> {
    pub(super) shared: Arc<Shared<C>>,
    pub(super) scope: Scope,
}

/// Where a session was made, which is seen by how its encoding begins.
#[derive(Clone, Copy)]
pub(super) enum Made {
    Here,
    Elsewhere,
}

impl Made {
    /// How the encoding of a session begins.
    pub(super) fn head(self, scope: &Scope) -> [u8; Scope::LEN] {
        match self {
            Self::Here => *scope.as_bytes(),
            Self::Elsewhere => scope.as_bytes().map(|byte| !byte),
        }
    }
}

impl<C: CacheOwner> StoresServerSessions for SessionStore<C> {
    fn put(&self, key: Vec<u8>, value: Vec<u8>) -> bool {
        let value = Zeroizing::new(value);
        let Some(id) = self.id(&key) else {
            return false;
        };
        let encoded = [&self.scope.as_bytes()[..], &value];
        let cache = self.shared.owner.cache();
        let expires_at = cache.now().saturating_add(self.shared.session_timeout);
        let inserted = cache.insert_parts(&id, C::Value::default(), encoded, expires_at, false);
        if inserted.is_err() {
            self.shared.store.count(StoreCounter::Refused);
            return false;
        }
        self.shared.store.count(StoreCounter::Stored);
        self.run(SessionEvent::New, &id);
        self.shared.watchers.tell(&SessionChange::Stored {
            id: &id,
            scope: &self.scope,
            encoded: &value,
            library: TlsLibrary::Rustls,
            expires_at,
        });
        true
    }

    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        let id = self.id(key)?;
        self.run(SessionEvent::Get, &id);
        self.find(&id, <[u8]>::to_vec)
    }

    fn take(&self, key: &[u8]) -> Option<Vec<u8>> {
        let id = self.id(key)?;
        self.run(SessionEvent::Get, &id);
        // A session of another scope stays where it is.
        self.find(&id, |_| ())?;
        self.run(SessionEvent::Remove, &id);
        let guard = self.shared.owner.cache().pin();
        let taken = guard.take(&id)?;
        let (value, _) = self.value(taken.encoded())?;
        self.shared.store.count(StoreCounter::Taken);
        let (id, expires_at) = (&id, taken.expires_at());
        self.shared
            .watchers
            .tell(&SessionChange::Removed { id, expires_at });
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
            self.shared.store.count(StoreCounter::InvalidKeys);
        }
        id
    }

    fn find<R>(&self, id: &SessionId, read: impl Fn(&[u8]) -> R) -> Option<R> {
        let guard = self.shared.owner.cache().pin();
        let (mut found, mut counter) = (None, StoreCounter::Misses);
        guard.get_in_time_if(id, |_, encoded, expires_at| {
            let Some((value, made)) = self.value(encoded) else {
                return false;
            };
            if self.is_revoked(value, expires_at, made) {
                counter = StoreCounter::Revoked;
                return false;
            }
            counter = StoreCounter::Hits;
            found = Some(read(value));
            true
        });
        self.shared.store.count(counter);
        found
    }

    /// Of a session that ends then.
    fn is_revoked(&self, value: &[u8], expires_at: Time, made: Made) -> bool {
        let revocations = &self.shared.revocations;
        if revocations.is_empty() {
            return false;
        }
        let began = match made {
            Made::Here => {
                let Shared { owner, ring, .. } = &*self.shared;
                let left = expires_at.duration_since(owner.cache().now());
                let age = self.shared.session_timeout.saturating_sub(left);
                Began::Here(ring.now().saturating_sub(age))
            }
            Made::Elsewhere => Began::Elsewhere(created_at(value)),
        };
        let scope = Some(self.scope.tag());
        revocations.covers(scope, began)
    }

    /// The session's value, if it is of this scope. No other value of a cache begins with a digest.
    fn value<'a>(&self, encoded: &'a [u8]) -> Option<(&'a [u8], Made)> {
        let (head, value) = encoded.split_first_chunk()?;
        let made = [Made::Here, Made::Elsewhere].into_iter();
        let mut made = made.filter(|made| made.head(&self.scope) == *head);
        Some((value, made.next()?))
    }

    /// A panic ends the run of hooks, not the handshake.
    fn run(&self, event: SessionEvent, id: &SessionId) {
        let hooks = &self.shared.hooks;
        if !hooks.is_empty() {
            let _ = catch_unwind(AssertUnwindSafe(|| hooks.run(event, id)));
        }
    }
}

impl<C> fmt::Debug for SessionStore<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionStore")
            .field("scope", &self.scope)
            .field("lifetime", &self.shared.session_timeout)
            .finish_non_exhaustive()
    }
}
