//! What this machine has to tell the others, and what the store has of it.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use ahash::RandomState;
use rekindle::resume::{Scope, TlsLibrary};
use rekindle::{SessionId, Time};
use zeroize::Zeroizing;

use crate::batch::{Batch, Item, Waiting, Writer};
use crate::counters::{Counters, count, count_more};
use crate::machine::Machine;
use crate::message::{Removal, Session, seconds};
use crate::removed::{OwnRemovals, Verdict};
use crate::schedule::SKEW;
use crate::sharing::Sharing;
use crate::store::{Position, Refusal, Write};

/// The most that is written at once.
const BATCH: usize = 512;

/// Revocations of more scopes become one of all.
const MOST_SCOPES: usize = 4096;

/// Something that has happened here.
pub(crate) enum Event {
    Stored {
        id: SessionId,
        scope: Scope,
        encoded: Zeroizing<Vec<u8>>,
        library: TlsLibrary,
        expires_at: Time,
    },
    Removed {
        id: SessionId,
        expires_at: Time,
    },
    Revoked {
        scope: Option<Scope>,
        at: Duration,
    },
}

/// What waits to be told, in this order: removals, revocations, sessions.
pub(crate) struct Outbox {
    sharing: Sharing,
    sessions: VecDeque<Waiting>,
    most_sessions: usize,
    removals: OwnRemovals,
    /// Until when sessions are revoked, and whether the store has it.
    revocations: HashMap<Option<Scope>, (Duration, bool), RandomState>,
    /// The newest ending of this machine in each stream, and until when it is there.
    newest_endings: HashMap<String, (Ending, Duration), RandomState>,
}

/// Where an ending stands, and its value: a replica that takes over may give the place to another.
pub(crate) type Ending = (Position, Vec<u8>);

/// A session is lost with the second connection that breaks: it may be what breaks it.
const MOST_FAILURES: u8 = 2;

/// A write, and what has become of it.
type Written = (Write, Result<Position, Refusal>);

impl Outbox {
    pub(crate) fn new(sharing: Sharing, most_sessions: usize, most_removals: usize) -> Self {
        Self {
            sharing,
            sessions: VecDeque::new(),
            most_sessions,
            removals: OwnRemovals::new(most_removals),
            revocations: HashMap::default(),
            newest_endings: HashMap::default(),
        }
    }

    /// Takes note of what has happened.
    pub(crate) fn push(&mut self, machine: &Machine, event: Event) {
        let (now, unix) = machine.sessions.now();
        // None lives longer, though the program may say so.
        let longest = machine.state().schedule.lifetime();
        let end = |expires_at: Time| {
            seconds(unix.saturating_add(expires_at.duration_since(now).min(longest)))
        };
        match event {
            Event::Stored {
                id,
                scope,
                encoded,
                library,
                expires_at,
            } => {
                // By then it had not been removed: what is removed later is so everywhere.
                let (end, since) = (end(expires_at), seconds(unix));
                if self.sessions.len() >= self.most_sessions {
                    count(&machine.counters.dropped_store_down);
                    self.sessions.pop_front();
                }
                self.sessions.push_back(Waiting {
                    session: Session {
                        id,
                        scope,
                        end,
                        since,
                        encoded,
                        library,
                    },
                    failures: 0,
                });
            }
            Event::Removed { id, expires_at } => {
                // The second in which it ends is not over.
                let end = end(expires_at).saturating_add(1);
                let removal = Removal { id, end };
                machine.removed_here(&removal);
                self.removals.push(removal, seconds(unix));
            }
            Event::Revoked { scope, at } => {
                let until = at.saturating_add(SKEW);
                machine.sessions.extend_revocation(scope.as_ref(), until);
                self.revoke(scope, until);
            }
        }
    }

    fn revoke(&mut self, scope: Option<Scope>, until: Duration) {
        if self.revocations.len() >= MOST_SCOPES && !self.revocations.contains_key(&scope) {
            let last = self.revocations.drain().map(|(_, (until, _))| until).max();
            let until = last.map_or(until, |last| last.max(until));
            self.revocations.insert(None, (until, false));
            return;
        }
        let known = self.revocations.entry(scope).or_default();
        if until > known.0 {
            *known = (until, false);
        }
    }

    pub(crate) fn waiting(&self) -> usize {
        let revocations = self.revocations.values().filter(|(_, is_told)| !is_told);
        self.sessions.len() + self.removals.untold_len() + revocations.count()
    }

    #[cfg(all(test, feature = "rustls"))]
    pub(crate) fn own_removals(&self) -> usize {
        self.removals.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.sessions.is_empty() && !self.has_endings()
    }

    /// Whether there are removals or revocations to be told.
    pub(crate) fn has_endings(&self) -> bool {
        self.removals.untold_len() > 0
            || self.removals.must_revoke()
            || self.revocations.values().any(|(_, is_told)| !is_told)
    }

    /// The newest endings of this machine, one in each stream, which are there if the store has
    /// lost nothing.
    pub(crate) fn newest_endings(&mut self, now: Duration) -> Vec<(String, Ending)> {
        self.newest_endings.retain(|_, (_, until)| now < *until);
        let newest = self.newest_endings.iter();
        newest
            .map(|(stream, (ending, _))| (stream.clone(), ending.clone()))
            .collect()
    }

    /// The store has lost what it was told: endings are told again. (Sessions are not.)
    pub(crate) fn lost(&mut self) {
        self.newest_endings.clear();
        self.removals.lost();
        self.revocations
            .values_mut()
            .for_each(|(_, is_told)| *is_told = false);
    }

    /// The next writes. Sessions leave the outbox with it, endings stay until they are
    /// [told](Self::told).
    pub(crate) fn batch(&mut self, machine: &Machine) -> Batch {
        let now = machine.unix_time();
        let lifetime = machine.state().schedule.lifetime();
        let is_over = |until: &Duration| until.saturating_add(lifetime + 2 * SKEW) < now;
        self.revocations.retain(|_, (until, _)| !is_over(until));
        self.removals.forget_what_ended(seconds(now));
        if let Some(at) = self.removals.take_revocation() {
            let until = Duration::from_secs(at.into()).saturating_add(SKEW);
            // Of two within a second, the second one is another: machines that know the first take
            // it over as well.
            let known = self
                .revocations
                .get(&None)
                .map_or(Duration::ZERO, |known| known.0);
            let until = until.max(known.saturating_add(Duration::from_millis(1)));
            machine.sessions.revoke(None, until);
            self.revoke(None, until);
        }
        let mut state = machine.state();
        // Some were removed while they waited, perhaps, or are over.
        let is_there = |Waiting { session, .. }: &Waiting| {
            let verdict = state.removed.judge(&session.id, session.since);
            verdict == Verdict::Accepted && session.end > seconds(now)
        };
        let waiting = std::iter::from_fn(|| self.sessions.pop_front());
        let sessions: Vec<_> = waiting.filter(is_there).take(BATCH).collect();
        let mut writer = Writer {
            state: &mut state,
            now,
            sharing: self.sharing,
        };
        let mut batch = Batch::default();
        let removals: Vec<_> = self.removals.untold(BATCH).collect();
        batch.add_removals(&mut writer, &removals);
        for (scope, (until, _)) in self.revocations.iter().filter(|(_, (_, told))| !told) {
            batch.add_revocation(&mut writer, *scope, *until);
        }
        let refused = batch.add_sessions(&mut writer, sessions);
        count_more(&machine.counters.dropped_refused, refused as u64);
        batch
    }

    /// What has become of a batch; `None` if the connection broke. Whether the store has taken all
    /// endings.
    pub(crate) fn told(
        &mut self,
        machine: &Machine,
        batch: Batch,
        results: Option<Vec<Result<Position, Refusal>>>,
    ) -> bool {
        let counters = &machine.counters;
        let is_whole = |results: &Vec<_>| results.len() == batch.writes.len();
        let Some(results) = results.filter(is_whole) else {
            self.broke(machine, batch);
            return false;
        };
        let longest = machine.state().schedule.lifetime();
        let until = machine.unix_time().saturating_add(longest);
        let of_writes = results.into_iter().map(|result| match result {
            Err(Refusal::Present) => Ok(Position::START),
            other => other,
        });
        let mut written = batch.writes.into_iter().zip(of_writes);
        let mut all_endings = true;
        for (item, number) in batch.items {
            let written: Vec<_> = written.by_ref().take(number).collect();
            if let Item::Sessions(sessions) = item {
                self.count_sessions(counters, sessions.len(), &written);
                continue;
            }
            let is_taken = written.iter().all(|(_, result)| result.is_ok());
            self.note_newest(written, until);
            match item {
                // Removals come before all else: those behind one that was refused wait with it.
                Item::Removals(number) if is_taken && all_endings => {
                    self.removals.told(number);
                    count_more(&counters.endings_published, number as u64);
                }
                Item::Revocation(scope, until) if is_taken => {
                    if let Some(known) = self.revocations.get_mut(&scope)
                        && known.0 == until
                    {
                        known.1 = true;
                    }
                    count(&counters.endings_published);
                }
                _ => all_endings = false,
            }
        }
        all_endings
    }

    /// Remembers where endings stand, until then at most.
    fn note_newest(&mut self, written: Vec<Written>, until: Duration) {
        for (write, result) in written {
            if let Write::Append {
                stream,
                value,
                ends_at,
                ..
            } = write
                && let Ok(position) = result
            {
                // Then the store, whose clock may be ahead, may drop it.
                let dropped = Duration::from_millis(ends_at).saturating_sub(SKEW);
                let ending = (position, value);
                (self.newest_endings).insert(stream, (ending, dropped.min(until)));
            }
        }
    }

    /// Of sessions that were written together.
    fn count_sessions(&self, counters: &Counters, number: usize, written: &[Written]) {
        let (of_all, of_each) = written.split_at(usize::from(self.sharing.replicates()));
        let of_all = of_all.first().filter(|(_, result)| result.is_err());
        for number in 0..number {
            let result = of_all.or(of_each.get(number)).map(|(_, result)| result);
            count(match result {
                None | Some(Ok(_)) => &counters.published,
                Some(Err(Refusal::Full)) => &counters.dropped_store_full,
                Some(Err(_)) => &counters.dropped_refused,
            });
        }
    }

    /// The connection broke: the store may have a batch, or not. Sessions are written again, which
    /// does no harm.
    fn broke(&mut self, machine: &Machine, batch: Batch) {
        for (item, _) in batch.items.into_iter().rev() {
            let Item::Sessions(sessions) = item else {
                continue;
            };
            for mut waiting in sessions.into_iter().rev() {
                waiting.failures += 1;
                if waiting.failures < MOST_FAILURES && self.sessions.len() < self.most_sessions {
                    self.sessions.push_front(waiting);
                } else {
                    count(&machine.counters.dropped_store_down);
                }
            }
        }
    }
}
