//! Looks after the ring once a second, and tells the log when something has become different.

use std::time::Duration;

use rekindle::Time;
use rekindle::tickets::{KeyRing, KeySource, RingKey, TicketRing};
use tracing::{error, info};

/// What was so when it was last looked at. The log gets the changes, not the states.
#[derive(Debug, Default)]
pub(crate) struct Maintenance {
    sealing: Option<[u8; 16]>,
    fallback: bool,
    failing: bool,
}

impl Maintenance {
    pub(crate) fn new(ring: &TicketRing) -> Self {
        let keys = ring.load();
        Self {
            sealing: keys.sealing(ring.now()).map(|key| *key.key().name()),
            ..Self::default()
        }
    }

    /// For once a second.
    pub(crate) fn tick(&mut self, ring: &TicketRing) {
        let failed = ring.maintain();
        if let Err(error) = &failed
            && !self.failing
        {
            error!("ticket keys: no next key: {error}");
        }
        self.failing = failed.is_err();

        let (keys, now) = (ring.load(), ring.now());
        let fallback = keys.is_fallback(now);
        match (self.fallback, fallback) {
            (false, true) => error!(
                "ticket keys: {}; a key of this machine's own seals, and no other machine opens its tickets",
                reason(&keys, now)
            ),
            (true, false) => info!("ticket keys: healed, the keys that are provided seal again"),
            _ => {}
        }
        self.fallback = fallback;

        let sealing = keys.sealing(now);
        let name = sealing.map(|key| *key.key().name());
        if self.sealing != name
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
        self.sealing = name;
    }
}

/// Why a ring has fallen back to keys of its own.
fn reason(keys: &KeyRing, now: Time) -> &'static str {
    if keys.source() == KeySource::Derived {
        return "the secret gives no key for this time of day";
    }
    let policy = keys.policy();
    let oldest = policy.max_age_of_keys() - policy.lifetime_of_tickets();
    let is_old = |key: &RingKey| key.since().saturating_add(oldest) <= now;
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
