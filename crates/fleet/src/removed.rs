//! The rule that orders removals against the sessions that they end: **a removal wins**, whichever
//! comes first.
//!
//! A session is inserted once in its life, under an id that no other has. So a machine that knows
//! of a removal refuses the session from then on until it would have ended, however late or often
//! it is told of it. No clock and no order of delivery matters for that.
//!
//! The memory for it is bounded. When it is full, the removal that came first is forgotten, and in
//! its place stands a time: what was made by then, or [`SKEW`] later by a clock that is ahead, is
//! refused.

use std::collections::{HashMap, VecDeque};

use ahash::RandomState;
use rekindle::SessionId;

use crate::message::Removal;
use crate::schedule::SKEW;

/// Which sessions were removed, here or elsewhere. Times are whole seconds since 1970.
pub(crate) struct Removed {
    /// By the id's hashes: when the session would have ended.
    ends: HashMap<Hashes, u32, RandomState>,
    /// In the order in which they became known, and when.
    order: VecDeque<(u32, Hashes)>,
    most: usize,
    /// What was made by then is refused.
    floor: u32,
    hashers: [RandomState; 2],
}

/// Two ids have the same by a chance of 2^-128, and then the second is a session too few.
type Hashes = [u64; 2];

/// What a machine says of a session that it is told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Accepted,
    /// It was removed.
    Removed,
    /// A removal that was forgotten may have been this one's.
    Forgotten,
}

impl Removed {
    pub(crate) fn new(most: usize) -> Self {
        Self {
            ends: HashMap::default(),
            order: VecDeque::new(),
            most: most.max(1),
            floor: 0,
            hashers: Default::default(),
        }
    }

    /// Learns of a removal. One of a session that has ended takes no place.
    pub(crate) fn insert(&mut self, removal: &Removal, now: u32) {
        self.forget_what_ended(now);
        let hashes = self.hashes(&removal.id);
        if let Some(end) = self.ends.get_mut(&hashes) {
            *end = removal.end.max(*end);
            return;
        }
        if removal.has_ended(now) {
            return;
        }
        if self.order.len() >= self.most
            && let Some((known_since, oldest)) = self.order.pop_front()
        {
            self.ends.remove(&oldest);
            self.floor = known_since.saturating_add(SKEW.as_secs() as u32);
        }
        self.ends.insert(hashes, removal.end);
        self.order.push_back((now, hashes));
    }

    /// Whether a session that was made then may be inserted.
    pub(crate) fn judge(&self, id: &SessionId, since: u32) -> Verdict {
        if self.contains(id) {
            Verdict::Removed
        } else if since <= self.floor {
            Verdict::Forgotten
        } else {
            Verdict::Accepted
        }
    }

    pub(crate) fn contains(&self, id: &SessionId) -> bool {
        self.ends.contains_key(&self.hashes(id))
    }

    pub(crate) fn len(&self) -> usize {
        self.order.len()
    }

    /// A session that has ended on the slowest clock is refused for that.
    pub(crate) fn forget_what_ended(&mut self, now: u32) {
        while let Some((_, hashes)) = self.order.front()
            && self.ends.get(hashes).is_none_or(|end| is_over(*end, now))
            && let Some((_, hashes)) = self.order.pop_front()
        {
            self.ends.remove(&hashes);
        }
    }

    fn hashes(&self, id: &SessionId) -> Hashes {
        [0, 1].map(|i| self.hashers[i].hash_one(id))
    }
}

/// The removals of this machine, which it tells again if the store has lost them.
pub(crate) struct OwnRemovals {
    /// What the store does not have, in order.
    untold: VecDeque<Own>,
    /// What it has, in order.
    told: VecDeque<Own>,
    most: usize,
    /// Of those that were forgotten before their sessions ended.
    forgotten: Option<Forgotten>,
    /// Whether the store may lack a forgotten one.
    must_revoke: bool,
}

#[derive(Clone, Copy)]
struct Own {
    removal: Removal,
    at: u32,
}

/// The last times of some removals.
#[derive(Clone, Copy)]
struct Forgotten {
    /// When one was removed.
    at: u32,
    /// When a session would have ended.
    end: u32,
}

impl OwnRemovals {
    pub(crate) fn new(most: usize) -> Self {
        Self {
            untold: VecDeque::new(),
            told: VecDeque::new(),
            most: most.max(1),
            forgotten: None,
            must_revoke: false,
        }
    }

    pub(crate) fn push(&mut self, removal: Removal, now: u32) {
        self.forget_what_ended(now);
        if self.len() >= self.most {
            let (told, untold) = (self.told.pop_front(), &mut self.untold);
            if let Some(Own { removal, at }) = told.or_else(|| untold.pop_front()) {
                self.must_revoke |= told.is_none();
                let before = self.forgotten.unwrap_or(Forgotten { at, end: 0 });
                self.forgotten = Some(Forgotten {
                    at: at.max(before.at),
                    end: removal.end.max(before.end),
                });
            }
        }
        self.untold.push_back(Own { removal, at: now });
    }

    pub(crate) fn len(&self) -> usize {
        self.told.len() + self.untold.len()
    }

    /// Of those whose sessions have ended, the store needs nothing any more.
    pub(crate) fn forget_what_ended(&mut self, now: u32) {
        for own in [&mut self.told, &mut self.untold] {
            while own.front().is_some_and(|own| own.removal.has_ended(now)) {
                own.pop_front();
            }
        }
        if self.forgotten.is_some_and(|last| is_over(last.end, now)) {
            (self.forgotten, self.must_revoke) = (None, false);
        }
    }

    /// The first of what the store is to be told.
    pub(crate) fn untold(&self, most: usize) -> impl Iterator<Item = Removal> + '_ {
        self.untold.iter().take(most).map(|own| own.removal)
    }

    pub(crate) fn untold_len(&self) -> usize {
        self.untold.len()
    }

    /// The store has taken the first of those.
    pub(crate) fn told(&mut self, number: usize) {
        let number = number.min(self.untold.len());
        self.told.extend(self.untold.drain(..number));
    }

    /// The store has lost what it was told.
    pub(crate) fn lost(&mut self) {
        let untold = std::mem::replace(&mut self.untold, std::mem::take(&mut self.told));
        self.untold.extend(untold);
        self.must_revoke |= self.forgotten.is_some();
    }

    /// Whether some are forgotten here and missing in the store.
    pub(crate) fn must_revoke(&self) -> bool {
        self.must_revoke
    }

    /// By when those were removed: what began by then has to be revoked in their place.
    pub(crate) fn take_revocation(&mut self) -> Option<u32> {
        let must_revoke = std::mem::take(&mut self.must_revoke);
        self.forgotten.filter(|_| must_revoke).map(|last| last.at)
    }
}

impl Removal {
    /// Whether the session has ended on all machines.
    pub(crate) fn has_ended(&self, now: u32) -> bool {
        is_over(self.end, now)
    }
}

/// Whether a session has ended by the slowest clock.
fn is_over(end: u32, now: u32) -> bool {
    end < now.saturating_sub(SKEW.as_secs() as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Some time after 1970.
    const NOW: u32 = 1_700_000_000;
    const MINUTE: u32 = SKEW.as_secs() as u32;

    fn removal(n: u32, end: u32) -> Removal {
        let id = SessionId::new(&n.to_be_bytes()).unwrap();
        Removal { id, end }
    }

    #[test]
    fn a_removed_session_is_refused_until_it_has_ended_on_the_slowest_clock() {
        let mut removed = Removed::new(10);
        let one = removal(1, NOW + 100);
        removed.insert(&one, NOW);
        removed.insert(&removal(1, NOW + 90), NOW + 1); // told once more
        assert_eq!(removed.len(), 1);
        removed.forget_what_ended(NOW + 100 + MINUTE);
        assert_eq!(removed.judge(&one.id, NOW), Verdict::Removed);
        removed.forget_what_ended(NOW + 101 + MINUTE);
        assert_eq!(removed.judge(&one.id, NOW), Verdict::Accepted);
        assert_eq!(removed.len(), 0);
        // One that comes too late for anything takes no place.
        removed.insert(&one, NOW + 101 + MINUTE);
        assert_eq!(removed.len(), 0);
    }

    #[test]
    fn what_may_have_been_forgotten_is_refused() {
        let mut removed = Removed::new(2);
        for n in 0..3 {
            removed.insert(&removal(n, NOW + 1000), NOW + n);
        }
        assert_eq!(removed.len(), 2);
        // The first was removed at `NOW`: on a machine that is ahead it was made a minute later.
        let first = removal(0, 0).id;
        assert_eq!(removed.judge(&first, NOW + MINUTE), Verdict::Forgotten);
        assert_eq!(removed.judge(&first, NOW + MINUTE + 1), Verdict::Accepted);
        assert_eq!(removed.judge(&removal(2, 0).id, u32::MAX), Verdict::Removed);
    }

    #[test]
    fn the_oldest_is_forgotten_and_memory_is_bounded() {
        let mut removed = Removed::new(100);
        for n in 0..10_000 {
            removed.insert(&removal(n, NOW + 100_000), NOW + n);
            assert!(removed.len() <= 100 && removed.ends.len() == removed.len());
        }
        let mut own = OwnRemovals::new(100);
        for n in 0..10_000 {
            own.push(removal(n, NOW + 100_000), NOW + n);
            own.told((n % 3) as usize);
            assert!(own.len() <= 100);
        }
    }

    #[test]
    fn own_removals_are_told_again_when_the_store_has_lost_them() {
        let mut own = OwnRemovals::new(10);
        let [a, b, c] = [0, 1, 2].map(|n| removal(n, NOW + 1000));
        [a, b, c]
            .into_iter()
            .for_each(|removal| own.push(removal, NOW));
        own.told(2);
        assert_eq!(own.untold(9).collect::<Vec<_>>(), [c]);
        own.lost();
        assert_eq!(own.untold(9).collect::<Vec<_>>(), [a, b, c]);
        assert!(!own.must_revoke(), "none is forgotten");
        own.told(99);
        assert_eq!(own.untold_len(), 0);
        // What has ended is not told again.
        own.forget_what_ended(NOW + 1001 + MINUTE);
        own.lost();
        assert_eq!((own.len(), own.must_revoke()), (0, false));
    }

    #[test]
    fn what_cannot_be_told_any_more_is_revoked() {
        // The store has them when they are forgotten, and loses them.
        let mut own = OwnRemovals::new(1);
        own.push(removal(0, NOW + 1000), NOW);
        own.told(1);
        own.push(removal(1, NOW + 1000), NOW + 5);
        assert_eq!((own.must_revoke(), own.take_revocation()), (false, None));
        own.lost();
        assert_eq!(
            (own.must_revoke(), own.take_revocation()),
            (true, Some(NOW))
        );
        assert_eq!(own.take_revocation(), None, "once");
        own.lost();
        assert_eq!(own.take_revocation(), Some(NOW), "lost once more");
        // The store never had it.
        own.push(removal(2, NOW + 1000), NOW + 9);
        assert_eq!(own.take_revocation(), Some(NOW + 5));
        // All of that has ended.
        own.forget_what_ended(NOW + 1001 + MINUTE);
        own.lost();
        assert!(!own.must_revoke());
    }
}
