//! A ring in the making: which keys are in it, and what they may do.

use std::cmp::Reverse;
use std::sync::Arc;

use crate::clock::Time;
use crate::tickets::clock_reading::ClockReading;
use crate::tickets::error::TicketKeyError;
use crate::tickets::key::{TicketCipher, TicketKey};
use crate::tickets::key_ring::{KeyRing, KeyTimes, Origin, RETIRED, Retired, RingKey, Source};
use crate::tickets::key_set::{KeyEntry, KeyRole, TicketKeys};
use crate::tickets::policy::TicketPolicy;
use crate::tickets::secret::TicketSecret;

const SKEW: std::time::Duration = TicketSecret::SKEW;

const BEGINNING: Time = Time::from_millis(0);

/// A ring in the making.
pub(crate) struct NextRing {
    pub(crate) keys: Vec<RingKey>,
    pub(crate) retired: Vec<Retired>,
    pub(crate) source: Source,
    pub(crate) policy: TicketPolicy,
    pub(crate) at: ClockReading,
}

impl NextRing {
    pub(crate) fn new(source: Source, policy: TicketPolicy, at: ClockReading) -> Self {
        Self {
            keys: Vec::new(),
            retired: Vec::new(),
            source,
            policy,
            at,
        }
    }

    /// Takes a key that somebody provides, unless it is too old.
    pub(crate) fn give(&mut self, given: &KeyEntry, before: Option<&KeyRing>) {
        let now = self.at.now;
        let was = before.and_then(|ring| ring.here(&given.key));
        let (origin, times) = match given.role {
            KeyRole::Timed(table) => (Origin::Given(Some(table)), self.at.times_of(table)),
            role => {
                let (seal_from, seal_until) = match role {
                    KeyRole::Next => (Time::NEVER, Time::NEVER),
                    KeyRole::Open => (BEGINNING, BEGINNING),
                    // If it does so already, it has not begun again.
                    _ => (self.sealed_from(was), Time::NEVER),
                };
                let times = KeyTimes {
                    seal_from,
                    seal_until,
                    open_until: Time::NEVER,
                };
                (Origin::Given(None), times)
            }
        };
        // One with times opens as it would by the time of day now, although that may step before its turn:
        // another machine, or this one before it was started again, may have sealed with it.
        let promise = match origin {
            Origin::Given(Some(_)) => times.open_until,
            _ => BEGINNING,
        };
        let since = was.map(|was| was.since);
        let since = since.or_else(|| before?.was_here_since(&given.key));
        let mut new = RingKey {
            key: Arc::clone(&given.key),
            times,
            since: since.unwrap_or(now),
            promise: was.map_or(promise, |was| was.promised(now)),
            ceased: was.map_or(now, |was| was.ceased(now)),
            origin,
        };
        keep_promise(&mut new, self.policy);
        if now < new.times.open_until {
            self.keys.push(new);
        } else {
            self.retire(&new);
        }
    }

    /// Since when a key that is to seal does: now, unless it was to seal before.
    fn sealed_from(&self, was: Option<&RingKey>) -> Time {
        let now = self.at.now;
        let begun = |ours: &&RingKey| {
            let from = ours.times.seal_from;
            ours.origin == Origin::Given(None) && from != BEGINNING && from <= now
        };
        // Of several that are to seal the first one does: none of the others begins later than it.
        let first = self.keys.iter().filter(begun);
        let first = first.map(|ours| ours.times.seal_from).min();
        let from = was.filter(begun).map_or(now, |was| was.times.seal_from);
        from.min(first.unwrap_or(now))
    }

    /// Remembers what was in `before` and is not here. The keys of a fallback stay: nobody but this process
    /// ever had them, and their tickets are good. Whether they still seal, [`top_up`](Self::top_up) decides.
    pub(crate) fn replace(&mut self, before: Option<&KeyRing>) {
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

    /// Keys of the same secret are as old as they were and open as long as they were to, also those that its
    /// ratchet, or the time of day, has left behind.
    pub(crate) fn keep_derived(&mut self, before: Option<&KeyRing>) {
        let Some(before) = before else { return };
        let is_same = match (&self.source, &before.source) {
            (Source::Derived(ours), Source::Derived(theirs)) => ours.is_same(theirs),
            _ => false,
        };
        let is_derived = |key: &RingKey| matches!(key.origin, Origin::Derived(..));
        for theirs in before.keys.iter().filter(|key| is_derived(key)) {
            let here =
                |ours: &&mut RingKey| is_derived(ours) && ours.key.name() == theirs.key.name();
            match self.keys.iter_mut().find(here) {
                Some(ours) => *ours = theirs.clone(),
                None if is_same => self.keys.push(theirs.clone()),
                None => {}
            }
        }
        // The time of day may have stepped since their times were made.
        self.follow_the_day();
        self.expire();
    }

    /// A step of the time of day moves what goes by it, but takes nothing back: what was to open, opens.
    pub(crate) fn follow_the_day(&mut self) {
        let period = match &self.source {
            Source::Derived(secret) => secret.period() + SKEW,
            _ => SKEW,
        };
        let (now, soon) = (self.at.now, self.at.unix.saturating_add(period));
        for key in &mut self.keys {
            key.promise = key.promised(now);
            key.ceased = key.ceased(now);
        }
        // Keys of a day that has turned out to be far off, and that nobody can have sealed with.
        self.keys.retain(|key| match key.origin {
            Origin::Derived(_, table) => now < key.promise || table.seal_from <= soon,
            _ => true,
        });
        for key in &mut self.keys {
            if let Some(table) = key.origin.table() {
                key.times = self.at.times_of(table);
                keep_promise(key, self.policy);
            }
        }
    }

    pub(crate) fn expire(&mut self) {
        let now = self.at.now;
        let gone = |key: &RingKey| now >= key.times.open_until;
        let (expired, left) = std::mem::take(&mut self.keys).into_iter().partition(gone);
        self.keys = left;
        let expired: Vec<RingKey> = expired;
        expired.iter().for_each(|key| self.retire(key));
    }

    fn retire(&mut self, key: &RingKey) {
        let fingerprint = key.key.fingerprint();
        let mut retired = self.retired.iter_mut();
        if let Some(old) = retired.find(|old| old.fingerprint == fingerprint) {
            old.since = old.since.min(key.since);
            return;
        }
        self.retired.push(Retired {
            name: *key.key.name(),
            fingerprint,
            since: key.since,
            local: key.is_local(),
        });
        // The oldest is forgotten, but none that others provide for one of our own: it would be new again.
        let most = if key.is_local() {
            RETIRED
        } else {
            TicketKeys::MAX_KEYS
        };
        let of_kind = |retired: &&Retired| retired.local == key.is_local();
        if self.retired.iter().filter(of_kind).count() > most {
            let oldest = self.retired.iter().position(|retired| of_kind(&retired));
            oldest.map(|oldest| self.retired.remove(oldest));
        }
    }

    /// Adds the keys that are to come, and sees to it that one seals.
    pub(crate) fn top_up(&mut self) -> Result<(), TicketKeyError> {
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
                promise: BEGINNING,
                ceased: self.at.now,
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
        let newest = secret.newest_known(self.at.unix);
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
            let times = self.at.times_of(table);
            self.keys.push(RingKey {
                key: Arc::new(key),
                times,
                since: self.at.now,
                // As in `give`.
                promise: times.open_until,
                ceased: self.at.now,
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

    pub(crate) fn finish(mut self) -> KeyRing {
        // What began before the clock did has begun at one time by it. Stable: keys that seal from the same
        // time on stay as they were given.
        let newest_first = |key: &RingKey| {
            let by_day = key.origin.table().map(|table| table.seal_from);
            (Reverse(key.times.seal_from), Reverse(by_day))
        };
        self.keys.sort_by_key(newest_first);
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

/// Bounds the times that a key's provider has given by its age, and keeps what was promised.
fn keep_promise(key: &mut RingKey, policy: TicketPolicy) {
    let times = &mut key.times;
    let mut promise = key.promise;
    if matches!(key.origin, Origin::Given(_)) {
        let end = key.since.saturating_add(policy.max_age_of_keys());
        let last_seal = policy.max_age_of_keys() - policy.lifetime_of_tickets();
        times.open_until = times.open_until.min(end);
        times.seal_until = times.seal_until.min(key.since.saturating_add(last_seal));
        promise = promise.min(end);
    }
    times.seal_until = times.seal_until.min(times.open_until);
    times.open_until = times.open_until.max(promise);
}
