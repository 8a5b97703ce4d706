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
        let next = self.secret.start(period.saturating_add(1));
        next.saturating_add(SKEW)
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

#[cfg(test)]
mod tests {
    use sha2::Digest;

    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn secret(ratchet: Option<u64>) -> TicketSecret {
        let bytes = <[u8; 32]>::from(sha2::Sha256::digest(b"some secret"));
        TicketSecret::new(&bytes, HOUR, ratchet).unwrap()
    }

    fn schedule(ratchet: Option<u64>) -> Schedule {
        Schedule::new(secret(ratchet), 2 * HOUR).unwrap()
    }

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// As Python's `hmac` gives it for the formulas above.
    #[test]
    fn names_are_what_the_formulas_say() {
        let keys = schedule(None).keys(472_222).unwrap();
        assert_eq!(hex(&keys.name(&[b"endings"])), KNOWN_NAME);
        let of_session = keys.name(&[b"entry", b"id"]);
        assert_eq!(of_session, keys.name(&[b"entryid"]));
        assert_eq!(hex(&*keys.prk), KNOWN_PRK);
        let key = hmac(&*keys.prk, &[b"seal", b"\x01\x02\x03\x04\x05\x06\x07\x08"]);
        assert_eq!(hex(&*key), KNOWN_KEY);
    }

    const KNOWN_PRK: &str = "a6707012250dca0b0d5b6e34b5ef4ad0ea4a3d2a0cd879f730ff720d87041170";
    const KNOWN_NAME: &str = "40267c2d61020b9fe5720faa88f81456";
    const KNOWN_KEY: &str = "352f380bc150153149b9f52b54823f6005babd30f8e9736e727565fe096a5c4e";

    #[test]
    fn the_periods_of_sessions_that_live_now_on_any_machine_are_open() {
        let schedule = schedule(None);
        let open = |seconds| schedule.open_periods(Duration::from_secs(seconds));
        // Ten hours after 1970: sessions end in up to two hours.
        assert_eq!(open(36_000 + 60), 10..=12);
        assert_eq!(open(36_000 + 59), 9..=12);
        assert_eq!(open(36_000 + 3539), 10..=12);
        assert_eq!(open(36_000 + 3540), 10..=13);
        let now = Duration::from_secs(36_000);
        assert_eq!(schedule.period_of(now + HOUR, now), 11);
        // None lives longer.
        assert_eq!(schedule.period_of(100 * HOUR, now), 12);
        assert_eq!(schedule.end_of(11), 12 * HOUR + SKEW);
        let far = Duration::from_secs(u64::MAX);
        assert!(schedule.end_of(schedule.period_of(far, far)) >= SKEW);
    }

    #[test]
    fn periods_are_long_enough_or_it_is_refused() {
        let period = |period| TicketSecret::random(Duration::from_secs(period), None).unwrap();
        assert!(Schedule::new(period(235), 2 * HOUR).is_none());
        let schedule = Schedule::new(period(250), 2 * HOUR).unwrap();
        let most = (0..250).map(|second| {
            let now = Duration::from_secs(1_000_000 + second);
            schedule.open_periods(now).count() as u64
        });
        assert!(most.max().unwrap() <= MOST_PERIODS);
    }

    #[test]
    fn a_ratchet_leads_forward_only_and_all_agree() {
        let (mut from_10, mut from_12) = (schedule(Some(10)), {
            let secret = secret(Some(10)).ratcheted(12).unwrap();
            Schedule::new(secret, 2 * HOUR).unwrap()
        });
        for period in 12..20 {
            let names = [&mut from_10, &mut from_12].map(|schedule| {
                let keys = schedule.keys(period).unwrap();
                keys.name(&[b"endings"])
            });
            assert_eq!(names[0], names[1]);
        }
        assert!(matches!(from_12.keys(11), Err(SecretError::Past)));
        let without = schedule(None).keys(12).unwrap().name(&[b"endings"]);
        assert_ne!(without, from_12.keys(12).unwrap().name(&[b"endings"]));
        // What is over is over.
        assert!(from_10.keys(10).is_ok());
        from_10.forget_before(15 * HOUR + SKEW);
        assert!(from_10.open.keys().all(|period| *period >= 15));
        assert!(matches!(from_10.keys(14), Err(SecretError::Past)));
        let mut unratcheted = schedule(None);
        unratcheted.keys(10).unwrap();
        unratcheted.forget_before(15 * HOUR + SKEW);
        assert!(unratcheted.open.is_empty() && unratcheted.keys(10).is_ok());
    }
}
