//! Revocation: from one moment on, no session of before is resumed.

use std::collections::HashMap;
use std::time::Duration;

use arc_swap::ArcSwap;

use super::Scope;
use crate::Time;
use crate::sync::{AtomicBool, AtomicU64, Ordering};

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
    all: Mark,
    /// Whether there are any of scopes: the map allocates for each thread that reads it first.
    of_scopes: AtomicBool,
    /// Of scopes that were revoked. Replaced as a whole: of two revocations at once none is lost.
    scopes: ArcSwap<HashMap<ScopeTag, Mark>>,
}

/// The last revocation: one more than its time, so that zero is none. Both only grow.
#[derive(Debug, Default)]
struct Mark {
    /// In milliseconds by the ring's clock.
    here: AtomicU64,
    /// In milliseconds since 1970.
    unix: AtomicU64,
}

/// No session lives longer than seven days, and clocks of machines differ.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(8 * 24 * 60 * 60);

impl Scope {
    pub(crate) fn tag(&self) -> ScopeTag {
        let (tag, _) = self.as_bytes().split_first_chunk().expect("32 bytes");
        *tag
    }
}

impl Revocations {
    pub(crate) fn revoke_all(&self, now: Time, unix: Duration) {
        self.all.set(now, unix);
    }

    pub(crate) fn revoke(&self, scope: &Scope, now: Time, unix: Duration) {
        self.scopes.rcu(|scopes| {
            let kept = scopes.iter().filter(|(_, mark)| !mark.is_forgotten(now));
            let mut scopes: HashMap<_, _> = kept.map(|(tag, mark)| (*tag, mark.copy())).collect();
            scopes.entry(scope.tag()).or_default().set(now, unix);
            scopes
        });
        self.of_scopes.store(true, Ordering::SeqCst);
    }

    /// Whether there was any, which is cheaper to ask than how old a session is.
    pub(crate) fn is_empty(&self) -> bool {
        self.all.here.load(Ordering::SeqCst) == 0 && !self.of_scopes.load(Ordering::SeqCst)
    }

    /// Whether a session of that scope, if it says one, has been revoked.
    pub(crate) fn covers(&self, scope: Option<ScopeTag>, began: Began) -> bool {
        self.all.covers(began)
            || self.of_scopes.load(Ordering::SeqCst)
                && scope.is_some_and(|scope| {
                    let scopes = self.scopes.load();
                    scopes.get(&scope).is_some_and(|mark| mark.covers(began))
                })
    }
}

impl Mark {
    fn copy(&self) -> Self {
        let copy = |mark: &AtomicU64| AtomicU64::new(mark.load(Ordering::SeqCst));
        Self {
            here: copy(&self.here),
            unix: copy(&self.unix),
        }
    }

    fn set(&self, now: Time, unix: Duration) {
        let unix = u64::try_from(unix.as_millis()).unwrap_or(u64::MAX);
        // SeqCst, as in `covers`: a handshake that looks after the call has returned sees it.
        for (mark, time) in [(&self.here, now.as_millis()), (&self.unix, unix)] {
            mark.fetch_max(time.saturating_add(1), Ordering::SeqCst);
        }
    }

    fn covers(&self, began: Began) -> bool {
        match began {
            Began::Here(time) => time.as_millis() < self.here.load(Ordering::SeqCst),
            Began::Elsewhere(unix) => {
                let unix = u64::try_from(unix.as_millis()).unwrap_or(u64::MAX);
                unix < self.unix.load(Ordering::SeqCst)
            }
        }
    }

    fn is_forgotten(&self, now: Time) -> bool {
        let revoked = Time::from_millis(self.here.load(Ordering::SeqCst));
        now.duration_since(revoked) > FORGOTTEN_AFTER
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
        revocations.revoke_all(Time::from_millis(5_000), DAY);
        assert!(!revocations.is_empty());
        assert!(revocations.covers(None, here(5_000)));
        assert!(!revocations.covers(None, here(5_001)));
        assert!(revocations.covers(None, elsewhere(86_400)));
        assert!(!revocations.covers(None, elsewhere(86_401)));
        // A later one by a clock that was set back takes nothing back.
        revocations.revoke_all(Time::from_millis(6_000), DAY / 2);
        assert!(revocations.covers(None, elsewhere(86_400)));
        assert!(revocations.covers(None, here(6_000)));
    }

    #[test]
    fn other_scopes_are_left_alone() {
        let [a, b] = ["a", "b"].map(Scope::new);
        let revocations = Revocations::default();
        revocations.revoke(&a, Time::from_millis(1_000), DAY);
        assert!(!revocations.is_empty());
        assert!(revocations.covers(Some(a.tag()), here(1_000)));
        assert!(revocations.covers(Some(a.tag()), elsewhere(1)));
        assert!(!revocations.covers(Some(b.tag()), here(1_000)));
        assert!(!revocations.covers(None, here(1_000)));
        revocations.revoke(&b, Time::from_millis(2_000), DAY);
        assert!(revocations.covers(Some(b.tag()), here(2_000)));
        assert!(!revocations.covers(Some(a.tag()), here(2_000)));
    }

    #[test]
    fn revocations_that_no_session_can_have_outlived_are_forgotten() {
        let revocations = Revocations::default();
        for day in 0..100 {
            let now = Time::from_millis(0).saturating_add(day * DAY);
            revocations.revoke(&Scope::new(day.to_be_bytes()), now, day * DAY);
        }
        assert_eq!(revocations.scopes.load().len(), 9);
    }
}
