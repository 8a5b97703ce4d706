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
