//! What became of each request at both ends, and whether the one explains the other.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::client::Behaviour;
use crate::operator::{HANDSHAKE_TIMEOUT, IDLE_TIMEOUT};
use crate::upstream::UPSTREAMS;
use crate::wire::Facts;

/// The terminator measures by a tick of a quarter of a second, from a moment after the client's.
const EARLY: Duration = Duration::from_millis(300);
/// The longest that a timeout takes: its greater value, and delays of a busy machine.
const LATE: Duration = Duration::from_secs(8);

/// What an upstream has done to a request. Bytes are those of the answer that it has written, or is
/// writing. It notes an end before it makes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    Answering(usize),
    Whole,
    Ended(usize),
    Reset(usize),
    Stalled(usize),
    Died(usize),
}

/// How a connection ended for the client.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// With `close_notify`.
    Clean,
    /// Without.
    Cut,
    /// The client itself has broken off.
    Left,
    Error(String),
}

/// A connection, as the client has seen it.
#[derive(Debug)]
pub(crate) struct Visit {
    pub(crate) id: u64,
    pub(crate) behaviour: Behaviour,
    pub(crate) begin: Instant,
    pub(crate) facts: Option<Facts>,
    /// The time since the session that was offered, if one was.
    pub(crate) session_age: Option<Duration>,
    /// What is wrong in what was received.
    pub(crate) wrong: Option<String>,
    pub(crate) received: usize,
    pub(crate) expected: usize,
    pub(crate) end: End,
}

#[derive(Debug, Default)]
pub(crate) struct History(Mutex<Records>);

#[derive(Debug, Default)]
struct Records {
    served: HashMap<u64, (usize, Facts, Fate)>,
    /// None from before a listener is closed until after it is open again.
    up_since: [Option<Instant>; UPSTREAMS],
    /// How often each came about.
    counts: BTreeMap<&'static str, u64>,
    unexplained: Vec<String>,
}

impl History {
    pub(crate) fn arrived(&self, id: u64, upstream: usize, facts: Facts) {
        let served = (upstream, facts, Fate::Answering(0));
        let mut records = self.records();
        if let Some(before) = records.served.insert(id, served) {
            records
                .unexplained
                .push(format!("request {id} has come twice: {before:?}"));
        }
    }

    pub(crate) fn fate(&self, id: u64, change: impl FnOnce(Fate) -> Fate) {
        if let Some((_, _, fate)) = self.records().served.get_mut(&id) {
            *fate = change(*fate);
        }
    }

    pub(crate) fn wrong(&self, what: String) {
        self.records().unexplained.push(what);
    }

    pub(crate) fn is_up(&self, upstream: usize, is_up: bool) {
        self.records().up_since[upstream] = is_up.then(Instant::now);
    }

    /// Compares both ends of a connection that is over.
    pub(crate) fn judge(&self, visit: &Visit) {
        let mut records = self.records();
        let served = records.served.remove(&visit.id);
        let explained = match records.explain(visit, served.as_ref()) {
            Some(end) => {
                *records.counts.entry(end).or_default() += 1;
                records.session(visit)
            }
            None => false,
        };
        if !explained {
            let time = visit.begin.elapsed();
            let text = format!("{visit:?}, ended after {time:?}; upstream: {served:?}");
            records.unexplained.push(text);
        }
    }

    pub(crate) fn counts(&self) -> BTreeMap<&'static str, u64> {
        self.records().counts.clone()
    }

    /// What is not explained; twenty of them at most.
    pub(crate) fn unexplained(&self) -> Vec<String> {
        self.records()
            .unexplained
            .iter()
            .take(20)
            .cloned()
            .collect()
    }

    /// Requests that an upstream has got, and that are no client's that waited for an answer.
    pub(crate) fn never_ended(&self) -> Vec<String> {
        let records = self.records();
        let left = records.served.iter();
        left.filter(|(id, _)| !Behaviour::leaves(**id))
            .map(|one| format!("{one:?}"))
            .collect()
    }

    fn records(&self) -> MutexGuard<'_, Records> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Records {
    fn explain(
        &self,
        visit: &Visit,
        served: Option<&(usize, Facts, Fate)>,
    ) -> Option<&'static str> {
        if visit.wrong.is_some()
            || served.is_some_and(|served| Some(&served.1) != visit.facts.as_ref())
        {
            return None;
        }
        let Visit {
            received, expected, ..
        } = *visit;
        let time = visit.begin.elapsed();
        let times_out = |limit: Duration| (limit - EARLY..limit + LATE).contains(&time);
        let down = |upstream| self.was_down(upstream, visit.begin);
        match (&visit.end, served.map(|served| served.2)) {
            _ if visit.behaviour == Behaviour::HalfOpen => {
                times_out(HANDSHAKE_TIMEOUT).then_some("explained: client said no hello")
            }
            (End::Left, _) => Some("explained: client left"),
            (End::Clean, Some(Fate::Whole)) if received == expected => Some("whole answers"),
            (End::Clean, Some(Fate::Ended(sent))) if received == sent => {
                Some("explained: upstream ended in the middle")
            }
            (End::Clean, None) if received == 0 && (0..UPSTREAMS).all(down) => {
                Some("explained: no upstream was there")
            }
            (End::Cut, Some(Fate::Reset(sent))) if received <= sent => {
                Some("explained: upstream reset")
            }
            (End::Cut, Some(Fate::Died(sent))) if received <= sent => {
                Some("explained: upstream died")
            }
            (End::Cut, Some(Fate::Stalled(sent)))
                if received == sent && times_out(IDLE_TIMEOUT) =>
            {
                Some("explained: upstream stalled")
            }
            (End::Cut, None) if visit.behaviour == Behaviour::Idle && times_out(IDLE_TIMEOUT) => {
                Some("explained: client said nothing")
            }
            (End::Cut, None) if received == 0 && (0..UPSTREAMS).any(down) => {
                Some("explained: upstream died before it read the request")
            }
            // On a busy machine: it takes a second and a half else. The kernel tells of room in a
            // socket when a third of it is free, which such a reader makes too late.
            (End::Cut, Some(Fate::Whole | Fate::Answering(_)))
                if visit.behaviour == Behaviour::Slow && time > IDLE_TIMEOUT =>
            {
                Some("explained: client read too slowly")
            }
            _ => None,
        }
    }

    /// Counts whether the session was resumed. False if it was not and had to be.
    fn session(&mut self, visit: &Visit) -> bool {
        let resumed = visit.facts.as_ref().map(|facts| facts.resumed);
        let (what, is_good) = match (resumed, visit.session_age) {
            (None, _) => return true,
            (Some(resumed), None) => ("session: none was offered", !resumed),
            (Some(true), Some(_)) => ("session: resumed", true),
            (Some(false), Some(age)) => (
                "session: not resumed, older than its key",
                age > crate::operator::SURE_TO_RESUME,
            ),
        };
        *self.counts.entry(what).or_default() += 1;
        is_good
    }

    fn was_down(&self, upstream: usize, since: Instant) -> bool {
        self.up_since[upstream].is_none_or(|up_since| up_since > since)
    }
}
