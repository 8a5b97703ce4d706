//! What is written to the store at once.

use std::time::Duration;

use ahash::HashMap;
use rekindle::SessionId;
use rekindle::resume::Scope;

use crate::machine::{Content, State, entry_bound_to, entry_name, periods_around};
use crate::message::{Encode, Message, Named, Removal, Session, seconds};
use crate::schedule::SKEW;
use crate::seal::Kind;
use crate::sharing::Sharing;
use crate::store::{Position, Write};

/// The most messages that are sealed together: what a value costs, here and in the store, is shared
/// by them.
const MOST_TOGETHER: usize = 64;

/// The most bytes of them, unless one alone has more.
const MOST_BYTES: usize = 16 * 1024;

/// How long streams keep sessions that are under their own names as well: as long as it takes to
/// come back from a short outage. A machine that was away for longer fetches them.
const KEPT_BESIDE_NAMED: Duration = Duration::from_secs(300);

/// What is written at once, and what each write is of.
#[derive(Default)]
pub(crate) struct Batch {
    pub(crate) writes: Vec<Write>,
    /// With the number of their writes.
    pub(crate) items: Vec<(Item, usize)>,
}

pub(crate) enum Item {
    /// The number of those that were to be told first.
    Removals(usize),
    Revocation(Option<Scope>, Duration),
    /// One write for all of them if they are replicated, then one for each if they are fetched.
    Sessions(Vec<Waiting>),
}

/// A session that waits, and how often a connection broke that it was written to.
pub(crate) struct Waiting {
    pub(crate) session: Session,
    pub(crate) failures: u8,
}

impl Batch {
    /// Whether it says nothing.
    pub(crate) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// How much it says.
    pub(crate) fn messages(&self) -> usize {
        let messages = self.items.iter().map(|(item, _)| match item {
            Item::Removals(number) => *number,
            Item::Revocation(..) => 1,
            Item::Sessions(sessions) => sessions.len(),
        });
        messages.sum()
    }

    /// Adds removals, those of one period together.
    pub(crate) fn add_removals(&mut self, writer: &mut Writer<'_>, removals: &[Removal]) {
        let in_one = |a: &Removal, b: &Removal| writer.period(a.end) == writer.period(b.end);
        let runs: Vec<_> = removals.chunk_by(in_one).collect();
        for run in runs.into_iter().flat_map(|run| run.chunks(MOST_TOGETHER)) {
            let Some(writes) = writer.removals(run) else {
                // Those behind it wait with it.
                break;
            };
            self.add(Item::Removals(run.len()), writes);
        }
    }

    pub(crate) fn add_revocation(
        &mut self,
        writer: &mut Writer<'_>,
        scope: Option<Scope>,
        until: Duration,
    ) {
        if let Some(write) = writer.revocation(scope, until) {
            self.add(Item::Revocation(scope, until), vec![write]);
        }
    }

    /// Adds sessions, those of one scope and period together. How many there are no keys for.
    pub(crate) fn add_sessions(
        &mut self,
        writer: &mut Writer<'_>,
        sessions: Vec<Waiting>,
    ) -> usize {
        let mut open: HashMap<_, (Vec<Waiting>, usize)> = HashMap::default();
        let mut refused = 0;
        for waiting in sessions {
            let session = &waiting.session;
            let place = (writer.period(session.end), session.scope);
            let more = session.most_bytes();
            let (together, bytes) = open.entry(place).or_default();
            if together.len() == MOST_TOGETHER || *bytes + more > MOST_BYTES {
                refused += self.add_together(writer, place, std::mem::take(together));
                *bytes = 0;
            }
            together.push(waiting);
            *bytes += more;
        }
        for (place, (together, _)) in open {
            refused += self.add_together(writer, place, together);
        }
        refused
    }

    fn add_together(
        &mut self,
        writer: &mut Writer<'_>,
        place: (u64, Scope),
        together: Vec<Waiting>,
    ) -> usize {
        if together.is_empty() {
            return 0;
        }
        let Some(writes) = writer.sessions(place, &together) else {
            return together.len();
        };
        self.add(Item::Sessions(together), writes);
        0
    }

    fn add(&mut self, item: Item, writes: Vec<Write>) {
        self.items.push((item, writes.len()));
        self.writes.extend(writes);
    }
}

/// Makes writes. Without keys or random bytes there are none: the secret's ratchet is past the
/// period, or the operating system gives none.
pub(crate) struct Writer<'s> {
    pub(crate) state: &'s mut State,
    /// Since 1970.
    pub(crate) now: Duration,
    pub(crate) sharing: Sharing,
}

impl Writer<'_> {
    /// The period of what ends then, in seconds since 1970.
    fn period(&self, end: u32) -> u64 {
        let ends = Duration::from_secs(end.into());
        self.state.schedule.period_of(ends, self.now)
    }

    fn sessions(
        &mut self,
        (period, scope): (u64, Scope),
        together: &[Waiting],
    ) -> Option<Vec<Write>> {
        let mut writes = Vec::new();
        if self.sharing.replicates() {
            let of_scope = (period, Kind::Session, &scope.as_bytes()[..]);
            let sessions = together.iter().map(|waiting| &waiting.session);
            writes.push(self.append(of_scope, sessions, Content::Sessions(scope))?);
        }
        if self.sharing.fetches() {
            for Waiting { session, .. } in together {
                let ends = Duration::from_secs(session.end.into());
                let bound_to = entry_bound_to(&session.id, &scope);
                let of_id = (period, Kind::Entry, &bound_to[..]);
                writes.push(self.put(of_id, &Named(session), (&session.id, self.life(ends)))?);
            }
        }
        Some(writes)
    }

    /// Of removals of one period.
    fn removals(&mut self, removals: &[Removal]) -> Option<Vec<Write>> {
        let now = seconds(self.now);
        let removals = removals.iter().filter(|removal| !removal.has_ended(now));
        let Some(first) = removals.clone().next() else {
            return Some(Vec::new());
        };
        let of_all = (self.period(first.end), Kind::Ending, &[][..]);
        let mut writes = vec![self.append(of_all, removals.clone(), Content::Endings)?];
        if self.sharing.fetches() {
            for removal @ Removal { id, end } in removals {
                let ends = Duration::from_secs((*end).into());
                let life = self.life(ends) + SKEW;
                for period in periods_around(&self.state.schedule, ends, self.now) {
                    let of_id = (period, Kind::Gone, id.as_bytes());
                    writes.extend(self.put(of_id, removal, (id, life)));
                }
            }
        }
        Some(writes)
    }

    /// What is left of a session that ends then.
    fn life(&self, ends: Duration) -> Duration {
        let left = ends.saturating_sub(self.now);
        left.min(self.state.schedule.lifetime())
    }

    fn revocation(&mut self, scope: Option<Scope>, until: Duration) -> Option<Write> {
        let ends = self.now.saturating_add(self.state.schedule.lifetime());
        let period = self.state.schedule.period_of(ends, self.now);
        let scope = scope.map(|scope| *scope.as_bytes());
        let message = Message::Revocation { scope, until };
        let of_all = (period, Kind::Ending, &[][..]);
        self.append(of_all, std::iter::once(&message), Content::Endings)
    }

    fn append<'m, M: Encode + 'm>(
        &mut self,
        (period, kind, bound_to): (u64, Kind, &[u8]),
        messages: impl Iterator<Item = &'m M> + Clone,
        content: Content,
    ) -> Option<Write> {
        let state = &mut *self.state;
        let keys = state.schedule.keys(period).ok()?;
        let value = (state.sealer).seal((period, &keys), kind, bound_to, messages);
        let kept = match kind {
            Kind::Session if self.sharing.fetches() => KEPT_BESIDE_NAMED,
            _ => state.schedule.lifetime() + 2 * SKEW,
        };
        let oldest = self.now.saturating_sub(kept);
        Some(Write::Append {
            stream: state.stream(period, content).ok()?.name.clone(),
            value: value.ok()?,
            oldest: Position(millis(oldest), 0),
            ends_at: millis(state.schedule.end_of(period)),
        })
    }

    fn put(
        &mut self,
        (period, kind, bound_to): (u64, Kind, &[u8]),
        message: &impl Encode,
        (id, life): (&SessionId, Duration),
    ) -> Option<Write> {
        let state = &mut *self.state;
        let keys = state.schedule.keys(period).ok()?;
        let message = std::iter::once(message);
        let value = (state.sealer).seal((period, &keys), kind, bound_to, message);
        Some(Write::Put {
            key: entry_name(&keys, id),
            value: value.ok()?,
            life,
            // What says that it was removed stays.
            if_absent: kind == Kind::Entry,
        })
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(all(test, feature = "rustls"))]
mod tests {
    use rekindle::resume::TlsLibrary;
    use rekindle::rustls::Resumption;
    use rekindle::tickets::TicketSecret;
    use zeroize::Zeroizing;

    use super::*;
    use crate::machine::Machine;
    use crate::schedule::Schedule;
    use crate::seal::Sealer;

    const LIFETIME: Duration = Duration::from_secs(7200);
    const NOW: Duration = Duration::from_secs(1_700_000_000);

    fn waiting(id: [u8; 32]) -> Waiting {
        Waiting {
            session: Session {
                id: SessionId::new(&id).unwrap(),
                scope: Scope::new("a scope"),
                end: seconds(NOW) + 7200,
                since: seconds(NOW),
                encoded: Zeroizing::new([&b"before"[..], &id, b"behind"].concat()),
                library: TlsLibrary::OpenSsl,
            },
            failures: 0,
        }
    }

    fn writes(sharing: Sharing, sessions: Vec<Waiting>) -> Vec<Write> {
        let secret = TicketSecret::random(Duration::from_secs(3600), None).unwrap();
        let sessions_here = Box::new(Resumption::builder().build().unwrap());
        let schedule = Schedule::new(secret, LIFETIME).unwrap();
        let machine = Machine::new(sessions_here, schedule, Sealer::new().unwrap(), 16);
        let mut batch = Batch::default();
        let mut writer = Writer {
            state: &mut machine.state(),
            now: NOW,
            sharing,
        };
        assert_eq!(batch.add_sessions(&mut writer, sessions), 0);
        batch.writes
    }

    #[test]
    fn streams_keep_sessions_for_as_long_as_they_live_or_for_a_while_if_they_are_fetched() {
        let kept = |sharing| {
            let writes = writes(sharing, vec![waiting([1; 32]), waiting([2; 32])]);
            let kept = writes.iter().filter_map(|write| match write {
                Write::Append { oldest, .. } => Some(millis(NOW) - oldest.0),
                Write::Put { .. } => None,
            });
            (writes.len(), kept.collect::<Vec<_>>())
        };
        let all = millis(LIFETIME + 2 * SKEW);
        assert_eq!(kept(Sharing::Replicate), (1, vec![all]));
        assert_eq!(kept(Sharing::Fetch), (2, vec![]));
        assert_eq!(kept(Sharing::Both), (3, vec![millis(KEPT_BESIDE_NAMED)]));
    }

    #[test]
    fn what_costs_memory_in_the_store_is_short() {
        let one = || vec![waiting([1; 32])];
        let encoded = one()[0].session.encoded.len();
        for write in writes(Sharing::Both, one()) {
            match write {
                // Redis has a place of 16 bytes for it.
                Write::Put { key, value, .. } => {
                    assert_eq!((key.len(), value.len()), (14, encoded - 32 + 53));
                }
                Write::Append { value, .. } => assert_eq!(value.len(), encoded + 53),
            }
        }
    }
}
