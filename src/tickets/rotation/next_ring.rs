//! A ring in the making: which keys are in it, and what they may do.

use std::cmp::Reverse;
use std::sync::Arc;

use crate::clock::Time;
use crate::tickets::clock_reading::ClockReading;
use crate::tickets::error::TicketKeyError;
use crate::tickets::key::{TicketCipher, TicketKey};
use crate::tickets::key_ring::{KeyRing, Origin, RETIRED, Retired, RingKey, Source};
use crate::tickets::key_set::{KeyEntry, TicketKeys};
use crate::tickets::policy::TicketPolicy;
use crate::tickets::schedule::{KeyRole, TimePoint, Validity};
use crate::tickets::secret::TicketSecret;

const SKEW: std::time::Duration = TicketSecret::SKEW;

/// A ring in the making.
pub(crate) struct NextRing {
    pub(crate) keys: Vec<RingKey>,
    pub(crate) retired: Vec<Retired>,
    source: Source,
    policy: TicketPolicy,
    at: ClockReading,
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

    /// Takes a key that a provider gives, unless it is too old.
    pub(crate) fn give(&mut self, entry: &KeyEntry, before: Option<&KeyRing>) {
        let now = self.at.now;
        let was = before.and_then(|ring| Some(ring.carried(ring.find(&entry.key)?, now)));
        let (sealed_from, validity) = match entry.role {
            KeyRole::Timed(validity) => (now, Some(validity)),
            // A key that seals already has not begun again.
            KeyRole::Seal => (self.sealed_from(was.as_ref()), None),
            KeyRole::Next | KeyRole::Open => (now, None),
        };
        let times = entry
            .role
            .times(sealed_from, |validity| self.at.times_of(validity));
        // A key with times opens as the wall clock says now, although that clock may step back
        // before the key's turn: another machine, or this one before a restart, may have sealed
        // with it.
        let at_least = validity.map_or(Time::BEGINNING, |_| times.open_until);
        let first_seen = was.as_ref().map(|was| was.first_seen);
        let first_seen = first_seen.or_else(|| first_seen_of(&entry.key, before?));
        let mut new = RingKey {
            key: Arc::clone(&entry.key),
            times,
            first_seen: first_seen.unwrap_or(now),
            open_at_least_until: was.as_ref().map_or(at_least, |was| was.open_at_least_until),
            last_sealed: was.map_or(now, |was| was.last_sealed),
            origin: Origin::Given(validity),
        };
        bound(&mut new, self.policy);
        if new.times.opens(now) {
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
            ours.origin == Origin::Given(None) && from != Time::BEGINNING && from <= now
        };
        // Of several keys that are to seal the first one does: none of the others begins later.
        let first = self.keys.iter().filter(begun);
        let first = first.map(|ours| ours.times.seal_from).min();
        let from = was.filter(begun).map_or(now, |was| was.times.seal_from);
        from.min(first.unwrap_or(now))
    }

    /// Retires keys of `before` that the new set lacks. Keeps keys of a fallback: no other machine
    /// has them, so that dropping them would lose their tickets. Whether they still seal,
    /// [`top_up`](Self::top_up) decides.
    pub(crate) fn replace(&mut self, before: Option<&KeyRing>) {
        let Some(before) = before else { return };
        let now = self.at.now;
        let mut retired = before.retired.to_vec();
        std::mem::swap(&mut retired, &mut self.retired);
        self.retired.extend(retired);
        let was_fallback = !matches!(before.source, Source::Local(_));
        for (i, key) in before.keys.iter().enumerate() {
            let mut ours = self.keys.iter().map(|ours| &ours.key);
            let namesake = ours.find(|ours| ours.name() == key.key.name());
            match namesake.map(|ours| ours.fingerprint() == key.key.fingerprint()) {
                Some(true) => {}
                None if was_fallback && key.is_local() && key.times.opens(now) => {
                    self.keys.push(before.carried(i, now));
                }
                // Another key of its name opens in its place.
                Some(false) | None => self.retire(key),
            }
        }
    }

    /// Keys of the same secret are as old as they were and open for as long as they were to, also
    /// keys that the ratchet or the wall clock has left behind.
    pub(crate) fn keep_derived(&mut self, before: Option<&KeyRing>) {
        let Some(before) = before else { return };
        let is_same = match (&self.source, &before.source) {
            (Source::Derived(ours), Source::Derived(theirs)) => ours.is_same(theirs),
            _ => false,
        };
        let is_derived = |key: &RingKey| matches!(key.origin, Origin::Derived(..));
        for (i, theirs) in before.keys.iter().enumerate() {
            if !is_derived(theirs) {
                continue;
            }
            let is_here =
                |ours: &&mut RingKey| is_derived(ours) && ours.key.name() == theirs.key.name();
            match self.keys.iter_mut().find(is_here) {
                Some(ours) => *ours = before.carried(i, self.at.now),
                None if is_same => self.keys.push(before.carried(i, self.at.now)),
                None => {}
            }
        }
        // The wall clock may have stepped since their times were made.
        self.follow_wall_clock();
        self.expire();
    }

    /// Makes the keys' times from the wall clock again, which may have stepped. No key opens for
    /// less than its tickets were issued for.
    pub(crate) fn follow_wall_clock(&mut self) {
        let period = match &self.source {
            Source::Derived(secret) => secret.period() + SKEW,
            _ => SKEW,
        };
        let (now, soon) = (self.at.now, self.at.unix.saturating_add(period));
        // Keys of a time that has turned out to be far off: no machine can have sealed with them.
        self.keys.retain(|key| match key.origin {
            Origin::Derived(_, validity) => {
                now < key.open_at_least_until || validity.seal_from <= soon
            }
            _ => true,
        });
        for key in &mut self.keys {
            if let Some(validity) = key.origin.validity() {
                key.times = self.at.times_of(validity);
                bound(key, self.policy);
            }
        }
    }

    pub(crate) fn expire(&mut self) {
        let now = self.at.now;
        let keys = std::mem::take(&mut self.keys).into_iter();
        let (open, expired): (Vec<_>, Vec<_>) = keys.partition(|key| key.times.opens(now));
        self.keys = open;
        expired.iter().for_each(|key| self.retire(key));
    }

    fn retire(&mut self, key: &RingKey) {
        let fingerprint = key.key.fingerprint();
        let mut retired = self.retired.iter_mut();
        if let Some(old) = retired.find(|old| old.fingerprint == fingerprint) {
            old.first_seen = old.first_seen.min(key.first_seen);
            return;
        }
        self.retired.push(Retired {
            name: *key.key.name(),
            fingerprint,
            first_seen: key.first_seen,
            local: key.is_local(),
        });
        // Forgets the oldest of the same kind: a provided key that is forgotten for a key of the
        // ring's own would be new when it comes again.
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

    /// Adds the keys that are to seal later, and a key of the ring's own where no other seals.
    pub(crate) fn top_up(&mut self) -> Result<(), TicketKeyError> {
        if let Source::Derived(secret) = self.source.clone() {
            self.derive(&secret);
        }
        let provided = |key: &RingKey| !key.is_local() && key.times.seals(self.at.now);
        if matches!(self.source, Source::Local(_)) || !self.keys.iter().any(provided) {
            return self.make_own();
        }
        // The provider has a key that seals: a fallback, if there is one, is over.
        self.end_own();
        Ok(())
    }

    /// Keys of the ring's own stop sealing. Those that have not begun to are dropped.
    pub(crate) fn end_own(&mut self) {
        let mut keys = std::mem::take(&mut self.keys);
        let has_sealed = |key: &RingKey| !key.is_local() || key.times.seal_from <= self.at.now;
        keys.retain(has_sealed);
        for key in keys.iter_mut().filter(|key| key.is_local()) {
            self.end_of_local(key);
        }
        self.keys = keys;
    }

    /// A key of the ring's own stops sealing, and opens for as long as its tickets live.
    fn end_of_local(&self, key: &mut RingKey) {
        let now = self.at.now;
        if now < key.times.seal_until {
            key.times.seal_until = now;
            key.times.open_until = now.saturating_add(self.policy.lifetime);
        }
    }

    /// Keys of the ring's own for more than one period from now on. A ring whose own keys are a
    /// chain makes those of the past that still open as well: a process that has forked off the
    /// same one may have sealed with them while this one was idle.
    fn make_own(&mut self) -> Result<(), TicketKeyError> {
        let period = self.policy.period;
        let own = self.keys.iter().filter(|key| key.is_local());
        let end = own.map(|key| key.times.seal_until).max();
        let since = match &self.source {
            Source::Local(own) => own.oldest_open(self.at.now, self.policy.lifetime),
            _ => self.at.now,
        };
        let mut from = end.map_or(since, |end| end.max(since));
        while from <= self.at.now.saturating_add(period) {
            let seal_until = from.saturating_add(period);
            let key = Arc::new(self.own_key(from)?);
            self.keys.push(RingKey {
                key,
                times: Validity {
                    seal_from: from,
                    seal_until,
                    open_until: seal_until.saturating_add(self.policy.lifetime),
                },
                first_seen: self.at.now,
                open_at_least_until: Time::BEGINNING,
                last_sealed: seal_until.min(self.at.now),
                origin: Origin::Local,
            });
            if seal_until == from {
                // The end of the scale.
                break;
            }
            from = seal_until;
        }
        Ok(())
    }

    /// A key of the ring's own that seals from then on. In a fallback it is random: the next set of
    /// the provider ends it.
    fn own_key(&mut self, from: Time) -> Result<TicketKey, TicketKeyError> {
        let Source::Local(own) = &self.source else {
            return TicketKey::random(TicketCipher::Aes128);
        };
        let (key, next) = own.key(from)?;
        self.source = Source::Local(Arc::new(next));
        Ok(key)
    }

    /// Adds the keys of the periods around this one, as far as the ratchet gives them.
    fn derive(&mut self, secret: &TicketSecret) {
        let lifetime = self.policy.lifetime;
        let oldest = secret.oldest_open(self.at.unix, lifetime);
        let newest = secret.newest_known(self.at.unix);
        let mut ratcheted = secret.clone();
        for index in oldest..=newest {
            let is_here = |key: &RingKey| matches!(key.origin, Origin::Derived(i, _) if i == index);
            if self.keys.iter().any(is_here) {
                continue;
            }
            // A key that the secret cannot give is not needed, or its want shows as a fallback.
            let Ok(there) = ratcheted.ratcheted(index) else {
                continue;
            };
            ratcheted = there;
            let Ok(key) = ratcheted.key(index) else {
                continue;
            };
            let validity = secret.times_of(index, lifetime);
            let times = self.at.times_of(validity);
            self.keys.push(RingKey {
                key: Arc::new(key),
                times,
                first_seen: self.at.now,
                // As in `give`.
                open_at_least_until: times.open_until,
                last_sealed: self.at.now,
                origin: Origin::Derived(index, validity),
            });
        }
        // Keys of the past are here: the secret that derives them is given up.
        if let Ok(ratcheted) = secret.ratcheted(secret.index(self.at.unix))
            && ratcheted.ratchet() != secret.ratchet()
        {
            self.source = Source::Derived(Arc::new(ratcheted));
        }
    }

    pub(crate) fn finish(mut self) -> KeyRing {
        // Times before the ring's clock began are equal by that clock: there the wall clock
        // decides. Stable: keys that seal from the same time on keep their order.
        let newest_first = |key: &RingKey| {
            let by_wall_clock = key.origin.validity().map(|validity| validity.seal_from);
            (Reverse(key.times.seal_from), Reverse(by_wall_clock))
        };
        self.keys.sort_by_key(newest_first);
        let mut ring = KeyRing::new(self.keys, self.retired, self.source, self.policy, self.at);
        ring.renew_at = ring.next_renewal(self.at);
        ring
    }
}

/// When this process first had a key that has left the ring.
fn first_seen_of(key: &TicketKey, ring: &KeyRing) -> Option<Time> {
    let fingerprint = key.fingerprint();
    let mut retired = ring.retired.iter();
    let retired = retired.find(|retired| retired.fingerprint == fingerprint)?;
    Some(retired.first_seen)
}

/// Bounds the times that a provider gave by the key's age. A key that may have sealed still opens
/// for as long as its tickets were issued for.
fn bound(key: &mut RingKey, policy: TicketPolicy) {
    let times = &mut key.times;
    let mut at_least = key.open_at_least_until;
    if matches!(key.origin, Origin::Given(_)) {
        let end = key.first_seen.saturating_add(policy.max_age);
        let last_seal = policy.max_age - policy.lifetime;
        let last_seal = key.first_seen.saturating_add(last_seal);
        times.open_until = times.open_until.min(end);
        times.seal_until = times.seal_until.min(last_seal);
        at_least = at_least.min(end);
    }
    times.seal_until = times.seal_until.min(times.open_until);
    times.open_until = times.open_until.max(at_least);
}
