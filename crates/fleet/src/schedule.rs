//! Keys and names from the fleet's secret, for each of its periods.
//!
//! A session belongs to the period in which it ends, and so do its removal and everything else that
//! is written for it: what a period's keys open and name is over when the period is. With HKDF's
//! second half (RFC 5869), from the secret as [`TicketSecret::ratcheted`] has it in period `i`:
//!
//! ```text
//! PRK(i)             = HMAC("rekindle fleet", secret(i) | P | i)
//! sealing(i, origin) = HMAC(PRK(i), "seal" | origin)        AES-256-GCM, one for each process
//! names(i)           = HMAC(PRK(i), "names")
//! name(i, what)      = HMAC(names(i), what)[..16]
//! ```

use std::collections::HashMap;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use aes_gcm::{Aes256Gcm, KeyInit};
use ahash::RandomState;
use hmac::{Hmac, Mac};
use rekindle::tickets::{SecretError, TicketSecret};
use sha2::Sha256;
use zeroize::Zeroizing;

/// How far the clocks of the machines may be apart.
pub(crate) const SKEW: Duration = TicketSecret::SKEW;

/// The most periods that sessions of one moment can end in.
pub(crate) const MOST_PERIODS: u64 = 32;

/// The process that has sealed something, by a number that it has drawn.
pub(crate) type Origin = [u8; 8];

/// What something is stored under.
pub(crate) type Name = [u8; 16];

/// The keys of the periods that are open.
pub(crate) struct Schedule {
    secret: TicketSecret,
    lifetime: Duration,
    open: HashMap<u64, Arc<PeriodKeys>, RandomState>,
}

/// What one period's secret gives.
pub(crate) struct PeriodKeys {
    prk: Zeroizing<[u8; 32]>,
    names: Zeroizing<[u8; 32]>,
}

impl Schedule {
    /// Of sessions that live for `lifetime` at most; none if they could end in too many periods.
    pub(crate) fn new(secret: TicketSecret, lifetime: Duration) -> Option<Self> {
        let span = lifetime + 2 * SKEW;
        (span.as_secs() / secret.period().as_secs() + 2 <= MOST_PERIODS).then(|| Self {
            secret,
            lifetime,
            open: HashMap::default(),
        })
    }

    pub(crate) fn lifetime(&self) -> Duration {
        self.lifetime
    }

    /// The periods that a session may end in that lives now on a machine with another clock.
    pub(crate) fn open_periods(&self, now: Duration) -> RangeInclusive<u64> {
        let newest = now.saturating_add(self.lifetime + SKEW);
        self.secret.index(now.saturating_sub(SKEW))..=self.secret.index(newest)
    }

    /// The period of a session that ends then.
    pub(crate) fn period_of(&self, end: Duration, now: Duration) -> u64 {
        self.secret
            .index(end.min(now.saturating_add(self.lifetime)))
    }

    /// When nothing of a period is needed any more.
    pub(crate) fn end_of(&self, period: u64) -> Duration {
        self.secret.start(period.saturating_add(1)) + SKEW
    }

    /// The keys of a period.
    ///
    /// # Errors
    ///
    /// As [`TicketSecret::ratcheted`].
    pub(crate) fn keys(&mut self, period: u64) -> Result<Arc<PeriodKeys>, SecretError> {
        if let Some(keys) = self.open.get(&period) {
            return Ok(Arc::clone(keys));
        }
        let secret = self.secret.ratcheted(period)?;
        let length = self.secret.period().as_secs().to_be_bytes();
        let of_period = [&secret.bytes()[..], &length, &period.to_be_bytes()];
        let prk = hmac(b"rekindle fleet", &of_period);
        let names = hmac(&*prk, &[b"names"]);
        let keys = Arc::new(PeriodKeys { prk, names });
        self.open.insert(period, Arc::clone(&keys));
        Ok(keys)
    }

    /// Forgets what is over, for good if the secret has a ratchet.
    pub(crate) fn forget_before(&mut self, now: Duration) {
        let oldest = *self.open_periods(now).start();
        self.open.retain(|period, _| *period >= oldest);
        if self.secret.ratchet().is_some_and(|at| at < oldest)
            && let Ok(secret) = self.secret.ratcheted(oldest)
        {
            self.secret = secret;
        }
    }
}

impl PeriodKeys {
    /// The cipher of a process in this period.
    pub(crate) fn cipher(&self, origin: &Origin) -> Aes256Gcm {
        let key = hmac(&*self.prk, &[b"seal", origin]);
        Aes256Gcm::new((&*key).into())
    }

    /// What something is stored under, which tells nothing of it.
    pub(crate) fn name(&self, what: &[&[u8]]) -> Name {
        let name = hmac(&*self.names, what);
        *name.first_chunk().expect("32 bytes")
    }
}

fn hmac(key: &[u8], message: &[&[u8]]) -> Zeroizing<[u8; 32]> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("any length will do");
    message.iter().for_each(|part| mac.update(part));
    let mut tag = mac.finalize().into_bytes();
    let mut out = Zeroizing::new([0; 32]);
    out.copy_from_slice(&tag);
    zeroize::Zeroize::zeroize(tag.as_mut_slice());
    out
}
