//! Tells the log when the ring of ticket keys has changed.

use std::time::Duration;

use rekindle::Time;
use rekindle::tickets::{Fingerprint, KeyRing, KeySource, RingKey, TicketKeyError, TicketRing};
use tracing::{error, info};

/// The state at the last look. The log gets changes, not states.
#[derive(Debug, Default)]
pub(crate) struct RingLog {
    sealing: Option<Fingerprint>,
    fallback: bool,
    failing: bool,
}

impl RingLog {
    pub(crate) fn new(ring: &TicketRing) -> Self {
        let keys = ring.load();
        Self {
            sealing: keys.sealing(ring.now()).map(|key| key.key().fingerprint()),
            ..Self::default()
        }
    }

    /// Compares the ring with the last look. `maintained` is what its maintenance has returned.
    pub(crate) fn update(&mut self, ring: &TicketRing, maintained: Result<(), TicketKeyError>) {
        if let Err(error) = &maintained
            && !self.failing
        {
            error!("ticket keys: no next key: {error}");
        }
        self.failing = maintained.is_err();

        let (keys, now) = (ring.load(), ring.now());
        let fallback = keys.is_fallback(now);
        match (self.fallback, fallback) {
            (false, true) => error!(
                "ticket keys: {}; a key of this machine's own seals, \
                 whose tickets no other machine opens",
                reason(&keys, now)
            ),
            (true, false) => info!("ticket keys: healed, a provided key seals again"),
            _ => {}
        }
        self.fallback = fallback;

        let sealing = keys.sealing(now);
        let fingerprint = sealing.map(|key| key.key().fingerprint());
        if self.sealing != fingerprint
            && let Some(key) = sealing
        {
            let times = key.times();
            info!(
                key = %key.key().fingerprint(),
                seals_for = left(times.seal_until, now),
                opens_for = left(times.open_until, now),
                "ticket keys: another key seals"
            );
        }
        self.sealing = fingerprint;
    }
}

/// Why a ring has fallen back to keys of its own.
fn reason(keys: &KeyRing, now: Time) -> &'static str {
    if keys.source() == KeySource::Derived {
        return "the secret gives no key for this time of day";
    }
    let policy = keys.policy();
    let oldest = policy.max_age_of_keys() - policy.lifetime_of_tickets();
    let is_old = |key: &RingKey| key.first_seen().saturating_add(oldest) <= now;
    let mut given = keys.iter().filter(|key| !key.is_local()).peekable();
    if given.peek().is_none() || given.any(is_old) {
        "the keys that were given are too old"
    } else {
        "none of the keys that were given may seal now"
    }
}

/// In seconds; none for ever.
fn left(until: Time, now: Time) -> Option<u64> {
    let millis = until.as_millis().saturating_sub(now.as_millis());
    (until != Time::NEVER).then(|| Duration::from_millis(millis).as_secs())
}
