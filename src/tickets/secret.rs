//! Ticket keys from one secret and the time: machines that share both agree on every key.
//!
//! Time is cut into periods, numbered from 1970 on. With HKDF-SHA256 (RFC 5869), the period's
//! length `P` in seconds and its number `i`, both as 8 bytes, big end first:
//!
//! ```text
//! PRK       = HKDF-Extract(salt = "rekindle ticket secret", secret)
//! key(i)    = HKDF-Expand(PRK, "key" | P | i, 80)      name[16] | hmac_secret[32] | aes_key[32]
//! secret    = HKDF-Expand(PRK, "next" | P | i, 32)     with a ratchet: from i to i + 1
//! ```
//!
//! With a ratchet the secret of one period gives the next one's, and no way leads back: an attacker
//! with today's state cannot open tickets of earlier keys.

use std::fmt;
use std::time::Duration;

use thiserror::Error;
use zeroize::Zeroizing;

use super::error::{KeyFault, KeyLocation, NoRandomness, TicketKeyError};
use super::key::{NAME, Tag, TicketCipher, TicketKey, tag};
use super::key_set::{KeyEntry, TicketKeys};
use super::not_random::{self, Resemblance};
use super::schedule::{KeyRole, Validity};

const SALT: &[u8] = b"rekindle ticket secret";

/// Bytes of a secret.
const SECRET: usize = 32;

/// A secret that ticket keys are derived from. Overwritten when it is dropped.
#[derive(Clone)]
pub struct TicketSecret {
    /// On the heap, so that moving it leaves no copy behind.
    secret: Box<Zeroizing<[u8; SECRET]>>,
    period: u64,
    /// With a ratchet: the period that the secret is of.
    ratchet: Option<u64>,
}

impl TicketSecret {
    /// The most periods that a ratchet goes forward at once: about a second's work. At one hour
    /// each that is more than a century.
    pub const MOST_STEPS: u64 = 1 << 20;

    /// How long periods may be, in seconds: 10 seconds to 30 days.
    pub const PERIOD: std::ops::RangeInclusive<u64> = 10..=30 * 24 * 60 * 60;

    /// A secret of these bytes, for keys of that period, whole seconds within
    /// [`PERIOD`](Self::PERIOD). With a ratchet, `ratchet` is the number of the period that the
    /// secret is of. The crate `rekindle-key-files` reads files with secrets.
    ///
    /// # Errors
    ///
    /// [`SecretError::Period`]; [`SecretError::NotRandom`].
    pub fn new(
        secret: &[u8; 32],
        period: Duration,
        ratchet: Option<u64>,
    ) -> Result<Self, SecretError> {
        let mut new = Self::empty(period, ratchet)?;
        if let Some(resemblance) = not_random::of_secret(secret) {
            return Err(SecretError::NotRandom(resemblance));
        }
        new.secret.copy_from_slice(secret);
        Ok(new)
    }

    /// A random secret for keys of that period, whole seconds within [`PERIOD`](Self::PERIOD). With
    /// a ratchet it begins in the period that `ratchet_from`, a duration since 1970, lies in.
    ///
    /// # Errors
    ///
    /// [`SecretError::Period`]; [`SecretError::NoRandomness`] when the operating system gives none.
    pub fn random(period: Duration, ratchet_from: Option<Duration>) -> Result<Self, SecretError> {
        let mut new = Self::empty(period, None)?;
        new.ratchet = ratchet_from.map(|unix| new.index(unix));
        getrandom::fill(&mut **new.secret).map_err(NoRandomness::from)?;
        Ok(new)
    }

    /// A random secret for the keys that a ring makes by itself, whose periods may be shorter than
    /// [`PERIOD`](Self::PERIOD).
    pub(super) fn of_own_keys(period: Duration) -> Result<Self, NoRandomness> {
        let mut new = Self::zeros(period, Some(0));
        getrandom::fill(&mut **new.secret)?;
        Ok(new)
    }

    /// The same secret, as if it were of another period.
    pub(super) fn at(self, index: u64) -> Self {
        Self {
            ratchet: Some(index),
            ..self
        }
    }

    /// What a secret of [`of_own_keys`](Self::of_own_keys) consists of: bytes, seconds of a period,
    /// the period that it is of.
    pub(super) fn parts(&self) -> (&[u8; SECRET], u64, u64) {
        (&self.secret, self.period, self.ratchet.unwrap_or(0))
    }

    /// What [`parts`](Self::parts) has said. None if no period has that length.
    pub(super) fn restored(bytes: &[u8; SECRET], period: u64, index: u64) -> Option<Self> {
        let longest = *Self::PERIOD.end();
        let mut new = Self::zeros(Duration::from_secs(period), Some(index));
        new.secret.copy_from_slice(bytes);
        (1..=longest).contains(&period).then_some(new)
    }

    /// How far the clocks of machines that share a secret may be apart: keys open that much longer.
    pub const SKEW: Duration = Duration::from_secs(60);

    /// The most keys that one secret may have open at one time.
    const MOST_OPEN: u64 = 1024;

    fn empty(period: Duration, ratchet: Option<u64>) -> Result<Self, SecretError> {
        if period.subsec_nanos() != 0 || !Self::PERIOD.contains(&period.as_secs()) {
            return Err(SecretError::Period);
        }
        Ok(Self::zeros(period, ratchet))
    }

    /// To be filled, of a period that need not be within [`PERIOD`](Self::PERIOD).
    fn zeros(period: Duration, ratchet: Option<u64>) -> Self {
        Self {
            secret: Box::new(Zeroizing::new([0; SECRET])),
            period: period.as_secs(),
            ratchet,
        }
    }

    /// The 32 bytes of the secret.
    pub fn bytes(&self) -> &[u8; 32] {
        &self.secret
    }

    /// How long each key seals.
    pub fn period(&self) -> Duration {
        Duration::from_secs(self.period)
    }

    /// With a ratchet, the number of the period that the secret is of: it gives no earlier key.
    pub fn ratchet(&self) -> Option<u64> {
        self.ratchet
    }

    /// The number of the period that a time, a duration since 1970, lies in.
    pub fn index(&self, unix: Duration) -> u64 {
        unix.as_secs() / self.period
    }

    /// When a period begins, as a duration since 1970.
    pub fn start(&self, index: u64) -> Duration {
        Duration::from_secs(index.saturating_mul(self.period))
    }

    /// The key of a period.
    ///
    /// # Errors
    ///
    /// [`SecretError::Past`] if the ratchet has gone past it, [`SecretError::TooFar`] if the
    /// ratchet would have to go forward by more than [`MOST_STEPS`](Self::MOST_STEPS).
    pub fn key(&self, index: u64) -> Result<TicketKey, SecretError> {
        if self.ratchet.is_some_and(|at| at != index) {
            return self.ratcheted(index)?.key(index);
        }
        let derived = self.derive(TicketCipher::Aes256, index);
        derived.map_err(SecretError::Weak)
    }

    /// The key of a period; with a ratchet, of the one that the secret is of.
    pub(super) fn derive(&self, cipher: TicketCipher, index: u64) -> Result<TicketKey, KeyFault> {
        TicketKey::filled(cipher, |name, secrets| {
            let mut okm = Zeroizing::new([0; NAME + 2 * 32]);
            let okm = &mut okm[..NAME + secrets.len()];
            self.expand(b"key", index, okm);
            name.copy_from_slice(&okm[..NAME]);
            secrets.copy_from_slice(&okm[NAME..]);
        })
    }

    /// The secret as the ratchet leaves it at the beginning of a period; without a ratchet the same
    /// secret.
    ///
    /// # Errors
    ///
    /// As [`key`](Self::key).
    pub fn ratcheted(&self, index: u64) -> Result<Self, SecretError> {
        let mut new = self.clone();
        let Some(from) = self.ratchet else {
            return Ok(new);
        };
        match index.checked_sub(from) {
            None => return Err(SecretError::Past),
            Some(steps) if steps > Self::MOST_STEPS => return Err(SecretError::TooFar),
            Some(_) => {}
        }
        for at in from..index {
            let mut next = Zeroizing::new([0; SECRET]);
            new.expand(b"next", at, &mut *next);
            new.secret.copy_from_slice(&*next);
        }
        new.ratchet = Some(index);
        Ok(new)
    }

    /// Whether both give the same keys, as far back as their ratchets let them.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        let at = self.ratchet.max(other.ratchet).unwrap_or(0);
        let (Ok(ours), Ok(theirs)) = (self.ratcheted(at), other.ratcheted(at)) else {
            return false;
        };
        ours.period == theirs.period
            && ours.ratchet == theirs.ratchet
            && ours.secret == theirs.secret
    }

    /// The number of the oldest period whose key may still open a ticket: a ticket that was sealed
    /// `lifetime` ago by a machine whose clock is behind.
    pub fn oldest_open(&self, unix: Duration, lifetime: Duration) -> u64 {
        self.index(unix.saturating_sub(lifetime + Self::SKEW))
    }

    /// The number of the newest period whose key is made: the one after the period that the fastest
    /// clock is in.
    pub(super) fn newest_known(&self, unix: Duration) -> u64 {
        self.index(unix.saturating_add(self.period() + Self::SKEW))
    }

    /// The keys around a time, with their times, the latest first, as a ring has them then, where
    /// tickets live for `lifetime`. With a ratchet, keys that it has gone past are missing.
    ///
    /// # Errors
    ///
    /// As [`key`](Self::key), for the key of that time; [`SecretError::TooManyKeys`].
    pub fn keys_around(
        &self,
        unix: Duration,
        lifetime: Duration,
    ) -> Result<TicketKeys, SecretError> {
        self.check_number(lifetime)?;
        let current = self.index(unix);
        let newest = self.newest_known(unix);
        let mut oldest = self.oldest_open(unix, lifetime);
        if let Some(at) = self.ratchet.filter(|at| *at <= current) {
            oldest = oldest.max(at);
        }
        let mut keys = Vec::new();
        let mut ratcheted = self.clone();
        for (record, index) in (oldest..=newest).enumerate() {
            ratcheted = ratcheted.ratcheted(index)?;
            let role = KeyRole::Timed(self.times_of(index, lifetime));
            let at = KeyLocation::record(record);
            keys.push(KeyEntry::new(ratcheted.key(index)?, role, at));
        }
        keys.reverse();
        Ok(TicketKeys::new(keys).expect("derived keys differ"))
    }

    /// When a period's key seals and opens.
    pub(super) fn times_of(&self, index: u64, lifetime: Duration) -> Validity {
        let end = self.start(index.saturating_add(1));
        Validity {
            seal_from: self.start(index),
            seal_until: end,
            open_until: end.saturating_add(lifetime + Self::SKEW),
        }
    }

    /// Whether few enough keys are open at one time.
    pub(super) fn check_number(&self, lifetime: Duration) -> Result<(), SecretError> {
        let open = lifetime + 2 * Self::SKEW;
        if open.as_secs() / self.period > Self::MOST_OPEN {
            return Err(SecretError::TooManyKeys);
        }
        Ok(())
    }

    /// HKDF-SHA256. The crate of that name leaves what it derives on the stack.
    fn expand(&self, what: &[u8], index: u64, out: &mut [u8]) {
        let (period, index) = (self.period.to_be_bytes(), index.to_be_bytes());
        let prk = tag(SALT, &[&**self.secret]);
        let mut before: Option<Tag> = None;
        for (number, block) in (1..=255_u8).zip(out.chunks_mut(32)) {
            let before_it = before.as_ref().map_or(&[][..], |tag| tag.as_bytes());
            let message = [before_it, what, &period, &index, &[number]];
            let next = tag(prk.as_bytes(), &message);
            block.copy_from_slice(&next.as_bytes()[..block.len()]);
            before = Some(next);
        }
    }
}

/// Shows nothing of the secret.
impl fmt::Debug for TicketSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TicketSecret")
            .field("period", &self.period)
            .field("ratchet", &self.ratchet)
            .finish_non_exhaustive()
    }
}

/// Why a secret is refused, or gives no key.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum SecretError {
    /// A line of the text is wrong.
    #[error("line {line}: {reason}")]
    Syntax {
        /// The line, counted from 1.
        line: usize,
        /// What is wrong with it. Never quotes it: it may be the secret.
        reason: &'static str,
    },
    /// There is no line with this word.
    #[error("there is no line `{0} ...`")]
    Missing(&'static str),
    /// The secret was not drawn at random.
    #[error("the secret looks like {0}")]
    NotRandom(Resemblance),
    /// The period is out of its range, or not in whole seconds.
    #[error(
        "the period must be whole seconds, {} to {}",
        TicketSecret::PERIOD.start(),
        TicketSecret::PERIOD.end()
    )]
    Period,
    /// Too many keys of that period would be open at one time.
    #[error("the period is too short for the ticket lifetime: too many keys would be open")]
    TooManyKeys,
    /// Its keys would get older than the policy allows: a period and a ticket lifetime are longer
    /// than the maximum age.
    #[error("its keys would seal and open for longer than the maximum age of keys")]
    MaxAge,
    /// The ratchet has gone past the key's period: the clock has gone back, or is behind.
    #[error("the ratchet is past this period: the clock has gone back, or is behind")]
    Past,
    /// The key's period is too many steps ahead of the ratchet: the clock is ahead, or the secret
    /// too old.
    #[error(
        "the ratchet is more than {} periods behind: the clock is ahead, or the secret too old",
        TicketSecret::MOST_STEPS
    )]
    TooFar,
    /// The derived key is weak: as likely as guessing it.
    #[error("the derived key {0}")]
    Weak(#[source] KeyFault),
    /// The operating system gives no random bytes.
    #[error(transparent)]
    NoRandomness(#[from] NoRandomness),
    /// No key of the ring's own could be made.
    #[error(transparent)]
    OwnKey(#[from] TicketKeyError),
}
