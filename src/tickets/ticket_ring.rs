//! The ring of ticket keys that handshakes use.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use super::clock_reading::ClockReading;
use super::error::TicketKeyError;
use super::key_ring::{KeyLookup, KeyRing};
use super::key_set::TicketKeys;
use super::policy::TicketPolicy;
use super::rotation::{RotationCounters, events};
use super::secret::{SecretError, TicketSecret};
use super::update::Update;
use crate::clock::{ClockSource, Time};
use crate::sync::arc_swap::{self as swap, ArcSwap};
use crate::sync::{AtomicBool, Ordering};

/// The ring of ticket keys in use.
///
/// A handshake loads it once, wait-free, and works on that state; an update replaces the whole ring
/// in one atomic step. There is always a key that seals.
///
/// A thread of the server should call [`maintain`](Self::maintain) once a second: it makes the next
/// keys, drops those that have ended, and follows the wall clock. Without such a thread, one
/// handshake in each period makes the keys.
pub struct TicketRing {
    keys: ArcSwap<KeyRing>,
    policy: TicketPolicy,
    clock: ClockSource,
    pub(super) counters: RotationCounters,
    /// Whether a handshake is renewing it.
    renewing: AtomicBool,
}

/// The ring as it was when it was loaded.
pub struct RingGuard(swap::Guard<Arc<KeyRing>>);

impl TicketRing {
    pub(super) fn start(first: KeyRing, clock: ClockSource) -> Self {
        Self {
            counters: RotationCounters::new(&first),
            policy: first.policy(),
            keys: ArcSwap::from_pointee(first),
            clock,
            renewing: AtomicBool::new(false),
        }
    }

    /// Replaces the ring by keys from `records`, as [`TicketKeys::parse`] reads them.
    ///
    /// # Errors
    ///
    /// What `parse` finds wrong with the records. The ring in use stays.
    pub fn update(&self, records: &[u8]) -> Result<Update, TicketKeyError> {
        let keys = TicketKeys::parse(records).inspect_err(|error| events::update_refused(error));
        self.replace(&keys?)
    }

    /// Replaces the ring by these keys.
    ///
    /// A key that was in the ring before is as old as it was. Keys of the ring's own that sealed
    /// during a fallback open until their tickets have ended.
    ///
    /// # Errors
    ///
    /// [`TicketKeyError::NothingSeals`] if none of the keys seals now or later, unless the ring has
    /// fallen back to keys of its own already; [`TicketKeyError::NoRandomness`] if none may seal
    /// now and the operating system gives no random bytes for a key of the ring's own. The ring in
    /// use stays.
    pub fn replace(&self, keys: &TicketKeys) -> Result<Update, TicketKeyError> {
        let make = |before: &KeyRing, at| KeyRing::given(keys, Some(before), self.policy, at);
        self.swap_in(make)
    }

    /// Replaces the ring by keys that are derived from a secret and the wall clock.
    ///
    /// # Errors
    ///
    /// [`SecretError`]: the secret gives no key at this time. The ring in use stays.
    pub fn derive_from(&self, secret: &TicketSecret) -> Result<Update, SecretError> {
        self.swap_in(|before, at| KeyRing::derived(secret.clone(), Some(before), self.policy, at))
    }

    /// Lets a new key of the ring's own seal from now on, of a new secret, which nothing that was
    /// in memory before gives. Keys that have sealed open for one lifetime more.
    ///
    /// A process that has forked off the same one keeps the old secret: it does not open tickets of
    /// the new keys.
    ///
    /// # Errors
    ///
    /// [`TicketKeyError::Provided`] if the keys are not the ring's own,
    /// [`TicketKeyError::TooManyRotations`] after hundreds of rotations within one lifetime,
    /// [`TicketKeyError::NoRandomness`]. The ring in use stays.
    pub fn rotate(&self) -> Result<Update, TicketKeyError> {
        self.swap_in(KeyRing::rotated)
    }

    fn swap_in<E: fmt::Display>(
        &self,
        make: impl Fn(&KeyRing, ClockReading) -> Result<KeyRing, E>,
    ) -> Result<Update, E> {
        loop {
            let (before, at) = (self.keys.load(), ClockReading::of(&self.clock));
            let next = make(&before, at).inspect_err(|error| events::update_refused(error));
            let next = Arc::new(next?);
            // Else a renewal came in between: the next ring has to know its keys.
            if swap::replace(&self.keys, &before, Arc::clone(&next)) {
                self.counters.replaced(&before, &next);
                return Ok(Update::new(&before, &next, at.now));
            }
        }
    }

    /// The ring in use. Wait-free.
    ///
    /// Read [`now`](Self::now) after this, not before: a ring that comes in between begins later.
    #[inline]
    pub fn load(&self) -> RingGuard {
        RingGuard(self.keys.load())
    }

    /// The ring in use and the time, for a handshake that is about to seal. A ring that was not
    /// [maintained](Self::maintain) for half a period, or that has no key left that seals, is
    /// renewed first: by one thread, in a bounded number of steps. Otherwise wait-free.
    #[inline]
    #[must_use]
    pub fn load_to_seal(&self) -> (RingGuard, Time) {
        let keys = self.load();
        let now = self.now();
        let seals = keys.sealing(now).is_some();
        if seals && !keys.is_overdue(now) {
            return (keys, now);
        }
        // While one handshake renews, others go on with a key that still seals.
        let first = !self.renewing.swap(true, Ordering::Relaxed);
        if first || !seals {
            let _renewing = first.then(|| Renewing(&self.renewing));
            drop(keys);
            self.renew();
            return (self.load(), self.now());
        }
        (keys, now)
    }

    /// The ring in use and the time, for a handshake that shows a ticket of that key. A ring that
    /// does not know the key and is due to be renewed is renewed first, as in
    /// [`load_to_seal`](Self::load_to_seal): another process, which has forked off the same one,
    /// may have made the key already.
    #[inline]
    #[must_use]
    pub fn load_to_open(&self, name: &[u8; 16]) -> (RingGuard, Time) {
        let keys = self.load();
        let now = self.now();
        let is_late = keys.is_due(now) && matches!(keys.opening(name, now), KeyLookup::Unknown);
        if is_late && !self.renewing.swap(true, Ordering::Relaxed) {
            let _renewing = Renewing(&self.renewing);
            drop(keys);
            self.renew();
            return (self.load(), self.now());
        }
        (keys, now)
    }

    /// Renews the ring if it is time: for once a second.
    ///
    /// # Errors
    ///
    /// [`TicketKeyError::NoRandomness`] when a key is to be made and the operating system gives no
    /// random bytes. The ring in use stays, and the next call tries again.
    pub fn maintain(&self) -> Result<(), TicketKeyError> {
        let keys = self.keys.load();
        let at = ClockReading::of(&self.clock);
        let next = keys
            .renewed(at)
            .inspect_err(|error| events::no_next_key(error));
        if let Ok(Some(next)) = next {
            let next = Arc::new(next);
            // A ring that came in between is as new.
            if swap::replace(&self.keys, &keys, Arc::clone(&next)) {
                self.counters.replaced(&keys, &next);
            }
            let (keys, now) = (self.keys.load(), self.now());
            self.counters.observe(&keys, now);
            return Ok(());
        }
        self.counters.observe(&keys, at.now);
        next.map(drop)
    }

    #[cold]
    fn renew(&self) {
        // Without random bytes there is no key to make, and no handshake either.
        let _ = self.maintain();
    }

    /// The time by the ring's clock, as in [`RingKey::times`](super::RingKey::times).
    #[inline]
    pub fn now(&self) -> Time {
        self.clock.now()
    }

    #[cfg(feature = "openssl")]
    pub(crate) fn clock_source(&self) -> &ClockSource {
        &self.clock
    }

    /// The ring's wall clock, since 1970-01-01 00:00 UTC.
    pub fn unix_time(&self) -> std::time::Duration {
        self.clock.unix_time()
    }
}

/// Resets the flag when the renewal is over, also when it panics.
struct Renewing<'a>(&'a AtomicBool);

impl Drop for Renewing<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

impl Deref for RingGuard {
    type Target = KeyRing;

    fn deref(&self) -> &KeyRing {
        &self.0
    }
}

/// Shows fingerprints, no keys.
impl fmt::Debug for TicketRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TicketRing").field(&*self.load()).finish()
    }
}

/// Shows fingerprints, no keys.
impl fmt::Debug for RingGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        KeyRing::fmt(self, f)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::clock::ManualClock;

    /// It once reset the flag, and further handshakes joined the renewal.
    #[test]
    fn a_handshake_that_finds_no_key_that_seals_leaves_the_renewal_to_the_first() {
        let clock = Arc::new(ManualClock::new());
        let builder = TicketRing::builder().clock(clock.clone());
        let ring = builder.own_keys().build().expect("a ring");
        clock.advance(Duration::from_secs(24 * 3_600));
        ring.renewing.store(true, Ordering::Relaxed);
        let (keys, now) = ring.load_to_seal();
        assert!(keys.sealing(now).is_some());
        assert!(ring.renewing.load(Ordering::Relaxed));
    }
}
