//! Revocation: from one moment on, no session of before is resumed.

use std::collections::HashMap;
use std::time::Duration;

use arc_swap::ArcSwap;

use super::Scope;
use crate::Time;
use crate::clock::whole_millis;
use crate::state::{Reader, StateError, Writer};
use crate::sync::{AtomicBool, Ordering};

/// What a session carries of its scope: enough to find it among those of a process.
pub(crate) type ScopeTag = [u8; 8];

/// When the full handshake was that a session goes back to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Began {
    /// By the ring's clock: this process has measured it.
    Here(Time),
    /// By the time of day, since 1970.
    Elsewhere(Duration),
}

/// The revocations of one resumption. Handshakes read them wait-free, a revocation takes the same
/// time however many sessions there are.
#[derive(Debug, Default)]
pub(crate) struct Revocations {
    /// Whether there are any: a thread that reads them for the first time allocates.
    any: AtomicBool,
    /// Replaced as a whole: of two revocations at once none is lost.
    last: ArcSwap<Last>,
}

/// The last revocation of all scopes, and of those that were revoked one by one.
#[derive(Clone, Debug, Default)]
struct Last {
    of_all: Mark,
    of_scopes: HashMap<ScopeTag, Mark>,
}

/// The last revocation: one more than its time, so that zero is none. Both only grow.
#[derive(Clone, Debug, Default)]
struct Mark {
    /// In milliseconds by the ring's clock.
    here: u64,
    /// In milliseconds since 1970.
    unix: u64,
    /// Those that were taken over from other machines, as they said it, the last one behind.
    taken_over: Vec<u64>,
}

/// As many are known that were taken over for one scope. One that is told again after as many
/// others revokes what has begun by its `until`.
const MOST_TAKEN_OVER: usize = 100;

/// No session lives longer than seven days, and clocks of machines differ.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(8 * 24 * 60 * 60);

impl Scope {
    pub(crate) fn tag(&self) -> ScopeTag {
        let (tag, _) = self.as_bytes().split_first_chunk().expect("32 bytes");
        *tag
    }
}

impl Revocations {
    /// Revokes sessions of elsewhere that began by `until`, and those of here that began by `here`.
    pub(crate) fn revoke_until(&self, scope: Option<&Scope>, here: Time, until: Duration) {
        self.change(|last| last.of(scope, here, until).set(here, until));
    }

    /// Takes over a revocation of another machine, of sessions that began by `until`. `until` is
    /// later than the revocation by as much as clocks may be apart: when the clocks here show
    /// `now` and `unix`, those of this machine are revoked that began by now, or by `until`.
    ///
    /// The same one again, told once more, changes nothing, nor does it after others. A later mark
    /// says nothing of that: it may be of a machine whose clock is ahead, and of an earlier moment.
    pub(crate) fn take_over(
        &self,
        scope: Option<&Scope>,
        (now, unix): (Time, Duration),
        until: Duration,
    ) {
        let last = self.last.load();
        let mark = match scope {
            Some(scope) => last.of_scopes.get(&scope.tag()),
            None => Some(&last.of_all),
        };
        let millis = whole_millis(until);
        if mark.is_some_and(|mark| mark.taken_over.contains(&millis)) {
            return;
        }
        let here = now.saturating_sub(unix.saturating_sub(until));
        self.change(|last| {
            let mark = last.of(scope, now, unix);
            mark.set(here, until);
            mark.take_note(millis);
        });
    }

    fn change(&self, change: impl Fn(&mut Last)) {
        self.last.rcu(|last| {
            let mut last = Last::clone(last);
            change(&mut last);
            last
        });
        // SeqCst, as in `is_empty`: a handshake that looks after the call has returned sees it.
        self.any.store(true, Ordering::SeqCst);
    }

    /// Whether there was any, which is cheaper to ask than how old a session is.
    pub(crate) fn is_empty(&self) -> bool {
        !self.any.load(Ordering::SeqCst)
    }

    /// Whether a session of that scope, if it says one, has been revoked.
    pub(crate) fn covers(&self, scope: Option<ScopeTag>, began: Began) -> bool {
        if self.is_empty() {
            return false;
        }
        let last = self.last.load();
        let of_scope = scope.and_then(|scope| last.of_scopes.get(&scope));
        last.of_all.covers(began) || of_scope.is_some_and(|mark| mark.covers(began))
    }
}

impl Revocations {
    pub(crate) fn write(&self, out: &mut Writer) {
        let last = self.last.load();
        last.of_all.write(out);
        out.count(last.of_scopes.len());
        for (scope, mark) in &last.of_scopes {
            out.fixed(scope);
            mark.write(out);
        }
    }

    /// Adds those that [`write`](Self::write) has written, in a process with the same clock.
    pub(crate) fn add(&self, from: &mut Reader<'_>) -> Result<(), StateError> {
        let of_all = Mark::read(from)?;
        let scopes = from.count(size_of::<ScopeTag>() + Mark::LEAST)?;
        let scopes = (0..scopes).map(|_| Ok((from.fixed()?, Mark::read(from)?)));
        let scopes: Vec<(ScopeTag, Mark)> = scopes.collect::<Result<_, _>>()?;
        if scopes.is_empty() && of_all.here == 0 {
            return Ok(());
        }
        self.change(|last| {
            last.of_all.join(&of_all);
            for (scope, mark) in &scopes {
                last.of_scopes.entry(*scope).or_default().join(mark);
            }
        });
        Ok(())
    }
}

fn after(millis: u64) -> u64 {
    millis.saturating_add(1)
}

impl Last {
    /// What is to be marked by a revocation of a scope, or of all, at that time.
    fn of(&mut self, scope: Option<&Scope>, now: Time, unix: Duration) -> &mut Mark {
        let Some(scope) = scope else {
            return &mut self.of_all;
        };
        self.of_scopes.retain(|_, mark| !mark.is_over(now, unix));
        self.of_scopes.entry(scope.tag()).or_default()
    }
}

impl Mark {
    /// Bytes that one is written in, at least.
    const LEAST: usize = 8 + 8 + 4;

    fn write(&self, out: &mut Writer) {
        out.number(self.here);
        out.number(self.unix);
        out.count(self.taken_over.len());
        self.taken_over.iter().for_each(|one| out.number(*one));
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, StateError> {
        let (here, unix) = (from.number()?, from.number()?);
        let taken_over = (0..from.count(8)?).map(|_| from.number());
        Ok(Self {
            here,
            unix,
            taken_over: taken_over.collect::<Result<_, _>>()?,
        })
    }

    fn join(&mut self, other: &Self) {
        self.here = self.here.max(other.here);
        self.unix = self.unix.max(other.unix);
        other.taken_over.iter().for_each(|one| self.take_note(*one));
    }

    fn take_note(&mut self, taken_over: u64) {
        self.taken_over.retain(|one| *one != taken_over);
        self.taken_over.push(taken_over);
        let surplus = self.taken_over.len().saturating_sub(MOST_TAKEN_OVER);
        self.taken_over.drain(..surplus);
    }

    fn set(&mut self, now: Time, unix: Duration) {
        self.here = self.here.max(after(now.as_millis()));
        self.unix = self.unix.max(after(whole_millis(unix)));
    }

    fn covers(&self, began: Began) -> bool {
        match began {
            Began::Here(time) => time.as_millis() < self.here,
            Began::Elsewhere(unix) => whole_millis(unix) < self.unix,
        }
    }

    /// Whether no session can have outlived it, by either clock: an extension has no time here.
    fn is_over(&self, now: Time, unix: Duration) -> bool {
        let here = now.duration_since(Time::from_millis(self.here));
        let there = unix.saturating_sub(Duration::from_millis(self.unix));
        here.min(there) > FORGOTTEN_AFTER
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(24 * 60 * 60);

    fn here(millis: u64) -> Began {
        Began::Here(Time::from_millis(millis))
    }

    fn elsewhere(seconds: u64) -> Began {
        Began::Elsewhere(Duration::from_secs(seconds))
    }

    #[test]
    fn what_began_before_is_revoked_and_what_began_after_is_not() {
        let revocations = Revocations::default();
        assert!(!revocations.covers(None, here(0)));
        assert!(!revocations.covers(None, elsewhere(0)));
        assert!(revocations.is_empty());
        revocations.revoke_until(None, Time::from_millis(5_000), DAY);
        assert!(!revocations.is_empty());
        assert!(revocations.covers(None, here(5_000)));
        assert!(!revocations.covers(None, here(5_001)));
        assert!(revocations.covers(None, elsewhere(86_400)));
        assert!(!revocations.covers(None, elsewhere(86_401)));
        // A later one by a clock that was set back takes nothing back.
        revocations.revoke_until(None, Time::from_millis(6_000), DAY / 2);
        assert!(revocations.covers(None, elsewhere(86_400)));
        assert!(revocations.covers(None, here(6_000)));
    }

    #[test]
    fn other_scopes_are_left_alone() {
        let [a, b] = ["a", "b"].map(Scope::new);
        let revocations = Revocations::default();
        revocations.revoke_until(Some(&a), Time::from_millis(1_000), DAY);
        assert!(!revocations.is_empty());
        assert!(revocations.covers(Some(a.tag()), here(1_000)));
        assert!(revocations.covers(Some(a.tag()), elsewhere(1)));
        assert!(!revocations.covers(Some(b.tag()), here(1_000)));
        assert!(!revocations.covers(None, here(1_000)));
        revocations.revoke_until(Some(&b), Time::from_millis(2_000), DAY);
        assert!(revocations.covers(Some(b.tag()), here(2_000)));
        assert!(!revocations.covers(Some(a.tag()), here(2_000)));
    }

    #[test]
    fn one_of_another_machine_is_taken_over_once() {
        const MINUTE: Duration = Duration::from_secs(60);
        for scope in [None, Some(Scope::new("a"))] {
            let revocations = Revocations::default();
            let (scope, tag) = (scope.as_ref(), scope.as_ref().map(Scope::tag));
            let at = |millis| Time::from_millis(millis);
            revocations.take_over(scope, (at(5_000), DAY - MINUTE), DAY);
            assert!(revocations.covers(tag, elsewhere(86_400)));
            assert!(!revocations.covers(tag, elsewhere(86_401)));
            assert!(revocations.covers(tag, here(5_000)), "of before it came");
            assert!(!revocations.covers(tag, here(5_001)));
            // Once more, before `until`.
            revocations.take_over(scope, (at(9_000), DAY - MINUTE), DAY);
            assert!(!revocations.covers(tag, here(5_001)));
            // Another one of a machine whose clock is behind: an earlier `until`, a later moment.
            revocations.take_over(scope, (at(20_000), DAY - MINUTE), DAY - MINUTE / 2);
            assert!(revocations.covers(tag, here(20_000)));
            // One of long ago spares what has begun since.
            revocations.take_over(scope, (at(500_000), DAY), DAY - MINUTE);
            assert!(revocations.covers(tag, here(440_000)));
            assert!(!revocations.covers(tag, here(440_001)));
            // An extension is of sessions of elsewhere alone.
            revocations.revoke_until(scope, at(0), 2 * DAY);
            assert!(revocations.covers(tag, elsewhere(2 * 86_400)));
            assert!(!revocations.covers(tag, here(440_001)));
            assert_eq!(
                revocations.covers(Some(*b"another."), here(1)),
                scope.is_none()
            );
        }
    }

    #[test]
    fn as_many_are_known_as_there_is_room_for_and_a_successor_knows_them() {
        let revocations = Revocations::default();
        let (now, unix) = (Time::from_millis(1_000_000_000), 20_000 * DAY);
        let take_over = |revocations: &Revocations, millis| {
            let until = unix + Duration::from_millis(millis);
            revocations.take_over(None, (now, unix), until);
        };
        let known = |revocations: &Revocations| revocations.last.load().of_all.taken_over.clone();
        (0..1_000).for_each(|millis| take_over(&revocations, millis));
        let last = known(&revocations);
        assert_eq!(last.len(), MOST_TAKEN_OVER);
        take_over(&revocations, 999 - 50);
        assert_eq!(known(&revocations), last);
        let mut out = Writer::default();
        revocations.write(&mut out);
        let bytes = out.finish();
        let successor = Revocations::default();
        take_over(&successor, 5_000);
        successor.add(&mut Reader::new(&bytes)).unwrap();
        assert_eq!(known(&successor), last);
        for len in 0..bytes.len() {
            let cut = Revocations::default().add(&mut Reader::new(&bytes[..len]));
            assert_eq!(cut, Err(StateError::Truncated));
        }
    }

    #[test]
    fn revocations_that_no_session_can_have_outlived_are_forgotten() {
        let revocations = Revocations::default();
        for day in 0..100 {
            let now = Time::from_millis(0).saturating_add(day * DAY);
            revocations.revoke_until(Some(&Scope::new(day.to_be_bytes())), now, day * DAY);
        }
        assert_eq!(revocations.last.load().of_scopes.len(), 9);
    }
}
