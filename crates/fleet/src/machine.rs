//! One machine of a fleet, without its connections: what it makes of what it is told.

use std::collections::HashMap;
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ahash::RandomState;
use rekindle::resume::Scope;
use rekindle::tickets::SecretError;
use rekindle::{SessionId, Time};

use crate::counters::{Counters, count, set};
use crate::message::{Known, Message, Removal, Session, seconds};
use crate::removed::{Removed, Verdict};
use crate::schedule::{PeriodKeys, SKEW, Schedule};
use crate::seal::{Kind, Sealer, Unopened};
use crate::sessions::Sessions;

/// How many groups the streams of scopes are in: each has one place in a cluster.
pub(crate) const GROUPS: u8 = 4;

/// The group that the streams of removals and revocations are in.
pub(crate) const GROUP_OF_ENDINGS: u8 = 0;

pub(crate) struct Machine {
    pub(crate) sessions: Box<dyn Sessions>,
    pub(crate) counters: Arc<Counters>,
    state: Mutex<State>,
}

/// Only the fleet's own thread uses it.
pub(crate) struct State {
    pub(crate) schedule: Schedule,
    pub(crate) sealer: Sealer,
    pub(crate) removed: Removed,
    streams: HashMap<(u64, Content), Arc<Stream>, RandomState>,
}

/// What a stream has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Content {
    /// Removals and revocations.
    Endings,
    /// Sessions of a scope.
    Sessions(Scope),
}

/// A stream of a period.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stream {
    pub(crate) name: String,
    pub(crate) period: u64,
    pub(crate) content: Content,
    pub(crate) group: u8,
}

impl Machine {
    pub(crate) fn new(
        sessions: Box<dyn Sessions>,
        schedule: Schedule,
        sealer: Sealer,
        tombstones: usize,
    ) -> Self {
        Self {
            sessions,
            counters: Arc::default(),
            state: Mutex::new(State {
                schedule,
                sealer,
                removed: Removed::new(tombstones),
                streams: HashMap::default(),
            }),
        }
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn unix_time(&self) -> Duration {
        self.sessions.now().1
    }

    /// Takes what a stream has said. How many messages that were.
    pub(crate) fn receive(&self, stream: &Stream, sealed: &[u8], is_old: bool) -> usize {
        let mut state = self.state();
        let Ok(keys) = state.schedule.keys(stream.period) else {
            count(&self.counters.refused_forged);
            return 0;
        };
        let keys = (stream.period, &*keys);
        let (kind, bound_to, known) = match &stream.content {
            Content::Endings => (Kind::Ending, &[][..], None),
            Content::Sessions(scope) => {
                let known = Known { scope, id: None };
                (Kind::Session, &scope.as_bytes()[..], Some(known))
            }
        };
        let opened = state.sealer.open(keys, kind, bound_to, sealed);
        let body = match opened {
            Ok(body) => body,
            Err(unopened) => {
                self.count_unopened(unopened);
                return 0;
            }
        };
        let messages = Message::read_all(&body, known);
        messages
            .map(|message| self.receive_message(&mut state, kind, message, is_old))
            .count()
    }

    fn receive_message(
        &self,
        state: &mut State,
        kind: Kind,
        message: Option<Message>,
        is_old: bool,
    ) {
        match (message, kind) {
            (Some(Message::Session(session)), Kind::Session) => {
                if self.insert(state, &session) {
                    count(match is_old {
                        true => &self.counters.caught_up,
                        false => &self.counters.replicated,
                    });
                }
            }
            (Some(Message::Removal(removal)), Kind::Ending) => {
                self.end(state, &removal);
                count(&self.counters.endings_received);
            }
            (Some(Message::Revocation { scope, until }), Kind::Ending) => {
                let scope = scope.map(Scope::from_bytes);
                self.sessions.revoke(scope.as_ref(), until);
                count(&self.counters.endings_received);
            }
            _ => count(&self.counters.refused_version),
        }
    }

    /// Takes what was under a session's own name. Whether it is in the cache now.
    pub(crate) fn receive_entry(
        &self,
        period: u64,
        (id, scope): (&SessionId, &Scope),
        sealed: &[u8],
    ) -> bool {
        let mut state = self.state();
        let Ok(keys) = state.schedule.keys(period) else {
            return false;
        };
        let keys = (period, &*keys);
        let bound_to = entry_bound_to(id, scope);
        let body = match state.sealer.open(keys, Kind::Entry, &bound_to, sealed) {
            Ok(body) => body,
            Err(unopened) => {
                match state.sealer.open(keys, Kind::Gone, id.as_bytes(), sealed) {
                    Ok(body) => {
                        if let Some(Message::Removal(removal)) = first(&body, None) {
                            self.end(&mut state, &removal);
                        }
                    }
                    Err(_) => self.count_unopened(unopened),
                }
                return false;
            }
        };
        let known = Known {
            scope,
            id: Some(id),
        };
        match first(&body, Some(known)) {
            Some(Message::Session(session)) if session.id == *id => {
                self.insert(&mut state, &session) || self.sessions.contains(id)
            }
            _ => {
                count(&self.counters.refused_version);
                false
            }
        }
    }

    /// A handshake of this machine has removed a session.
    pub(crate) fn removed_here(&self, removal: &Removal) {
        self.end(&mut self.state(), removal);
    }

    /// From now on the session is refused. It may have come back since it was removed.
    fn end(&self, state: &mut State, removal: &Removal) {
        let now = seconds(self.unix_time());
        state.removed.insert(removal, now);
        set(&self.counters.tombstones, state.removed.len() as u64);
        self.sessions.remove(&removal.id);
    }

    /// The lock is held: a removal comes before, and is known, or after.
    fn insert(&self, state: &mut State, session: &Session) -> bool {
        let counters = &self.counters;
        let (now, unix) = self.sessions.now();
        let end = Duration::from_secs(session.end.into());
        let left = end.saturating_sub(unix).min(state.schedule.lifetime());
        if left.is_zero() {
            count(&counters.refused_expired);
            return false;
        }
        match state.removed.judge(&session.id, session.since) {
            Verdict::Accepted => {}
            Verdict::Removed => {
                count(&counters.refused_removed);
                return false;
            }
            Verdict::Forgotten => {
                count(&counters.refused_forgotten);
                return false;
            }
        }
        let Session {
            id,
            scope,
            encoded,
            library,
            ..
        } = session;
        let expires_at: Time = now.saturating_add(left);
        match (self.sessions).insert(id, scope, encoded, *library, expires_at) {
            Some(true) => true,
            Some(false) => {
                count(&counters.known);
                false
            }
            None => {
                count(&counters.refused_cache);
                false
            }
        }
    }

    fn count_unopened(&self, unopened: Unopened) {
        match unopened {
            Unopened::Own => {}
            Unopened::Version => count(&self.counters.refused_version),
            Unopened::Forged => count(&self.counters.refused_forged),
        }
    }

    /// Forgets what is over.
    pub(crate) fn maintain(&self) {
        let now = self.unix_time();
        let mut state = self.state();
        state.schedule.forget_before(now);
        let oldest = *state.schedule.open_periods(now).start();
        state.sealer.forget_before(oldest);
        state.streams.retain(|(period, _), _| *period >= oldest);
        state.removed.forget_what_ended(seconds(now));
        set(&self.counters.tombstones, state.removed.len() as u64);
    }

    /// The periods that sessions of now may end in.
    pub(crate) fn open_periods(&self) -> RangeInclusive<u64> {
        let now = self.unix_time();
        self.state().schedule.open_periods(now)
    }

    /// The streams that may have something for sessions of now: the endings, then those of the
    /// scopes, the newest periods first.
    ///
    /// # Errors
    ///
    /// As [`Schedule::keys`].
    pub(crate) fn streams(&self, scopes: &[Scope]) -> Result<Vec<Arc<Stream>>, SecretError> {
        let now = self.unix_time();
        let mut state = self.state();
        let mut streams = Vec::new();
        let of_scopes = scopes.iter().map(|scope| Content::Sessions(*scope));
        let periods = state.schedule.open_periods(now);
        for content in std::iter::once(Content::Endings).chain(of_scopes) {
            for period in periods.clone().rev() {
                streams.push(state.stream(period, content)?);
            }
        }
        Ok(streams)
    }

    /// The names that a session may be under, and their periods, the newest first.
    ///
    /// # Errors
    ///
    /// As [`Schedule::keys`].
    pub(crate) fn entry_names(&self, id: &SessionId) -> Result<Vec<(u64, Vec<u8>)>, SecretError> {
        let now = self.unix_time();
        let mut state = self.state();
        let periods = state.schedule.open_periods(now).rev();
        let mut names = Vec::new();
        for period in periods {
            names.push((period, entry_name(&*state.schedule.keys(period)?, id)));
        }
        Ok(names)
    }
}

impl State {
    /// The stream of a period.
    ///
    /// # Errors
    ///
    /// As [`Schedule::keys`].
    pub(crate) fn stream(
        &mut self,
        period: u64,
        content: Content,
    ) -> Result<Arc<Stream>, SecretError> {
        if let Some(stream) = self.streams.get(&(period, content)) {
            return Ok(Arc::clone(stream));
        }
        let stream = Arc::new(Stream::new(period, &*self.schedule.keys(period)?, content));
        self.streams.insert((period, content), Arc::clone(&stream));
        Ok(stream)
    }
}

impl Stream {
    fn new(period: u64, keys: &PeriodKeys, content: Content) -> Self {
        // The same in all periods.
        let (group, kind, name) = match &content {
            Content::Endings => (GROUP_OF_ENDINGS, 'e', keys.name(&[b"endings"])),
            Content::Sessions(scope) => {
                let scope = scope.as_bytes();
                (scope[0] % GROUPS, 's', keys.name(&[b"sessions", scope]))
            }
        };
        Self {
            name: stream_name(group, kind, &name),
            period,
            content,
            group,
        }
    }
}

/// The message of a value that has one.
fn first(body: &[u8], known: Option<Known<'_>>) -> Option<Message> {
    Message::read_all(body, known).next().flatten()
}

/// The braces have a cluster keep a group in one place.
fn stream_name(group: u8, kind: char, name: &[u8]) -> String {
    let digits: String = name.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("rk:{{{group}}}:{kind}:{digits}")
}

/// Two sessions of 100 million share a name once in 10^11 fleets, and then the second one is not
/// shared.
pub(crate) fn entry_name(keys: &PeriodKeys, id: &SessionId) -> Vec<u8> {
    let name = keys.name(&[b"entry", id.as_bytes()]);
    // With what Redis adds to a key, 16 bytes: a further one would cost 16.
    [b"rk:", &name[..11]].concat()
}

pub(crate) fn entry_bound_to(id: &SessionId, scope: &Scope) -> Vec<u8> {
    [scope.as_bytes(), id.as_bytes()].concat()
}

/// The periods whose names a removal is written under: machines whose clocks differ may have put
/// the session under either.
pub(crate) fn periods_around(schedule: &Schedule, end: Duration, now: Duration) -> Vec<u64> {
    let around = [end.saturating_sub(SKEW), end, end.saturating_add(SKEW)];
    // As if it were later, for those that are ahead.
    let ahead = now.saturating_add(SKEW);
    let mut periods = around.map(|end| schedule.period_of(end, ahead)).to_vec();
    periods.dedup();
    periods
}
