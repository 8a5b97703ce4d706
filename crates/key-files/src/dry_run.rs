//! What a set of keys would do if it were put in place of another, told before it is.

use std::cmp::Reverse;
use std::fmt;
use std::time::Duration;

use rekindle::tickets::{Fingerprint, KeyRole, SecretError, TicketKeys};

use crate::read::KeyFileContent;

/// Judges a set of keys that is to be put in place.
#[derive(Clone, Copy, Debug)]
pub struct KeyCheck {
    /// The moment at which the set would be put in place, since 1970.
    pub now: Duration,
    /// How long a ticket lives.
    pub lifetime: Duration,
    /// How long the set is to last: until then something has to seal.
    pub period: Duration,
}

/// What somebody should know before a set of keys is put in place. No finding keeps it from being used:
/// what does is an error of whoever reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Warning {
    /// Nothing seals for some time: until then no client gets a ticket that other machines open.
    NothingSeals {
        /// Beginning after so long.
        after: Duration,
        /// For so long; `None` if no key of the set ever takes over.
        lasts: Option<Duration>,
    },
    /// A key that is in force is missing: its tickets get full handshakes.
    Dropped {
        /// The key.
        key: Fingerprint,
        /// How long its tickets may live yet.
        left: Duration,
    },
    /// A key ceases to open before its tickets have ended.
    CutShort {
        /// The key.
        key: Fingerprint,
        /// By how much.
        by: Duration,
    },
    /// A key would seal that is not in the set in force: machines that have that still do not open its
    /// tickets. Let all of them open it first.
    NotDistributed {
        /// The key.
        key: Fingerprint,
    },
    /// Bytes behind the last whole record are ignored.
    TrailingBytes {
        /// How many.
        bytes: usize,
    },
}

impl KeyCheck {
    /// What `new` would do in place of `old`, or at a first start.
    ///
    /// # Errors
    ///
    /// [`SecretError`]: one of the two is a secret that gives no key at this moment.
    pub fn dry_run(
        &self,
        new: &KeyFileContent,
        old: Option<&KeyFileContent>,
    ) -> Result<Vec<Warning>, SecretError> {
        let new = Plan::new(new, self)?;
        let mut findings = Vec::new();
        self.gaps(&new, &mut findings);
        let Some(old) = old else {
            new.spans
                .iter()
                .for_each(|span| self.ends(span, self.now, &new, &mut findings));
            findings.extend(new.trailing_bytes());
            return Ok(findings);
        };
        let old = Plan::new(old, self)?;
        for span in &old.spans {
            let left = self
                .last_ticket(span, self.now, &old)
                .saturating_sub(self.now);
            if span.has_sealed(self.now)
                && !left.is_zero()
                && new.opener(span.key, self.now).is_none()
            {
                let key = span.key;
                findings.push(Warning::Dropped { key, left });
            }
        }
        for span in &new.spans {
            let kept = old.spans.iter().find(|kept| kept.key == span.key);
            let lived = kept.filter(|kept| kept.has_sealed(self.now));
            let lived = lived.map_or(self.now, |kept| self.last_ticket(kept, self.now, &old));
            self.ends(span, lived, &new, &mut findings);
        }
        if let Some(sealing) = new.sealing(self.now)
            && old.opener(sealing.key, self.now).is_none()
        {
            findings.push(Warning::NotDistributed { key: sealing.key });
        }
        findings.extend(new.trailing_bytes());
        Ok(findings)
    }

    /// The end of the last ticket that a key seals before `horizon`.
    fn last_ticket(&self, span: &Span, horizon: Duration, plan: &Plan) -> Duration {
        let end = plan.ceases_to_seal(span).min(horizon);
        end.saturating_add(self.lifetime).min(span.open_until)
    }

    /// Whether a key opens until its tickets have ended: those that it has sealed, which live until `lived`,
    /// and those that it will seal while the set is to last.
    fn ends(&self, span: &Span, lived: Duration, plan: &Plan, findings: &mut Vec<Warning>) {
        let horizon = self.now.saturating_add(plan.lasting);
        let end = plan.ceases_to_seal(span).min(horizon);
        let seals = span.seal_from < end && self.now < end;
        let last = if seals {
            end.saturating_add(self.lifetime)
        } else {
            lived
        };
        let by = last.max(lived).saturating_sub(span.open_until);
        if !by.is_zero() && span.open_until > self.now {
            let key = span.key;
            findings.push(Warning::CutShort { key, by });
        }
    }

    fn gaps(&self, plan: &Plan, findings: &mut Vec<Warning>) {
        let horizon = self.now.saturating_add(plan.lasting);
        let mut from = self.now;
        while from < horizon {
            if let Some(sealing) = plan.sealing(from) {
                from = sealing.seal_until;
                continue;
            }
            let begin = plan.spans.iter().map(|span| span.seal_from);
            let until = begin
                .filter(|begin| *begin > from && *begin < Duration::MAX)
                .min();
            findings.push(Warning::NothingSeals {
                after: from - self.now,
                lasts: until.map(|until| until - from),
            });
            from = until.unwrap_or(Duration::MAX);
        }
    }
}

/// The keys of a set in time, the latest to begin first, as a ring has them.
struct Plan {
    spans: Vec<Span>,
    /// How long it is asked to last.
    lasting: Duration,
    trailing_bytes: usize,
}

struct Span {
    key: Fingerprint,
    seal_from: Duration,
    seal_until: Duration,
    open_until: Duration,
}

impl Plan {
    fn new(material: &KeyFileContent, check: &KeyCheck) -> Result<Self, SecretError> {
        let (keys, lasting): (&TicketKeys, _) = match material {
            KeyFileContent::Keys(keys) => (keys, check.period),
            // It makes keys for as long as it is there.
            KeyFileContent::Secret(secret) => (
                &secret.keys_around(check.now, check.lifetime)?,
                check.period.min(secret.period()),
            ),
        };
        let mut spans: Vec<Span> = keys
            .given()
            .map(|given| Span::new(given.key().fingerprint(), given.role(), check.now))
            .collect();
        // Stable, as in a ring: of keys that seal from the same time on, the first one does.
        spans.sort_by_key(|span| Reverse(span.seal_from));
        let trailing_bytes = keys.trailing_bytes();
        Ok(Self {
            spans,
            lasting,
            trailing_bytes,
        })
    }

    fn sealing(&self, at: Duration) -> Option<&Span> {
        self.spans.iter().find(|span| span.seals(at))
    }

    fn opener(&self, key: Fingerprint, at: Duration) -> Option<&Span> {
        let mut spans = self.spans.iter();
        spans.find(|span| span.key == key && at < span.open_until)
    }

    /// When a key ceases to seal: at its end, or when a later one takes over.
    fn ceases_to_seal(&self, span: &Span) -> Duration {
        let later = self
            .spans
            .iter()
            .filter(|later| later.seals(later.seal_from));
        let from = later.map(|later| later.seal_from);
        let taken_over = from.filter(|from| *from > span.seal_from).min();
        span.seal_until.min(taken_over.unwrap_or(Duration::MAX))
    }

    fn trailing_bytes(&self) -> Option<Warning> {
        let bytes = self.trailing_bytes;
        (bytes > 0).then_some(Warning::TrailingBytes { bytes })
    }
}

impl Span {
    fn new(key: Fingerprint, role: KeyRole, now: Duration) -> Self {
        let (seal_from, seal_until, open_until) = match role {
            KeyRole::Next => (Duration::MAX, Duration::MAX, Duration::MAX),
            KeyRole::Seal => (now, Duration::MAX, Duration::MAX),
            // Nobody knows when it ceased: at the latest now.
            KeyRole::Open => (Duration::ZERO, now, Duration::MAX),
            KeyRole::Timed(table) => (table.seal_from, table.seal_until, table.open_until),
        };
        Self {
            key,
            seal_from,
            seal_until: seal_until.min(open_until),
            open_until,
        }
    }

    fn seals(&self, at: Duration) -> bool {
        self.seal_from <= at && at < self.seal_until
    }

    fn has_sealed(&self, now: Duration) -> bool {
        self.seal_from <= now && now < self.open_until
    }
}

impl Warning {
    /// A stable word for scripts, such as `dropped`.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::NothingSeals { .. } => "nothing-seals",
            Self::Dropped { .. } => "dropped",
            Self::CutShort { .. } => "cut-short",
            Self::NotDistributed { .. } => "not-distributed",
            Self::TrailingBytes { .. } => "trailing-bytes",
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
                    None => f.write_str(", and none is to come"),
                }
            }
            Self::Dropped { key, left } => write!(
                f,
                "key {key} is in force and not in the new set, while its tickets live for up to {} s",
                left.as_secs()
            ),
            Self::CutShort { key, by } => write!(
                f,
                "key {key} ceases to open up to {} s before its tickets end",
                by.as_secs()
            ),
            Self::NotDistributed { key } => write!(
                f,
                "key {key} seals at once, and machines with the set in force do not open it: let all \
                 of them open it first"
            ),
            Self::TrailingBytes { bytes } => {
                write!(f, "{bytes} bytes behind the last whole key are ignored")
            }
        }
    }
}
