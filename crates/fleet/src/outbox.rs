//! What this machine has to tell the others, and what the store has of it.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use ahash::RandomState;
use rekindle::resume::{Scope, TlsLibrary};
use rekindle::{SessionId, Time};
use zeroize::Zeroizing;

use crate::counters::count;
use crate::machine::{Content, Machine, State, entry_bound_to, entry_name, periods_around};
use crate::message::{Message, Removal, Session, seconds};
use crate::removed::{OwnRemovals, Verdict};
use crate::schedule::SKEW;
use crate::seal::Kind;
use crate::store::{Position, Refusal, Write};

/// The most that is written at once.
const BATCH: usize = 512;

/// Revocations of more scopes become one of all.
const MOST_SCOPES: usize = 4096;

/// How sessions reach other machines. All machines of a fleet have the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Sharing {
    /// Every machine gets every session of its scopes, so that lookups stay in its own cache.
    #[default]
    Replicate,
    /// A machine fetches a session when a client comes with it.
    Fetch,
    /// Both: what has not arrived, or was evicted, is fetched. The store keeps each session twice.
    Both,
}

impl Sharing {
    pub(crate) fn replicates(self) -> bool {
        self != Self::Fetch
    }

    pub(crate) fn fetches(self) -> bool {
        self != Self::Replicate
    }
}

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

/// A session that waits, and how often a connection broke that it was written to.
#[derive(Clone, PartialEq)]
struct Waiting {
    scope: Scope,
    id: SessionId,
    end: u32,
    since: u32,
    message: Message,
    failures: u8,
}

/// A session is lost with the second connection that breaks: it may be what breaks it.
const MOST_FAILURES: u8 = 2;

/// What is written at once, and what each write is of.
#[derive(Default)]
pub(crate) struct Batch {
    pub(crate) writes: Vec<Write>,
    items: Vec<(Item, usize)>,
}

#[derive(Clone, PartialEq)]
enum Item {
    Removal,
    Revocation(Option<Scope>, Duration),
    Session(Waiting),
}

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
                    scope,
                    id,
                    end,
                    since,
                    message: Message::Session(Session {
                        id,
                        end,
                        since,
                        encoded,
                        library,
                    }),
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
        let mut batch = Batch::default();
        let mut state = machine.state();
        for removal in self.removals.untold(BATCH) {
            if removal.has_ended(seconds(now)) {
                batch.add(Item::Removal, Vec::new());
                continue;
            }
            let writes = removal_writes(&mut state, &removal, now, self.sharing);
            if writes.is_empty() {
                // Those behind it wait with it.
                break;
            }
            batch.add(Item::Removal, writes);
        }
        for (scope, (until, _)) in self.revocations.iter().filter(|(_, (_, told))| !told) {
            let writes = revocation_writes(&mut state, *scope, *until, now);
            if !writes.is_empty() {
                batch.add(Item::Revocation(*scope, *until), writes);
            }
        }
        while batch.items.len() < BATCH
            && let Some(waiting) = self.sessions.pop_front()
        {
            // Removed while it waited, perhaps, or over.
            let verdict = state.removed.judge(&waiting.id, waiting.since);
            if verdict != Verdict::Accepted || waiting.end <= seconds(now) {
                continue;
            }
            let writes = session_writes(&mut state, &waiting, now, self.sharing);
            match writes.is_empty() {
                true => count(&machine.counters.dropped_refused),
                false => batch.add(Item::Session(waiting), writes),
            }
        }
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
        let (now, longest) = (machine.unix_time(), machine.state().schedule.lifetime());
        let (mut results, mut in_order) = (results.into_iter(), true);
        let mut all_endings = true;
        let mut writes = batch.writes.iter();
        for (item, number) in batch.items {
            let mut refused = None;
            for (write, result) in writes.by_ref().zip(results.by_ref()).take(number) {
                match (result, write, &item) {
                    (
                        Ok(position),
                        Write::Append {
                            stream,
                            value,
                            ends_at,
                            ..
                        },
                        Item::Removal | Item::Revocation(..),
                    ) => {
                        // Then the store, whose clock may be ahead, may drop it.
                        let dropped = Duration::from_millis(*ends_at).saturating_sub(SKEW);
                        let until = dropped.min(now.saturating_add(longest));
                        let ending = (position, value.clone());
                        (self.newest_endings).insert(stream.clone(), (ending, until));
                    }
                    (Ok(_) | Err(Refusal::Present), ..) => {}
                    (Err(refusal), ..) => refused = Some(refusal),
                }
            }
            match (item, refused) {
                (Item::Removal, None) if in_order => {
                    self.removals.told(1);
                    count(&counters.endings_published);
                }
                // Those behind it are told again with it.
                (Item::Removal, _) => (in_order, all_endings) = (false, false),
                (Item::Revocation(scope, until), None) => {
                    if let Some(known) = self.revocations.get_mut(&scope)
                        && known.0 == until
                    {
                        known.1 = true;
                    }
                    count(&counters.endings_published);
                }
                (Item::Session(_), None) => count(&counters.published),
                (Item::Session(_), Some(Refusal::Full)) => count(&counters.dropped_store_full),
                (Item::Session(_), Some(_)) => count(&counters.dropped_refused),
                (Item::Revocation(..), Some(_)) => all_endings = false,
            }
        }
        all_endings
    }

    /// The connection broke: the store may have a batch, or not. Sessions are written again, which
    /// does no harm.
    fn broke(&mut self, machine: &Machine, batch: Batch) {
        for (item, _) in batch.items.into_iter().rev() {
            if let Item::Session(mut waiting) = item {
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

impl Batch {
    /// Whether it says nothing.
    pub(crate) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    fn add(&mut self, item: Item, writes: Vec<Write>) {
        self.items.push((item, writes.len()));
        self.writes.extend(writes);
    }
}

/// Without keys or random bytes nothing is written: the secret's ratchet is past the period, or the
/// operating system gives none.
fn append(
    state: &mut State,
    (period, kind, bound_to): (u64, Kind, &[u8]),
    message: &Message,
    now: Duration,
    content: Content,
) -> Option<Write> {
    let keys = state.schedule.keys(period).ok()?;
    let value = (state.sealer).seal((period, &keys), kind, bound_to, message);
    let oldest = now.saturating_sub(state.schedule.lifetime() + 2 * SKEW);
    Some(Write::Append {
        stream: state.stream(period, content).ok()?.name.clone(),
        value: value.ok()?,
        oldest: Position(millis(oldest), 0),
        ends_at: millis(state.schedule.end_of(period)),
    })
}

fn put(
    state: &mut State,
    (period, kind, bound_to): (u64, Kind, &[u8]),
    message: &Message,
    (id, life): (&SessionId, Duration),
) -> Option<Write> {
    let keys = state.schedule.keys(period).ok()?;
    let value = (state.sealer).seal((period, &keys), kind, bound_to, message);
    Some(Write::Put {
        key: entry_name(&keys, id),
        value: value.ok()?,
        life,
        // What says that it was removed stays.
        if_absent: kind == Kind::Entry,
    })
}

fn session_writes(
    state: &mut State,
    waiting: &Waiting,
    now: Duration,
    sharing: Sharing,
) -> Vec<Write> {
    let Waiting {
        scope, id, message, ..
    } = waiting;
    let ends = Duration::from_secs(waiting.end.into());
    let period = state.schedule.period_of(ends, now);
    let mut writes = Vec::new();
    if sharing.replicates() {
        let of_scope = (period, Kind::Session, &scope.as_bytes()[..]);
        writes.extend(append(
            state,
            of_scope,
            message,
            now,
            Content::Sessions(*scope),
        ));
    }
    if sharing.fetches() {
        let bound_to = entry_bound_to(id, scope);
        let life = ends.saturating_sub(now).min(state.schedule.lifetime());
        let of_id = (period, Kind::Entry, &bound_to[..]);
        writes.extend(put(state, of_id, message, (id, life)));
    }
    writes
}

fn removal_writes(
    state: &mut State,
    removal: &Removal,
    now: Duration,
    sharing: Sharing,
) -> Vec<Write> {
    let (id, ends) = (removal.id, Duration::from_secs(removal.end.into()));
    let message = Message::Removal(*removal);
    let period = state.schedule.period_of(ends, now);
    let of_all = (period, Kind::Ending, &[][..]);
    let mut writes = Vec::from_iter(append(state, of_all, &message, now, Content::Endings));
    if sharing.fetches() {
        let life = ends.saturating_sub(now).min(state.schedule.lifetime()) + SKEW;
        for period in periods_around(&state.schedule, ends, now) {
            let of_id = (period, Kind::Gone, id.as_bytes());
            writes.extend(put(state, of_id, &message, (&id, life)));
        }
    }
    writes
}

fn revocation_writes(
    state: &mut State,
    scope: Option<Scope>,
    until: Duration,
    now: Duration,
) -> Vec<Write> {
    let ends = now.saturating_add(state.schedule.lifetime());
    let period = state.schedule.period_of(ends, now);
    let scope = scope.map(|scope| *scope.as_bytes());
    let message = Message::Revocation { scope, until };
    let of_all = (period, Kind::Ending, &[][..]);
    Vec::from_iter(append(state, of_all, &message, now, Content::Endings))
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
