//! The sessions of this machine, of either TLS library.

use std::time::Duration;

use rekindle::resume::{Scope, SessionChange, TlsLibrary};
use rekindle::{SessionId, Time};

/// What a fleet shares the sessions of: a `Resumption` of `rekindle::openssl` or
/// `rekindle::rustls`.
pub trait Sessions: Send + Sync + 'static {
    /// Has a watcher told of changes.
    fn watch(&self, watcher: Box<dyn Fn(&SessionChange<'_>) + Send + Sync>);

    /// The time by the cache's clock, and since 1970.
    fn now(&self) -> (Time, Duration);

    /// Inserts a session of another machine unless it is there; whether it did. `None` if the cache
    /// does not take it.
    fn insert(
        &self,
        id: &SessionId,
        scope: &Scope,
        encoded: &[u8],
        library: TlsLibrary,
        expires_at: Time,
    ) -> Option<bool>;

    /// Removes a session; whether it was there.
    fn remove(&self, id: &SessionId) -> bool;

    /// Takes over a revocation of another machine.
    fn revoke(&self, scope: Option<&Scope>, until: Duration);

    /// Has a revocation of this machine reach those of other machines that began by then.
    fn extend_revocation(&self, scope: Option<&Scope>, until: Duration);

    /// Whether the session is in the cache.
    fn contains(&self, id: &SessionId) -> bool;

    /// How many more sessions fit.
    fn room(&self) -> usize;
}

#[cfg(any(feature = "openssl", feature = "rustls"))]
macro_rules! common {
    () => {
        fn watch(&self, watcher: Box<dyn Fn(&SessionChange<'_>) + Send + Sync>) {
            Self::watch(self, watcher);
        }

        fn now(&self) -> (Time, Duration) {
            (self.cache().now(), self.cache().unix_time())
        }

        fn remove(&self, id: &SessionId) -> bool {
            self.cache().remove(id)
        }

        fn revoke(&self, scope: Option<&Scope>, until: Duration) {
            self.revoke_from_elsewhere(scope, until);
        }

        fn extend_revocation(&self, scope: Option<&Scope>, until: Duration) {
            Self::extend_revocation(self, scope, until);
        }

        fn contains(&self, id: &SessionId) -> bool {
            self.cache().contains(id)
        }

        fn room(&self) -> usize {
            let cache = self.cache();
            cache.capacity().saturating_sub(cache.len())
        }
    };
}

#[cfg(feature = "openssl")]
impl Sessions for rekindle::openssl::Resumption {
    common!();

    // OpenSSL knows the scope by the session.
    #[cfg_attr(not(feature = "rustls"), allow(unused_variables))]
    fn insert(
        &self,
        id: &SessionId,
        scope: &Scope,
        encoded: &[u8],
        library: TlsLibrary,
        expires_at: Time,
    ) -> Option<bool> {
        match library {
            TlsLibrary::OpenSsl => self.insert_from_elsewhere(id, encoded, expires_at).ok(),
            #[cfg(feature = "rustls")]
            TlsLibrary::Rustls => {
                let inserted = self.insert_rustls_from_elsewhere(id, scope, encoded, expires_at);
                inserted.ok()
            }
            _ => None,
        }
    }
}

#[cfg(feature = "rustls")]
impl<C: rekindle::rustls::CacheOwner> Sessions for rekindle::rustls::Resumption<C> {
    common!();

    fn insert(
        &self,
        id: &SessionId,
        scope: &Scope,
        encoded: &[u8],
        library: TlsLibrary,
        expires_at: Time,
    ) -> Option<bool> {
        match library {
            TlsLibrary::Rustls => {
                let inserted = self.insert_from_elsewhere(id, scope, encoded, expires_at);
                inserted.ok()
            }
            _ => None,
        }
    }
}
