//! Tickets that carry their session, for rustls.

use std::any::Any;
use std::cell::Cell;
use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use rustls::crypto::CryptoProvider;
use rustls::server::ProducesTickets;

use super::gcm::GcmSource;
use super::seal::{self, Parts};
use crate::resume::{Began, Outcome, PositionIndex, Revocations, Scope, TicketCounters};
use crate::tickets::{KeyLookup, TicketRing};

/// Seals and opens tickets with the keys of a ring, for one [`Scope`]: what is to be put into
/// `ServerConfig::ticketer`.
///
/// A ticket opens for the lifetime of the ring's policy after it was sealed, no longer than its
/// key, and on every machine whose ring has the key. Of a ticket that a client shows, at most one
/// key is tried.
pub struct Ticketer {
    pub(super) ring: Arc<TicketRing>,
    pub(super) counters: Arc<TicketCounters>,
    pub(super) scope: Scope,
    pub(super) gcm: OnceLock<GcmSource>,
    pub(super) revocations: Arc<Revocations>,
    /// What maintains the ring.
    pub(super) _resumption: Arc<dyn Any + Send + Sync>,
}

thread_local! {
    /// What was told of the last ticket that this thread has sealed. rustls asks for the lifetime
    /// right behind the sealing, on the same thread: another key may seal by then.
    static SEALED: Cell<Option<u32>> = const { Cell::new(None) };
}

impl ProducesTickets for Ticketer {
    fn enabled(&self) -> bool {
        true
    }

    /// How long the ticket that was sealed last on this thread opens; otherwise how long one would
    /// that is sealed now. In seconds.
    fn lifetime(&self) -> u32 {
        SEALED.take().unwrap_or_else(|| {
            let (keys, now) = self.ring.load_to_seal();
            let sealing = keys.sealing(now);
            let left = sealing.map(|key| key.times.open_until.duration_since(now));
            self.told(left.unwrap_or_default())
        })
    }

    fn encrypt(&self, value: &[u8]) -> Option<Vec<u8>> {
        let (keys, now) = self.ring.load_to_seal();
        let sealed = keys.sealing(now).and_then(|key| {
            let unix = self.ring.unix_time().as_secs();
            let ticket = seal::seal((self.gcm(), key.key()), &self.scope, unix, value)?;
            Some((ticket, key.times.open_until.duration_since(now)))
        });
        let Some((ticket, left)) = sealed else {
            SEALED.set(Some(0));
            self.counters.count(Outcome::NotSealed);
            return None;
        };
        SEALED.set(Some(self.told(left)));
        self.counters.count(Outcome::Sealed);
        Some(ticket)
    }

    fn decrypt(&self, ticket: &[u8]) -> Option<Vec<u8>> {
        self.open(ticket)
            .inspect_err(|outcome| self.counters.count(*outcome))
            .ok()
    }
}

impl Ticketer {
    /// Asked for late: a `ServerConfig`'s builder may install the default provider.
    fn gcm(&self) -> GcmSource {
        let of_default =
            || GcmSource::of(CryptoProvider::get_default().map(|provider| &**provider));
        *self.gcm.get_or_init(of_default)
    }

    fn open(&self, ticket: &[u8]) -> Result<Vec<u8>, Outcome> {
        let parts = Parts::of(ticket).ok_or(Outcome::Malformed)?;
        let (keys, now) = self.ring.load_to_open(parts.key_name());
        let (key, position) = match keys.opening(parts.key_name(), now) {
            KeyLookup::Key(key, position) => (key.key(), PositionIndex::from(position)),
            KeyLookup::Retired => return Err(Outcome::RetiredKey),
            KeyLookup::Unknown => return Err(Outcome::UnknownKey),
        };
        let opened = parts.open((self.gcm(), key), &self.scope);
        let (sealed_at, value) = opened.ok_or(Outcome::BadMac)?;
        // Another machine's clock may be ahead.
        let age = self.ring.unix_time().as_secs().saturating_sub(sealed_at);
        let age = Duration::from_secs(age);
        if age > keys.policy().lifetime {
            return Err(Outcome::Expired);
        }
        let began = Began::Elsewhere(Duration::from_secs(sealed_at));
        if self.revocations.covers(Some(self.scope.tag()), began) {
            return Err(Outcome::Revoked);
        }
        self.counters.opened(position, age);
        Ok(value)
    }

    /// In whole seconds, and no longer than the ring's keys are made for.
    fn told(&self, left: Duration) -> u32 {
        let lifetime = left.min(self.ring.load().policy().lifetime);
        u32::try_from(lifetime.as_secs()).unwrap_or(u32::MAX)
    }
}

/// Shows no keys.
impl fmt::Debug for Ticketer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ticketer")
            .field("ring", &self.ring)
            .field("scope", &self.scope)
            .finish_non_exhaustive()
    }
}
