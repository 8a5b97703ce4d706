//! What the peers are asked to do: ids, values, chains of dependent lookups, keys in an order.

mod keys;
mod values;

use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rekindle::SessionId;

pub(crate) use keys::Keys;
pub(crate) use values::{Churned, SHORTEST, Value, check, churned, number};

/// Stands for the thread that inserts sessions which stay: no other has their ids.
const STAYING: usize = 1 << 20;

/// Ids, and values that lead from each id to the next in one cycle through all of them, so that
/// each lookup needs the result of the one before.
#[derive(Debug)]
pub(crate) struct Sessions {
    ids: Vec<SessionId>,
    next: Vec<u32>,
    pub(crate) bytes: usize,
}

impl Sessions {
    /// `count` sessions with 32-byte ids and values of `bytes` bytes.
    pub(crate) fn new(count: usize, bytes: usize) -> Self {
        let mut rng = StdRng::seed_from_u64(count as u64);
        let id = |step| churned(STAYING, step).id;
        let ids = (0..count as u64).map(id).collect();
        let mut order: Vec<u32> = (0..u32::try_from(count).expect("up to 2^32")).collect();
        order.shuffle(&mut rng);
        let mut next = vec![0; count];
        for (i, from) in order.iter().enumerate() {
            next[*from as usize] = order[(i + 1) % count];
        }
        Self { ids, next, bytes }
    }

    /// Leads the cycle past sessions that a contender has lost: at full capacity, lines
    /// overflow here and there. Returns those whose values have changed by that. Lost ones lead
    /// into the cycle, so that a chain may start anywhere.
    pub(crate) fn skip(&mut self, lost: &[bool]) -> Vec<u32> {
        assert!(lost.iter().any(|lost| !lost), "all sessions were lost");
        let mut changed = Vec::new();
        for session in 0..self.next.len() {
            let mut next = self.next[session];
            while lost[next as usize] {
                next = self.next[next as usize];
            }
            if next != self.next[session] {
                self.next[session] = next;
                changed.push(session as u32);
            }
        }
        changed
    }

    /// The session that follows: where a chain may start.
    pub(crate) fn next(&self, session: u32) -> u32 {
        self.next[session as usize]
    }

    pub(crate) fn len(&self) -> usize {
        self.ids.len()
    }

    pub(crate) fn id(&self, session: u32) -> &SessionId {
        &self.ids[session as usize]
    }

    pub(crate) fn value<'v>(&self, session: u32, value: &'v mut Value) -> &'v [u8] {
        value.of(session.into(), self.next(session))
    }

    /// Checks a value that was read and returns the session that it leads to.
    #[inline]
    pub(crate) fn follow(&self, session: u32, value: &[u8]) -> u32 {
        check(session.into(), value, self.bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cycle_leads_through_all_that_are_not_lost() {
        let mut sessions = Sessions::new(100, SHORTEST);
        let lost: Vec<bool> = (0..100).map(|s| s % 3 == 0).collect();
        let changed = sessions.skip(&lost);
        assert!(!changed.is_empty());
        let start = sessions.next(0);
        let (mut session, mut steps) = (start, 0);
        loop {
            assert!(!lost[session as usize]);
            session = sessions.next(session);
            steps += 1;
            if session == start {
                break;
            }
        }
        assert_eq!(steps, lost.iter().filter(|lost| !**lost).count());
    }
}
