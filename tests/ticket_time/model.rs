//! A process with a ring, its operator, and a model of what the ring owes its tickets.
//!
//! The model counts true time: milliseconds since the beginning, across processes and clock steps.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use rekindle::tickets::{
    KeyLookup, KeyRing, RingKey, TicketKeyError, TicketPolicy, TicketRing, Validity,
};
use rekindle::{Clock, Time};
use rekindle_key_files::{Reload, TicketFileError, TicketFileFault, TicketKeyFile};

use super::clock::TwoClocks;
use super::operator::{Name, Operator, Provider};
use super::{EPOCH, builder, clock, seconds};

/// What happens.
#[derive(Clone, Debug)]
pub(crate) enum Event {
    /// Seconds pass without maintenance.
    Pass(u64),
    /// Minutes pass with maintenance.
    Serve(u64),
    Maintain,
    /// The operator sets the wall clock, by this many seconds.
    Step(i64),
    /// The file is read again, and taken if it has changed or the ring has fallen back.
    Reload,
    /// A key is added, or the ratchet moved, and keys without live tickets are taken out.
    Rotate,
    /// All keys but the first are taken out: their tickets are lost.
    Drop,
    /// A key that was taken out seals again.
    BringBack,
    /// A new process, on a machine that came up this many seconds ago.
    Restart(u64),
}

/// Until when tickets of a key are to open.
struct Sealed {
    /// The end of the last ticket.
    until: i64,
    local: bool,
}

pub(crate) struct Model {
    operator: Operator,
    policy: TicketPolicy,
    clock: Arc<TwoClocks>,
    ring: TicketRing,
    file: Option<TicketKeyFile>,
    elapsed: i64,
    /// The ring's time less the true one.
    boot: i64,
    /// The wall clock less the true time, after the time from which that holds.
    wall_offsets: Vec<(i64, i64)>,
    sealed: HashMap<Name, Sealed>,
    /// When this process first had it.
    seen: HashMap<Name, i64>,
    /// Of the ring's own keys: when their turn was to begin.
    own: HashMap<Name, i64>,
    validities: HashMap<Name, Validity>,
    /// When something was done that may have ended a key of the ring's own before its time.
    changes: Vec<i64>,
    /// Whether the file has been taken since the wall clock stepped.
    fresh: bool,
    /// Whether the file has changed and could not be taken yet.
    pending: bool,
    /// The latest period that this process has been in.
    latest: u64,
}

impl Model {
    pub(crate) fn new(provider: Provider, policy: TicketPolicy) -> Self {
        let clock = clock(1_000_000, EPOCH);
        let (period, lifetime) = (policy.period, policy.lifetime);
        let unix = clock.unix_time();
        let operator = Operator::new(provider, period.as_secs(), lifetime.as_secs(), unix);
        let (ring, file) = start(&operator, &clock, policy);
        let mut model = Self {
            operator,
            policy,
            boot: millis(clock.now()),
            clock,
            ring,
            file,
            elapsed: 0,
            wall_offsets: vec![(0, EPOCH as i64 * 1_000)],
            sealed: HashMap::new(),
            seen: HashMap::new(),
            own: HashMap::new(),
            validities: HashMap::new(),
            changes: Vec::new(),
            fresh: true,
            pending: false,
            latest: 0,
        };
        model.check();
        model.check_provided();
        model
    }

    pub(crate) fn apply(&mut self, event: &Event) {
        match *event {
            Event::Pass(time) => self.pass(time),
            Event::Serve(minutes) => {
                for _ in 0..minutes.div_ceil(7) {
                    self.pass(7 * 60);
                    self.check_open();
                    self.maintain();
                    self.check();
                }
            }
            Event::Maintain => self.maintain(),
            Event::Step(time) => {
                self.clock.step(time);
                let offset = self.wall_offset() + time * 1_000;
                self.wall_offsets.push((self.elapsed, offset));
                self.changes.push(self.elapsed);
                self.fresh = false;
            }
            Event::Reload => {
                let before = self.ring.load();
                // In a fallback the same content may have a key that seals by now.
                if self.pending || before.is_fallback(self.ring.now()) {
                    self.take_new();
                } else if let Some(file) = &mut self.file {
                    let reload = file.reload(&self.ring).expect("the same");
                    assert_eq!(reload, Reload::Unchanged);
                    assert!(same(&before, &self.ring.load()));
                }
            }
            Event::Rotate => {
                let (sealed, now) = (&self.sealed, self.elapsed);
                let over = |key| sealed.get(&key).is_none_or(|key: &Sealed| key.until <= now);
                self.operator.retire(over);
                self.operator.add(self.unix());
                self.write();
                self.take_new();
            }
            Event::Drop => {
                self.operator.retire(|_| true);
                self.write();
                self.take_new();
            }
            Event::BringBack => {
                self.operator.bring_back();
                self.write();
                self.take_new();
            }
            Event::Restart(up) => self.restart(up),
        }
        self.check_open();
        self.check();
    }

    fn pass(&mut self, time: u64) {
        self.clock.pass(seconds(time));
        self.elapsed += time as i64 * 1_000;
    }

    fn maintain(&mut self) {
        self.ring.maintain().expect("randomness");
        let after = self.ring.load();
        // A second call at the same time changes nothing.
        self.ring.maintain().expect("randomness");
        assert!(same(&after, &self.ring.load()), "{:?}", self.ring);
        self.check_provided();
    }

    fn write(&mut self) {
        self.operator.write();
        self.operator.agrees(self.unix());
        self.pending = true;
    }

    fn take_new(&mut self) {
        self.take(|file, ring| match file.reload(ring)? {
            Reload::Unchanged => panic!("the file has changed"),
            Reload::Updated(_) => Ok(()),
        });
    }

    /// The file is taken, unless it is ahead of the wall clock.
    fn take(
        &mut self,
        take: impl FnOnce(&mut TicketKeyFile, &TicketRing) -> Result<(), TicketFileError>,
    ) {
        let Some(file) = &mut self.file else { return };
        let before = self.ring.load();
        let taken = take(file, &self.ring);
        if !self.operator.can_start(self.clock.unix_time()) {
            taken.expect_err("the ratchet is past this");
            assert!(same(&before, &self.ring.load()));
            return;
        }
        if let Err(TicketFileError {
            fault: TicketFileFault::Malformed(TicketKeyError::NothingSeals),
            ..
        }) = taken
        {
            // The wall clock is so far ahead that all keys of the file are over.
            let unix = self.clock.unix_time();
            let keys = self.operator.keys(unix);
            let over = |validity: &Option<Validity>| validity.is_some_and(|t| t.seal_until <= unix);
            assert!(keys.iter().all(|(_, validity)| over(validity)));
            assert!(same(&before, &self.ring.load()));
            self.fresh = false;
            return;
        }
        taken.expect("a good file");
        self.pending = false;
        self.changes.push(self.elapsed);
        self.fresh = true;
        if !self.operator.is_derived() {
            let given = self.operator.keys(self.clock.unix_time());
            let is_given = |key| given.iter().any(|entry| entry.0 == key);
            let may_open = |key: &Name, sealed: &mut Sealed| sealed.local || is_given(*key);
            self.sealed.retain(may_open);
        }
        self.note_keys();
        self.check_provided();
    }

    fn restart(&mut self, up: u64) {
        let unix = self.unix();
        let clock = clock(up, unix.as_secs());
        if !self.operator.can_start(unix) {
            // It would serve with keys of its own until the clock is right.
            let (ring, _) = start(&self.operator, &clock, self.policy);
            assert!(ring.status().fallback);
            return;
        }
        let (ring, file) = start(&self.operator, &clock, self.policy);
        (self.ring, self.file) = (ring, file);
        self.boot = millis(clock.now()) - self.elapsed;
        self.clock = clock;
        let offset = self.wall_offset();
        self.wall_offsets = vec![(self.elapsed, offset)];
        self.seen.clear();
        self.own.clear();
        self.changes.clear();
        (self.fresh, self.pending) = (true, false);
        self.latest = 0;
        // The new process knows no step: it goes by the wall clock.
        let (validities, operator) = (&self.validities, &self.operator);
        self.sealed.retain(|key, sealed| {
            let validity = validities.get(key);
            if let Some(validity) = validity {
                let end = validity.open_until.as_millis() as i64 - offset;
                sealed.until = sealed.until.min(end);
            }
            !sealed.local && validity.is_none_or(|validity| operator.gives(*validity, unix))
        });
        self.note_keys();
        self.check_provided();
    }

    fn unix(&self) -> Duration {
        self.clock.unix_time()
    }

    fn wall_offset(&self) -> i64 {
        self.wall_offsets.last().expect("never empty").1
    }

    /// The true time of a ring's.
    fn at(&self, time: Time) -> i64 {
        millis(time).saturating_sub(self.boot)
    }

    /// The least and the greatest offset since then.
    fn wall_offsets_since(&self, since: i64) -> (i64, i64) {
        // Less than: the clock may have stepped at this very time, and after it.
        let mut offsets = self.wall_offsets.iter();
        let before = offsets.rposition(|(from, _)| *from < since).unwrap_or(0);
        let offsets = self.wall_offsets[before..]
            .iter()
            .map(|(_, offset)| *offset);
        let least = offsets.clone().min().expect("never empty");
        (least, offsets.max().expect("never empty"))
    }

    /// Every ticket opens while it is to, unless its key was taken away.
    pub(crate) fn check_open(&mut self) {
        let (keys, now) = (self.ring.load(), self.ring.now());
        let elapsed = self.elapsed;
        self.sealed.retain(|_, sealed| elapsed < sealed.until);
        for (key, sealed) in &self.sealed {
            let opens = matches!(keys.opening(key, now), KeyLookup::Key(..));
            let left = (sealed.until - elapsed) / 1_000;
            let keys = &*keys;
            assert!(opens, "{key:02x?} was to open for {left} s more: {keys:?}");
        }
    }

    /// A key seals, and its tickets' advertised lifetime is true; no key does more than it may.
    pub(crate) fn check(&mut self) {
        let (keys, now) = self.ring.load_to_seal();
        self.note_keys();
        let key = keys.sealing(now).expect("a key seals");
        let opening = keys.opening(key.key().name(), now);
        assert!(matches!(opening, KeyLookup::Key(..)));
        // As the OpenSSL adapter advertises it.
        let lifetime = self.policy.lifetime.as_millis() as i64;
        let advertised = lifetime.min(self.at(key.times.open_until) - self.elapsed);
        if self.operator.provider != Provider::Timed || key.is_local() {
            assert_eq!(advertised, lifetime, "{key:?} opens for less");
        }
        let until = self.elapsed + advertised;
        let local = key.is_local();
        let sealed = self.sealed.entry(*key.key().name());
        let sealed = sealed.or_insert(Sealed { until, local });
        sealed.until = sealed.until.max(until);
        self.check_bounds(&keys);
        self.check_open();
    }

    /// Notes new keys.
    fn note_keys(&mut self) {
        let keys = self.ring.load();
        self.latest = self.latest.max(self.operator.index(self.unix()));
        for key in keys.iter() {
            let id = *key.key().name();
            self.seen.entry(id).or_insert(self.elapsed);
            if key.is_local() {
                let from = self.at(key.times.seal_from);
                self.own.entry(id).or_insert(from);
            } else if self.operator.provider != Provider::Records
                && !self.validities.contains_key(&id)
            {
                let keys = self.operator.keys(self.unix()).into_iter();
                let keys = keys.map(|(id, times)| (id, times.expect("these have times")));
                self.validities.extend(keys);
                assert!(self.validities.contains_key(&id), "whose key is {key:?}?");
            }
        }
    }

    fn check_bounds(&self, keys: &KeyRing) {
        for key in keys.iter() {
            if key.is_local() {
                self.check_own(key);
            } else {
                self.check_provided_key(key);
            }
        }
        let most = self.most_keys(keys);
        let len = keys.len();
        assert!(len <= most, "{len} keys, more than {most}: {keys:?}");
    }

    fn check_own(&self, key: &RingKey) {
        let (period, lifetime, _) = self.policy_millis();
        let from = self.own[key.key().name()];
        assert_eq!(self.at(key.times.seal_from), from);
        assert!(self.at(key.times.seal_until) <= from + period);
        assert!(self.at(key.times.open_until) <= from + period + lifetime);
    }

    fn check_provided_key(&self, key: &RingKey) {
        let (_, lifetime, max_age) = self.policy_millis();
        let (id, times) = (*key.key().name(), key.times);
        let since = self.seen[&id];
        let (seal_until, open_until) = (self.at(times.seal_until), self.at(times.open_until));
        assert!(seal_until <= open_until, "{key:?}");
        if !self.operator.is_derived() {
            assert!(open_until <= since + max_age, "{key:?} gets too old");
            let last_seal = since + max_age - lifetime;
            assert!(seal_until <= last_seal, "{key:?} seals for too long");
        }
        if let Some(validity) = self.validities.get(&id) {
            // By the wall clock when it was furthest back. What was before the clock began is its
            // beginning.
            let (least, _) = self.wall_offsets_since(since);
            let by_wall_clock = |time: Duration| (time.as_millis() as i64 - least).max(-self.boot);
            let last_seal = by_wall_clock(validity.seal_until);
            assert!(seal_until <= last_seal, "{key:?} seals for too long");
            let last_open = by_wall_clock(validity.open_until);
            assert!(open_until <= last_open, "{key:?} opens for too long");
        }
    }

    fn policy_millis(&self) -> (i64, i64, i64) {
        let millis = |duration: Duration| duration.as_millis() as i64;
        (
            millis(self.policy.period),
            millis(self.policy.lifetime),
            millis(self.policy.max_age),
        )
    }

    /// The most keys that a ring may have: those that are open at one time, some to come, one more
    /// for each period that the wall clock moved by while they were here, and one of the
    /// ring's own for each change that may have ended one early.
    fn most_keys(&self, keys: &KeyRing) -> usize {
        let (period, lifetime, _) = self.policy_millis();
        let open = lifetime / period + 4;
        let recent = self.elapsed - lifetime - 2 * period;
        let changes = self.changes.iter().filter(|at| **at >= recent).count();
        let provided = match self.operator.provider {
            Provider::Own => 0,
            Provider::Records | Provider::Timed => self.operator.numbers.len(),
            Provider::Derived | Provider::Ratchet => {
                let since = keys.iter().map(|key| self.at(key.first_seen)).min();
                let (least, greatest) = self.wall_offsets_since(since.unwrap_or(0));
                let span = (greatest - least + 120_000) / period;
                (open + span) as usize
            }
        };
        open as usize + provided + changes
    }

    /// The provider's key seals where it can, right after maintenance.
    fn check_provided(&mut self) {
        self.note_keys();
        if self.fresh && !self.operator.is_derived() {
            // Keys that are over by the wall clock get older as well.
            for (id, _) in self.operator.keys(self.clock.unix_time()) {
                self.seen.entry(id).or_insert(self.elapsed);
            }
        }
        let (keys, now) = (self.ring.load(), self.ring.now());
        let sealing = keys.sealing(now).expect("a key seals");
        let (_, lifetime, max_age) = self.policy_millis();
        let unix = self.unix();
        let here = |id| keys.iter().any(|key| *key.key().name() == id);
        let due = match self.operator.provider {
            Provider::Own => None,
            Provider::Derived | Provider::Ratchet => {
                let latest = self.latest == self.operator.index(unix);
                let (due, can_start) = self.operator.current(unix);
                let is_sure = self.operator.provider == Provider::Derived
                    || latest
                    || (self.fresh && can_start);
                (is_sure || here(due)).then_some(due)
            }
            Provider::Records | Provider::Timed => {
                let young = |id| self.elapsed < self.seen[&id] + max_age - lifetime;
                let given = self.operator.keys(unix).into_iter().enumerate();
                let given = given.filter(|(place, (_, validity))| match validity {
                    Some(validity) => validity.seal_from <= unix && unix < validity.seal_until,
                    None => *place == 0,
                });
                let given = given.filter(|(_, (id, _))| self.fresh || here(*id));
                let given = given.filter(|(_, (id, _))| young(*id));
                let seal_from = |validity: Option<Validity>| validity.map(|it| it.seal_from);
                let latest = given.max_by_key(|(_, (_, validity))| seal_from(*validity));
                latest.map(|(_, (id, _))| id)
            }
        };
        let id = *sealing.key().name();
        match due {
            Some(due) => assert_eq!(id, due, "{:?}", *keys),
            None => assert!(sealing.is_local(), "{id:02x?} is not to seal: {:?}", *keys),
        }
    }
}

fn start(
    operator: &Operator,
    clock: &Arc<TwoClocks>,
    policy: TicketPolicy,
) -> (TicketRing, Option<TicketKeyFile>) {
    let builder = builder(clock, policy);
    let Some(mut file) = operator.file() else {
        return (builder.own_keys().build().expect("randomness"), None);
    };
    let ring = file.open(builder).expect("a good file");
    (ring, Some(file))
}

fn same(one: &KeyRing, other: &KeyRing) -> bool {
    std::ptr::eq(one, other)
}

fn millis(time: Time) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}
