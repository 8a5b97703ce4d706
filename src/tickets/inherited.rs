//! A ring of ticket keys as one process hands it over to the next one on the machine: with the
//! times of its keys, so that no key seals or opens longer than it was to, and with what makes the
//! next keys, so that both processes make the same ones.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use zeroize::Zeroizing;

use super::clock_reading::ClockReading;
use super::error::TicketKeyError;
use super::key::{Fingerprint, TicketKey};
use super::key_ring::{KeyRing, Origin, RETIRED, Retired, RingKey, Source};
use super::key_set::TicketKeys;
use super::own_keys::OwnKeys;
use super::policy::TicketPolicy;
use super::rotation::NextRing;
use super::schedule::Validity;
use super::secret::TicketSecret;
use super::ticket_ring::TicketRing;
use crate::clock::Time;
use crate::state::{Reader, StateError, Writer};

/// How old a state may be.
const FRESH: Duration = Duration::from_secs(60 * 60);

/// A ring that another process of this machine has handed over. Overwritten when it is dropped.
#[derive(Clone)]
pub struct InheritedRing {
    /// When it was written, by the clock of both processes.
    written_at: Time,
    keys: Vec<RingKey>,
    retired: Vec<Retired>,
    /// The secret of keys that the ring has made.
    own: Option<OwnKeys>,
}

/// Shows fingerprints, no keys.
impl fmt::Debug for InheritedRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.keys).finish()
    }
}

impl TicketRing {
    /// The keys, their times, and what makes the next ones: secrets, for a successor on this
    /// machine, which reads them by [`InheritedRing::parse`].
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let (ring, now) = (self.load(), self.now());
        let mut out = Writer::with_capacity(256 * (2 + ring.len()));
        out.time(now);
        out.count(ring.len());
        for key in 0..ring.len() {
            write_key(&ring.carried(key, now), &mut out);
        }
        out.count(ring.retired.len());
        for old in &ring.retired {
            out.fixed(&old.name);
            out.fixed(old.fingerprint.as_bytes());
            out.time(old.first_seen);
            out.byte(old.local.into());
        }
        match &ring.source {
            Source::Local(own) => {
                out.byte(1);
                own.write(&mut out);
            }
            Source::Given | Source::Derived(_) => out.byte(0),
        }
        out.finish()
    }
}

impl InheritedRing {
    /// Reads what [`TicketRing::to_bytes`] has written.
    ///
    /// # Errors
    ///
    /// [`StateError::Truncated`] and [`StateError::Invalid`]. That the clock is the same one is
    /// judged when the ring is built.
    pub fn parse(bytes: &[u8]) -> Result<Self, StateError> {
        let mut from = Reader::new(bytes);
        let written_at = from.time()?;
        let keys = from.count(1)?;
        if keys > TicketKeys::MAX_KEYS + RETIRED {
            return Err(StateError::Invalid("too many keys"));
        }
        let keys = (0..keys).map(|_| read_key(&mut from));
        let keys = keys.collect::<Result<_, _>>()?;
        let retired = from.count(33)?;
        let retired = (0..retired).map(|_| {
            Ok(Retired {
                name: from.fixed()?,
                fingerprint: Fingerprint::from_bytes(from.fixed()?),
                first_seen: from.time()?,
                local: from.byte()? != 0,
            })
        });
        let retired = retired.collect::<Result<_, _>>()?;
        let own = match from.byte()? {
            0 => None,
            1 => Some(OwnKeys::read(&mut from)?),
            _ => return Err(StateError::Invalid("source of the keys")),
        };
        from.end()?;
        Ok(Self {
            written_at,
            keys,
            retired,
            own,
        })
    }

    /// Whether its times can be of this clock.
    ///
    /// # Errors
    ///
    /// [`StateError::Clock`].
    pub(super) fn check_clock(&self, now: Time) -> Result<(), StateError> {
        let is_past = self.written_at <= now;
        match is_past && now.duration_since(self.written_at) <= FRESH {
            true => Ok(()),
            false => Err(StateError::Clock),
        }
    }

    /// The ring as it was, to be followed by one of keys that a provider gives: as if its own keys
    /// had been a fallback, so that they open until their tickets have ended.
    pub(super) fn before(self, policy: TicketPolicy, at: ClockReading) -> KeyRing {
        let mut next = NextRing::new(Source::Given, policy, at);
        next.keys = self.keys;
        next.retired = self.retired;
        next.finish()
    }

    /// A ring that goes on making its own keys. Keys of another provider, or of another period,
    /// open until their tickets have ended, and seal no longer.
    pub(super) fn own(
        mut self,
        policy: TicketPolicy,
        at: ClockReading,
    ) -> Result<KeyRing, TicketKeyError> {
        let same = self.own.take().filter(|own| own.period() == policy.period);
        let goes_on = same.is_some();
        let own = match same {
            Some(own) => own,
            None => OwnKeys::new(policy, at.now)?,
        };
        for key in &mut self.keys {
            if goes_on && key.is_local() {
                continue;
            }
            let sealed = key.times.seal_from <= at.now;
            let end = at.now.saturating_add(policy.lifetime);
            key.times.seal_until = key.times.seal_until.min(at.now);
            key.times.open_until = match sealed {
                true => key.times.open_until.min(end),
                false => at.now,
            };
            if !key.is_local() {
                // Its times by the wall clock are its provider's.
                key.origin = Origin::Given(None);
            }
        }
        let mut next = NextRing::new(Source::Local(Arc::new(own)), policy, at);
        next.keys = self.keys;
        next.retired = self.retired;
        next.expire();
        next.top_up()?;
        Ok(next.finish())
    }
}

fn write_key(key: &RingKey, out: &mut Writer) {
    out.fixed(key.key().name());
    out.bytes(key.key().hmac_secret());
    out.bytes(key.key().aes_key());
    let times = [
        key.times.seal_from,
        key.times.seal_until,
        key.times.open_until,
        key.first_seen,
        key.open_at_least_until,
        key.last_sealed,
    ];
    times.into_iter().for_each(|time| out.time(time));
    let (kind, index, validity) = match key.origin {
        Origin::Local => (0, 0, None),
        Origin::Given(validity) => (1, 0, validity),
        Origin::Derived(index, validity) => (2, index, Some(validity)),
    };
    out.byte(kind);
    out.number(index);
    out.byte(validity.is_some().into());
    if let Some(validity) = validity {
        for time in [validity.seal_from, validity.seal_until, validity.open_until] {
            out.number(time.as_secs());
            out.count(time.subsec_nanos() as usize);
        }
    }
}

fn read_key(from: &mut Reader<'_>) -> Result<RingKey, StateError> {
    let (name, hmac_secret, aes_key) = (from.fixed()?, from.bytes()?, from.bytes()?);
    let key = TicketKey::new(name, hmac_secret, aes_key);
    let key = key.map_err(|_| StateError::Invalid("ticket key"))?;
    let times = Validity {
        seal_from: from.time()?,
        seal_until: from.time()?,
        open_until: from.time()?,
    };
    let (first_seen, open_at_least_until, last_sealed) = (from.time()?, from.time()?, from.time()?);
    let (kind, index) = (from.byte()?, from.number()?);
    let validity = match from.byte()? {
        0 => None,
        _ => Some(Validity {
            seal_from: read_duration(from)?,
            seal_until: read_duration(from)?,
            open_until: read_duration(from)?,
        }),
    };
    let origin = match (kind, validity) {
        (0, None) => Origin::Local,
        (1, validity) => Origin::Given(validity),
        (2, Some(validity)) => Origin::Derived(index, validity),
        _ => return Err(StateError::Invalid("origin of a ticket key")),
    };
    Ok(RingKey {
        key: Arc::new(key),
        times,
        first_seen,
        open_at_least_until,
        last_sealed,
        origin,
    })
}

fn read_duration(from: &mut Reader<'_>) -> Result<Duration, StateError> {
    let (seconds, nanos) = (from.number()?, u32::from_be_bytes(from.fixed()?));
    match nanos < 1_000_000_000 {
        true => Ok(Duration::new(seconds, nanos)),
        false => Err(StateError::Invalid("time of a ticket key")),
    }
}

impl OwnKeys {
    fn write(&self, out: &mut Writer) {
        let (secret, period, index) = self.secret.parts();
        out.fixed(secret);
        out.number(period);
        out.number(index);
        out.time(self.began);
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, StateError> {
        let secret = Zeroizing::new(from.fixed()?);
        let (period, index, began) = (from.number()?, from.number()?, from.time()?);
        let secret = TicketSecret::restored(&secret, period, index);
        let secret = secret.ok_or(StateError::Invalid("period of the keys"))?;
        Ok(Self { secret, began })
    }

    fn period(&self) -> Duration {
        self.secret.period()
    }
}
