//! What a set of keys would do if it were put in place of another.

use std::fmt;
use std::time::Duration;

use rekindle::tickets::{Fingerprint, KeyRole, Schedule, SecretError, TicketKeys};

use crate::read::KeyFileContent;

/// Checks a set of keys that is to be put in place.
#[derive(Clone, Copy, Debug)]
pub struct KeyCheck {
    /// When the set would be put in place, since 1970.
    pub now: Duration,
    /// How long a ticket lives.
    pub lifetime: Duration,
    /// How long the set is to last: for that time a key has to seal.
    pub period: Duration,
}

/// What an operator should know before a set of keys is put in place. A set with warnings can be
/// used; a set that cannot is an error of the function that reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Warning {
    /// No key seals for some time: in it no client gets a ticket that other machines open.
    NothingSeals {
        /// Time until it begins.
        after: Duration,
        /// How long it lasts; `None` if no key of the set takes over.
        lasts: Option<Duration>,
    },
    /// A key in force is missing: clients with its tickets get full handshakes.
    Dropped {
        /// The key.
        key: Fingerprint,
        /// How long its tickets may still live.
        left: Duration,
    },
    /// A key stops opening before its tickets have ended.
    CutShort {
        /// The key.
        key: Fingerprint,
        /// By how much.
        by: Duration,
    },
    /// A key would seal that is not in the set in force: machines that still have that set do not
    /// open its tickets. First distribute a set in which it only opens.
    NotDistributed {
        /// The key.
        key: Fingerprint,
    },
}

impl KeyCheck {
    /// What `new` would do in place of `old`, or at a first start.
    ///
    /// # Errors
    ///
    /// [`SecretError`]: one of the two is a secret that gives no key at this time.
    pub fn dry_run(
        &self,
        new: &KeyFileContent,
        old: Option<&KeyFileContent>,
    ) -> Result<Vec<Warning>, SecretError> {
        let new = Planned::new(new, self)?;
        let old = old.map(|old| Planned::new(old, self)).transpose()?;
        let horizon = self.now.saturating_add(new.lasting);
        let gaps = new.schedule.gaps(self.now, horizon).into_iter();
        let mut warnings: Vec<_> = gaps
            .map(|(from, until)| Warning::NothingSeals {
                after: from - self.now,
                lasts: until.map(|until| until - from),
            })
            .collect();
        if let Some(old) = &old {
            warnings.extend(self.dropped(old, &new));
        }
        warnings.extend(self.cut_short(old.as_ref(), &new, horizon));
        if let (Some(old), Some(sealing)) = (&old, new.schedule.sealing(self.now)) {
            let key = new.keys[sealing];
            if !old.opens(key, self.now) {
                warnings.push(Warning::NotDistributed { key });
            }
        }
        Ok(warnings)
    }

    /// Keys in force whose tickets the new set does not open.
    fn dropped(&self, old: &Planned, new: &Planned) -> impl Iterator<Item = Warning> {
        old.keys.iter().enumerate().filter_map(|(i, key)| {
            let left = self.last_ticket(old, i)?.saturating_sub(self.now);
            let is_dropped = !left.is_zero() && !new.opens(*key, self.now);
            is_dropped.then_some(Warning::Dropped { key: *key, left })
        })
    }

    /// The end of the last ticket that a key has sealed, if it has begun and still opens.
    fn last_ticket(&self, keys: &Planned, key: usize) -> Option<Duration> {
        let times = keys.schedule.times()[key];
        let last_sealed = keys.last_sealed(key, self.now)?;
        let end = last_sealed.saturating_add(self.lifetime);
        times.opens(self.now).then_some(end.min(times.open_until))
    }

    /// Keys that stop opening before their tickets have ended: those that they have sealed in the
    /// old set, and those that they will seal while the new set is to last.
    fn cut_short(
        &self,
        old: Option<&Planned>,
        new: &Planned,
        horizon: Duration,
    ) -> impl Iterator<Item = Warning> {
        new.keys.iter().enumerate().filter_map(move |(i, key)| {
            let sealed = old.and_then(|old| self.last_ticket(old, old.find(*key)?));
            let will_seal = new.schedule.last_sealed(i, horizon);
            let will_seal = will_seal.filter(|last| *last > self.now);
            let last = will_seal.map(|last| last.saturating_add(self.lifetime));
            let open_until = new.schedule.times()[i].open_until;
            let by = last.max(sealed)?.saturating_sub(open_until);
            let is_cut_short = !by.is_zero() && open_until > self.now;
            is_cut_short.then_some(Warning::CutShort { key: *key, by })
        })
    }
}

/// The keys of a set and their schedule.
struct Planned {
    keys: Vec<Fingerprint>,
    roles: Vec<KeyRole>,
    schedule: Schedule,
    /// How long it is asked to last.
    lasting: Duration,
}

impl Planned {
    fn new(content: &KeyFileContent, check: &KeyCheck) -> Result<Self, SecretError> {
        let (keys, lasting): (&TicketKeys, _) = match content {
            KeyFileContent::Keys(keys) => (keys, check.period),
            // It gives keys for as long as it is in place.
            KeyFileContent::Secret(file) => (
                &file.secret.keys_around(check.now, check.lifetime)?,
                check.period.min(file.secret.period()),
            ),
        };
        let (entries, schedule) = keys.schedule(check.now);
        let fingerprints = entries.iter().map(|(_, entry)| entry.key().fingerprint());
        Ok(Self {
            keys: fingerprints.collect(),
            roles: entries.iter().map(|(_, entry)| entry.role).collect(),
            schedule,
            lasting,
        })
    }

    fn find(&self, key: Fingerprint) -> Option<usize> {
        self.keys.iter().position(|ours| *ours == key)
    }

    /// When a key sealed last, up to this time. A key that is to seal but stands behind another one
    /// may have sealed until now, under the set before this one.
    fn last_sealed(&self, key: usize, at: Duration) -> Option<Duration> {
        match self.roles[key] {
            KeyRole::Seal => Some(at),
            _ => self.schedule.last_sealed(key, at),
        }
    }

    fn opens(&self, key: Fingerprint, at: Duration) -> bool {
        let found = self.find(key);
        found.is_some_and(|found| self.schedule.times()[found].opens(at))
    }
}

impl Warning {
    /// A stable word for scripts, such as `dropped`.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::NothingSeals { .. } => "nothing-seals",
            Self::Dropped { .. } => "dropped",
            Self::CutShort { .. } => "cut-short",
            Self::NotDistributed { .. } => "not-distributed",
        }
    }
}

/// The word, and a sentence for people.
impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.word())?;
        match self {
            Self::NothingSeals { after, lasts } => {
                match after.as_secs() {
                    0 => f.write_str("no key seals from now on")?,
                    after => write!(f, "no key seals from {after} s from now on")?,
                }
                match lasts {
                    Some(lasts) => write!(f, ", for {} s", lasts.as_secs()),
                    None => f.write_str(", and no key takes over"),
                }
            }
            Self::Dropped { key, left } => write!(
                f,
                "key {key} is in force and not in the new set, while its tickets live for up to {} \
                 s",
                left.as_secs()
            ),
            Self::CutShort { key, by } => write!(
                f,
                "key {key} stops opening up to {} s before its tickets end",
                by.as_secs()
            ),
            Self::NotDistributed { key } => write!(
                f,
                "key {key} seals at once, and machines with the set in force do not open it: first \
                 distribute a set in which it only opens"
            ),
        }
    }
}
