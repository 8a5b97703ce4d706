//! How one ring follows from another: by the time that has passed, or by new keys from their provider.
//!
//! Nothing here changes a ring: each step makes the next one, from the one in force and the time.

use std::sync::Arc;
use std::time::Duration;

use super::error::TicketKeyError;
use super::key::{TicketCipher, TicketKey};
use super::keys::{Duty, GivenKey, TicketKeys, TimeTable};
use super::moment::Moment;
use super::policy::TicketPolicy;
use super::ring::{KeyRing, KeyTimes, Origin, RETIRED, Retired, RingKey, Source};
use super::secret::{SecretError, TicketSecret};
use crate::clock::Time;

const SKEW: Duration = TicketSecret::SKEW;

/// A step of the time of day below this is none: clocks are read one after the other.
const STEP: i128 = 500;

impl KeyRing {
    /// A ring that makes its own keys.
    pub(super) fn local(policy: TicketPolicy, at: Moment) -> Result<Self, TicketKeyError> {
        let mut draft = Draft::new(Source::Local, policy, at);
        draft.top_up()?;
        Ok(draft.finish())
    }

    /// A ring of keys that somebody provides, in place of `before`.
    pub(super) fn given(
        keys: &TicketKeys,
        before: Option<&Self>,
        policy: TicketPolicy,
        at: Moment,
    ) -> Result<Self, TicketKeyError> {
        let mut draft = Draft::new(Source::Given, policy, at);
        for given in keys.given() {
            draft.give(given, before);
        }
        draft.replace(before);
        draft.top_up()?;
        Ok(draft.finish())
    }

    /// A ring of keys that are derived from a secret, in place of `before`.
    pub(super) fn derived(
        secret: TicketSecret,
        before: Option<&Self>,
        policy: TicketPolicy,
        at: Moment,
    ) -> Result<Self, SecretError> {
        secret.check_number(policy.lifetime_of_tickets())?;
        // What it cannot give now is an error now; later it would be a fallback.
        let current = secret.index(at.unix);
        secret.key(current)?;
        let mut draft = Draft::new(Source::Derived(Arc::new(secret)), policy, at);
        let failed = |e: TicketKeyError| SecretError::NoRandomness(e.to_string());
        draft.top_up().map_err(failed)?;
        draft.keep_derived(before);
        draft.replace(before);
        // Once more, now that keys of our own may be here that are to end.
        draft.top_up().map_err(failed)?;
        Ok(draft.finish())
    }

    /// The ring that follows from this one when some time has passed; none if it can stay.
    pub(super) fn renewed(&self, at: Moment) -> Result<Option<Self>, TicketKeyError> {
        let stepped = (at.day() - self.day).abs() >= STEP;
        let by_day = matches!(self.source, Source::Derived(_))
            || self.keys.iter().any(|key| key.origin.table().is_some());
        if at.now < self.renew_at && !(stepped && by_day) {
            return Ok(None);
        }
        let mut draft = Draft {
            keys: self.keys.to_vec(),
            retired: self.retired.to_vec(),
            source: self.source.clone(),
            policy: self.policy,
            at,
        };
        draft.follow_the_day();
        draft.expire();
        draft.top_up()?;
        Ok(Some(draft.finish()))
    }

    /// When this process first had a key, also if it has left meanwhile.
    fn since(&self, key: &TicketKey) -> Option<Time> {
        let fingerprint = key.fingerprint();
        let here = self.keys.iter().find(|ours| ours.key.name() == key.name());
        let here = here.filter(|ours| ours.key.fingerprint() == fingerprint);
        let was_here = || {
            let mut retired = self.retired.iter();
            retired.find(|retired| retired.fingerprint == fingerprint)
        };
        here.map(|ours| ours.since)
            .or_else(|| was_here().map(|retired| retired.since))
    }
}

impl Origin {
    fn table(self) -> Option<TimeTable> {
        match self {
            Self::Local | Self::Given(None) => None,
            Self::Given(table) => table,
            Self::Derived(_, table) => Some(table),
        }
    }
}

/// A ring in the making.
struct Draft {
    keys: Vec<RingKey>,
    retired: Vec<Retired>,
    source: Source,
    policy: TicketPolicy,
    at: Moment,
}

impl Draft {
    fn new(source: Source, policy: TicketPolicy, at: Moment) -> Self {
        Self {
            keys: Vec::new(),
            retired: Vec::new(),
            source,
            policy,
            at,
        }
    }

    /// Takes a key that somebody provides, unless it is too old.
    fn give(&mut self, given: &GivenKey, before: Option<&KeyRing>) {
        let now = self.at.now;
        let since = before
            .and_then(|ring| ring.since(&given.key))
            .unwrap_or(now);
        let end = since.saturating_add(self.policy.max_age_of_keys());
        let beginning = Time::from_millis(0);
        let (origin, mut times) = match given.duty {
            Duty::Timed(table) => (Origin::Given(Some(table)), self.at.times_of(table)),
            duty => {
                let (seal_from, seal_until) = match duty {
                    Duty::Next => (Time::NEVER, Time::NEVER),
                    Duty::Open => (beginning, beginning),
                    // If it does so already, it has not begun again.
                    _ => (self.sealed_from(&given.key, before), Time::NEVER),
                };
                let times = KeyTimes {
                    seal_from,
                    seal_until,
                    open_until: Time::NEVER,
                };
                (Origin::Given(None), times)
            }
        };
        times.open_until = times.open_until.min(end);
        let last_seal = self.policy.max_age_of_keys() - self.policy.lifetime_of_tickets();
        let last_seal = since.saturating_add(last_seal);
        times.seal_until = times.seal_until.min(times.open_until).min(last_seal);
        let key = Arc::clone(&given.key);
        let new = RingKey {
            key,
            times,
            since,
            origin,
        };
        if now < times.open_until {
            self.keys.push(new);
        } else {
            self.retire(&new);
        }
    }

    /// Since when a key that is to seal does: now, unless it was to seal before.
    fn sealed_from(&self, key: &TicketKey, before: Option<&KeyRing>) -> Time {
        let now = self.at.now;
        let begun = |ours: &&RingKey| {
            let from = ours.times.seal_from;
            let untimed = ours.origin == Origin::Given(None);
            untimed && from != Time::from_millis(0) && from <= now
        };
        let mut before = before.iter().flat_map(|ring| ring.iter());
        let same = before
            .find(|ours| ours.key.name() == key.name())
            .filter(begun);
        let same = same.filter(|ours| ours.key.fingerprint() == key.fingerprint());
        // Of several that are to seal the first one does: none of the others begins later than it.
        let first = self
            .keys
            .iter()
            .filter(begun)
            .map(|ours| ours.times.seal_from)
            .min();
        let from = same.map_or(now, |ours| ours.times.seal_from);
        from.min(first.unwrap_or(now))
    }

    /// Remembers what was in `before` and is not here. The keys of a fallback stay: nobody but this process
    /// ever had them, and their tickets are good. Whether they still seal, [`top_up`](Self::top_up) decides.
    fn replace(&mut self, before: Option<&KeyRing>) {
        let Some(before) = before else { return };
        let now = self.at.now;
        let mut retired = before.retired.to_vec();
        std::mem::swap(&mut retired, &mut self.retired);
        self.retired.extend(retired);
        let was_fallback = !matches!(before.source, Source::Local);
        for key in &before.keys {
            let is_here = |ours: &RingKey| ours.key.name() == key.key.name();
            if self.keys.iter().any(is_here) {
                continue;
            }
            if was_fallback && key.is_local() && now < key.times.open_until {
                self.keys.push(key.clone());
            } else {
                self.retire(key);
            }
        }
    }

    /// Keys of the same secret that its ratchet has left behind still open.
    fn keep_derived(&mut self, before: Option<&KeyRing>) {
        let before = before.map_or(&[][..], |ring| &ring.keys);
        let index = |key: &RingKey| match key.origin {
            Origin::Derived(index, _) => Some(index),
            _ => None,
        };
        let is_here = |theirs: &RingKey| {
            let mut ours = self.keys.iter();
            ours.any(|ours| index(ours).is_some() && ours.key.name() == theirs.key.name())
        };
        if before.iter().any(is_here) {
            let open = |key: &&RingKey| index(key).is_some() && self.at.now < key.times.open_until;
            let kept = before.iter().filter(open).filter(|key| !is_here(key));
            let kept: Vec<RingKey> = kept.cloned().collect();
            self.keys.extend(kept);
        }
    }

    /// A step of the time of day moves what goes by it, but takes nothing back: what was to open, opens.
    fn follow_the_day(&mut self) {
        let oldest = self.policy.max_age_of_keys();
        // Keys of a day that has turned out to be far off, and that have never sealed.
        let period = match &self.source {
            Source::Derived(secret) => secret.period().max(SKEW),
            _ => SKEW,
        };
        let (now, soon) = (self.at.now, self.at.unix.saturating_add(period));
        self.keys.retain(|key| match key.origin {
            Origin::Derived(_, table) => key.times.seal_from <= now || table.seal_from <= soon,
            _ => true,
        });
        for key in &mut self.keys {
            let Some(table) = key.origin.table() else {
                continue;
            };
            let was = key.times;
            key.times = self.at.times_of(table);
            if was.seal_from <= self.at.now {
                key.times.open_until = key.times.open_until.max(was.open_until);
            }
            if matches!(key.origin, Origin::Given(_)) {
                let end = key.since.saturating_add(oldest);
                key.times.open_until = key.times.open_until.min(end);
            }
            key.times.seal_until = key.times.seal_until.min(key.times.open_until);
        }
    }

    fn expire(&mut self) {
        let now = self.at.now;
        let gone = |key: &RingKey| now >= key.times.open_until;
        let (expired, left) = std::mem::take(&mut self.keys).into_iter().partition(gone);
        self.keys = left;
        let expired: Vec<RingKey> = expired;
        expired.iter().for_each(|key| self.retire(key));
    }

    fn retire(&mut self, key: &RingKey) {
        self.retired.push(Retired {
            name: *key.key.name(),
            fingerprint: key.key.fingerprint(),
            since: key.since,
        });
    }

    /// Adds the keys that are to come, and sees to it that one seals.
    fn top_up(&mut self) -> Result<(), TicketKeyError> {
        if let Source::Derived(secret) = self.source.clone() {
            self.derive(&secret);
        }
        let provided = |key: &&RingKey| !key.is_local() && self.seals(key);
        if matches!(self.source, Source::Local) || !self.keys.iter().any(|key| provided(&key)) {
            return self.make_own();
        }
        // Who should provide keys does so again.
        let mut keys = std::mem::take(&mut self.keys);
        let has_sealed = |key: &RingKey| !key.is_local() || key.times.seal_from <= self.at.now;
        keys.retain(has_sealed);
        for key in keys.iter_mut().filter(|key| key.is_local()) {
            self.end_of_local(key);
        }
        self.keys = keys;
        Ok(())
    }

    fn seals(&self, key: &RingKey) -> bool {
        key.times.seal_from <= self.at.now && self.at.now < key.times.seal_until
    }

    /// A key of our own ceases to seal, and opens as long as its tickets live.
    fn end_of_local(&self, key: &mut RingKey) {
        let now = self.at.now;
        if now < key.times.seal_until {
            key.times.seal_until = now;
            key.times.open_until = now.saturating_add(self.policy.lifetime_of_tickets());
        }
    }

    /// Keys of our own for more than one period from now on.
    fn make_own(&mut self) -> Result<(), TicketKeyError> {
        let period = self.policy.period_of_keys();
        let own = self.keys.iter().filter(|key| key.is_local());
        let end = own.map(|key| key.times.seal_until).max();
        let mut from = end.unwrap_or(self.at.now).max(self.at.now);
        while from <= self.at.now.saturating_add(period) {
            let seal_until = from.saturating_add(period);
            self.keys.push(RingKey {
                key: Arc::new(TicketKey::random(TicketCipher::Aes128)?),
                times: KeyTimes {
                    seal_from: from,
                    seal_until,
                    open_until: seal_until.saturating_add(self.policy.lifetime_of_tickets()),
                },
                since: self.at.now,
                origin: Origin::Local,
            });
            from = seal_until;
        }
        Ok(())
    }

    /// The keys of the periods around this one that are not here yet, as far as the ratchet gives them.
    fn derive(&mut self, secret: &TicketSecret) {
        let lifetime = self.policy.lifetime_of_tickets();
        let oldest = secret.oldest_open(self.at.unix, lifetime);
        let newest = secret.index(self.at.unix.saturating_add(secret.period().max(SKEW)));
        let mut ratcheted = secret.clone();
        for index in oldest..=newest {
            let is_here = |key: &RingKey| matches!(key.origin, Origin::Derived(i, _) if i == index);
            if self.keys.iter().any(is_here) {
                continue;
            }
            // One that cannot be had is one that is not needed, or a fallback, which shows.
            let Ok(there) = ratcheted.ratcheted(index) else {
                continue;
            };
            ratcheted = there;
            let Ok(key) = ratcheted.key(index) else {
                continue;
            };
            let table = secret.times_of(index, lifetime);
            self.keys.push(RingKey {
                key: Arc::new(key),
                times: self.at.times_of(table),
                since: self.at.now,
                origin: Origin::Derived(index, table),
            });
        }
        // What is past the ratchet is here; the way back is given up.
        if let Ok(ratcheted) = secret.ratcheted(secret.index(self.at.unix))
            && ratcheted.ratchet() != secret.ratchet()
        {
            self.source = Source::Derived(Arc::new(ratcheted));
        }
    }

    fn finish(mut self) -> KeyRing {
        // Stable: keys that seal from the same time on stay as they were given.
        self.keys
            .sort_by_key(|key| std::cmp::Reverse(key.times.seal_from));
        let surplus = self.retired.len().saturating_sub(RETIRED);
        self.retired.drain(..surplus);
        let mut ring = KeyRing {
            keys: self.keys.into(),
            retired: self.retired.into(),
            source: self.source,
            policy: self.policy,
            day: self.at.day(),
            renew_at: Time::NEVER,
        };
        ring.renew_at = ring.next_renewal(self.at);
        ring
    }
}

impl KeyRing {
    fn next_renewal(&self, at: Moment) -> Time {
        let first_end = self.keys.iter().map(|key| key.times.open_until).min();
        let own = self.keys.iter().filter(|key| key.is_local());
        let last_own = own.map(|key| key.times.seal_from).max();
        let more = match &self.source {
            Source::Local => last_own,
            _ if self.is_fallback(at.now) => last_own.map(|last| last.min(self.next_try(at))),
            Source::Given => Some(self.seals_until(at.now)),
            Source::Derived(_) => Some(self.next_try(at)),
        };
        let soonest = [first_end, more].into_iter().flatten().min();
        soonest.unwrap_or(at.now)
    }

    /// When a provider may have a key again, or the next one: the beginning of the next period.
    fn next_try(&self, at: Moment) -> Time {
        match &self.source {
            Source::Derived(secret) => {
                at.time_of(secret.start(secret.index(at.unix).saturating_add(1)))
            }
            _ => {
                let turns = self.keys.iter().filter(|key| !key.is_local());
                let to_come = turns.map(|key| key.times.seal_from);
                to_come
                    .filter(|from| *from > at.now)
                    .min()
                    .unwrap_or(Time::NEVER)
            }
        }
    }
}
