//! Ticket keys: a ring of them in time, swapped atomically.
//!
//! Knows nothing of the cache and of no TLS library: it says which key seals and which may open, and when.
//!
//! - [`TicketRing`] is what handshakes use. On its own it makes a new key each period; keys from a file
//!   ([`TicketKeyFile`]), from whoever calls [`update`](TicketRing::update), or derived from a
//!   [`TicketSecret`] take its place. Should those fail to come, keys of its own take over.
//! - [`TicketKeys`] is a set of keys as somebody provides it, in one of many
//!   [formats](TicketKeyFormat); [`KeyRing`] is the ring at some moment.
//!
//! ```
//! use rekindle::tickets::{TicketKey, TicketCipher, TicketKeys, TicketRing};
//!
//! # fn main() -> Result<(), rekindle::tickets::TicketKeyError> {
//! let ring = TicketRing::random()?; // no keys from anyone yet: keys of our own
//! let record: Vec<u8> = (1..=48).collect(); // name[16] | hmac_secret[16] | aes_key[16]
//! ring.update(&record)?;
//! assert_eq!(ring.load().sealing(ring.now()).unwrap().key().name(), &record[..16]);
//! assert!(ring.update(&[7; 48]).is_err()); // one repeated byte is no key, and changes nothing
//! assert_eq!(ring.load().sealing(ring.now()).unwrap().key().name(), &record[..16]);
//! # Ok(())
//! # }
//! ```

mod clock_reading;
mod error;
mod key;
mod key_ring;
mod key_set;
mod policy;
mod records;
mod rotation;
mod secret;
mod status;

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

pub use error::{KeyFault, KeyLocation, TicketKeyError};
pub use key::{Fingerprint, TicketCipher, TicketKey};
pub use key_ring::{KeyLookup, KeyPosition, KeyRing, KeySource, KeyTimes, RingKey};
pub use key_set::{KeyEntry, KeyRole, TicketKeys, Validity};
pub use policy::{PolicyError, TicketPolicy};
pub use records::RecordLayout;
pub use secret::{SecretError, TicketSecret};
pub use status::{KeyStatus, RingStatus};

use crate::sync::arc_swap::{self as swap, ArcSwap};
use clock_reading::ClockReading;
use status::RotationCounters;

use crate::clock::{Clock, ClockSource, Time};
use crate::sync::{AtomicBool, Ordering};

/// The ring of ticket keys in use.
///
/// A handshake loads it once, wait-free, and works on that snapshot; an update replaces the whole
/// ring in one atomic step. There is always a key that seals.
///
/// Somebody should call [`maintain`](Self::maintain) once a second: it makes the keys that are to come,
/// forgets those that have ended, and follows the time of day. Where nobody does, handshakes make the
/// keys themselves, one handshake each period.
pub struct TicketRing {
    keys: ArcSwap<KeyRing>,
    policy: TicketPolicy,
    clock: ClockSource,
    watch: RotationCounters,
    /// Whether a handshake is renewing it.
    renewing: AtomicBool,
}

/// The ring as it was when it was loaded.
pub struct Snapshot {
    keys: swap::Guard<Arc<KeyRing>>,
}

/// What an update has put in place.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Update {
    /// Number of keys in the ring now.
    pub keys: usize,
    /// Fingerprint of the key that seals now.
    pub sealing: Fingerprint,
    /// Bytes behind the last whole record, which were ignored: a text editor's newline, or a file
    /// that is not what it should be. Worth a warning unless zero.
    pub trailing_bytes: usize,
    /// Keys that are gone although tickets may live that they have sealed: clients that come back with
    /// those get a full handshake.
    pub dropped: usize,
    /// Whether none of the keys that were given may seal now, so that one of our own does.
    pub fallback: bool,
}

impl TicketRing {
    /// A ring of these keys, under the default policy and the machine's clock.
    ///
    /// # Errors
    ///
    /// [`TicketKeyError::NoRandomness`]: none of the keys may seal now, and there is none of our own to be
    /// had.
    pub fn new(keys: &TicketKeys) -> Result<Self, TicketKeyError> {
        Self::builder().with_keys(keys)
    }

    /// A ring that makes its own keys, under the default policy and the machine's clock.
    ///
    /// # Errors
    ///
    /// [`TicketKeyError::NoRandomness`] when the operating system gives none.
    pub fn random() -> Result<Self, TicketKeyError> {
        Self::builder().with_own_keys()
    }

    /// For a ring under another policy, by another clock, or of derived keys.
    pub fn builder() -> TicketRingBuilder {
        TicketRingBuilder::default()
    }

    /// Replaces the ring by keys from `records`, as [`TicketKeys::parse`] reads them.
    ///
    /// # Errors
    ///
    /// What `parse` finds wrong with the records. The ring in use stays.
    pub fn update(&self, records: &[u8]) -> Result<Update, TicketKeyError> {
        self.replace(&TicketKeys::parse(records)?)
    }

    /// Replaces the ring by these keys.
    ///
    /// A key that was here before is as old as it was. Keys of our own that sealed while a provider had
    /// none still open, until their tickets have ended.
    ///
    /// # Errors
    ///
    /// [`TicketKeyError::NothingSeals`] if by their tables none of the keys seals now or later, unless the
    /// ring has fallen back to keys of its own already; [`TicketKeyError::NoRandomness`] if none may now, and there is
    /// none of our own to be had. The ring in use stays.
    pub fn replace(&self, keys: &TicketKeys) -> Result<Update, TicketKeyError> {
        let make = |before: &KeyRing, at| KeyRing::given(keys, Some(before), self.policy, at);
        let mut update = self.swap_in(make)?;
        update.trailing_bytes = keys.trailing_bytes();
        Ok(update)
    }

    /// Replaces the ring by keys that are derived from a secret and the time of day.
    ///
    /// # Errors
    ///
    /// [`SecretError`]: there is no key for this moment. The ring in use stays.
    pub fn derive_from(&self, secret: &TicketSecret) -> Result<Update, SecretError> {
        self.swap_in(|before, at| KeyRing::derived(secret.clone(), Some(before), self.policy, at))
    }

    fn swap_in<E>(
        &self,
        make: impl Fn(&KeyRing, ClockReading) -> Result<KeyRing, E>,
    ) -> Result<Update, E> {
        loop {
            let (before, at) = (self.keys.load(), ClockReading::of(&self.clock));
            let next = Arc::new(make(&before, at)?);
            // A renewal that came in between has made keys that the next ring is to know of.
            if swap::replace(&self.keys, &before, Arc::clone(&next)) {
                self.watch.observe(&next, at.now);
                return Ok(Update::from(&before, &next, at.now));
            }
        }
    }

    /// The ring in use. Wait-free.
    ///
    /// Read [`now`](Self::now) after this, not before: a ring that has come in between begins later than
    /// that.
    #[inline]
    #[must_use]
    pub fn load(&self) -> Snapshot {
        Snapshot {
            keys: self.keys.load(),
        }
    }

    /// The ring in use and the time, for a handshake that is about to seal: should nobody have
    /// [maintained](Self::maintain) it for half a period, or should it have no key that seals any more,
    /// it is renewed before. Wait-free but for that, which one thread does in a bounded number of steps.
    #[inline]
    #[must_use]
    pub fn load_to_seal(&self) -> (Snapshot, Time) {
        let keys = self.load();
        let now = self.now();
        let seals = keys.sealing(now).is_some();
        if seals && !keys.is_overdue(now) {
            return (keys, now);
        }
        // Whoever has another key meanwhile goes on with it.
        let first = !self.renewing.swap(true, Ordering::Relaxed);
        if first || !seals {
            drop(keys);
            self.renew();
            self.renewing.store(false, Ordering::Relaxed);
            return (self.load(), self.now());
        }
        (keys, now)
    }

    /// Renews the ring if it is time: for once a second.
    ///
    /// # Errors
    ///
    /// [`TicketKeyError::NoRandomness`] when a key is to be made and the operating system gives none. The
    /// ring in use stays, and the next call tries again.
    pub fn maintain(&self) -> Result<(), TicketKeyError> {
        let keys = self.keys.load();
        let at = ClockReading::of(&self.clock);
        let next = keys.renewed(at);
        if let Ok(Some(next)) = next {
            // Should another ring have come in between, it is as new.
            let _ = swap::replace(&self.keys, &keys, Arc::new(next));
            let (keys, now) = (self.keys.load(), self.now());
            self.watch.observe(&keys, now);
            return Ok(());
        }
        self.watch.observe(&keys, at.now);
        next.map(drop)
    }

    #[cold]
    fn renew(&self) {
        // Without randomness there is nothing to seal with, and no handshake either.
        let _ = self.maintain();
    }

    /// The time by the ring's clock, which [`KeyTimes`] are in.
    #[inline]
    #[must_use]
    pub fn now(&self) -> Time {
        self.clock.now()
    }

    /// The time of day by the ring's clock, since 1970-01-01 00:00 UTC.
    #[must_use]
    pub fn unix_time(&self) -> std::time::Duration {
        self.clock.unix_time()
    }
}

/// Configures a [`TicketRing`].
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct TicketRingBuilder {
    policy: TicketPolicy,
    clock: ClockSource,
}

impl TicketRingBuilder {
    /// How long keys live.
    ///
    /// # Errors
    ///
    /// [`PolicyError`] if that cannot be lived by.
    pub fn policy(mut self, policy: TicketPolicy) -> Result<Self, PolicyError> {
        policy.check()?;
        self.policy = policy;
        Ok(self)
    }

    /// Takes the time from `clock` instead of [`MonotonicClock`](crate::MonotonicClock). Its
    /// [`unix_time`](Clock::unix_time) is asked for keys that go by the time of day, and for the age of
    /// tickets from elsewhere.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = ClockSource::Injected(clock);
        self
    }

    /// A ring that makes its own keys.
    ///
    /// # Errors
    ///
    /// [`TicketKeyError::NoRandomness`] when the operating system gives none.
    pub fn with_own_keys(self) -> Result<TicketRing, TicketKeyError> {
        let first = KeyRing::local(self.policy, ClockReading::of(&self.clock))?;
        Ok(self.start(first))
    }

    /// A ring of these keys.
    ///
    /// # Errors
    ///
    /// As [`TicketRing::new`].
    pub fn with_keys(self, keys: &TicketKeys) -> Result<TicketRing, TicketKeyError> {
        let first = KeyRing::given(keys, None, self.policy, ClockReading::of(&self.clock))?;
        Ok(self.start(first))
    }

    /// A ring of keys that are derived from a secret and the time of day.
    ///
    /// # Errors
    ///
    /// [`SecretError`]: there is no key for this moment.
    pub fn with_secret(self, secret: &TicketSecret) -> Result<TicketRing, SecretError> {
        let first = KeyRing::derived(
            secret.clone(),
            None,
            self.policy,
            ClockReading::of(&self.clock),
        )?;
        Ok(self.start(first))
    }

    fn start(self, first: KeyRing) -> TicketRing {
        let watch = RotationCounters::new(&first, self.clock.now());
        TicketRing {
            keys: ArcSwap::from_pointee(first),
            policy: self.policy,
            clock: self.clock,
            watch,
            renewing: AtomicBool::new(false),
        }
    }
}

impl Update {
    fn from(before: &KeyRing, ring: &KeyRing, now: Time) -> Self {
        let lifetime = before.policy().lifetime_of_tickets();
        let is_gone = |key: &&RingKey| {
            let times = key.times();
            let opened = times.seal_from <= now && now < times.open_until;
            let has_tickets = now < key.ceased(now).saturating_add(lifetime);
            opened
                && has_tickets
                && !matches!(ring.opening(key.key().name(), now), KeyLookup::Key(..))
        };
        let sealing = ring.sealing(now).unwrap_or(&ring.keys[0]);
        Self {
            keys: ring.len(),
            sealing: sealing.key().fingerprint(),
            trailing_bytes: 0,
            dropped: before.iter().filter(is_gone).count(),
            fallback: ring.is_fallback(now),
        }
    }
}

impl Deref for Snapshot {
    type Target = KeyRing;

    fn deref(&self) -> &KeyRing {
        &self.keys
    }
}

/// Shows fingerprints, no keys.
impl fmt::Debug for TicketRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TicketRing").field(&*self.load()).finish()
    }
}

/// Shows fingerprints, no keys.
impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        KeyRing::fmt(self, f)
    }
}
