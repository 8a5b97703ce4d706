//! First in, first out: what Traffic Server's cache does.

use std::collections::{HashMap, VecDeque};

use ahash::RandomState;
use rekindle::{SessionId, Time};

use super::Policy;

pub(super) struct Fifo {
    capacity: usize,
    /// The end of each session, and which insert it came by.
    kept: HashMap<SessionId, (Time, u64), RandomState>,
    /// Inserts in order. Those that were replaced or taken since are passed over.
    order: VecDeque<(SessionId, u64)>,
    inserts: u64,
}

impl Fifo {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            capacity,
            kept: HashMap::default(),
            order: VecDeque::new(),
            inserts: 0,
        }
    }

    fn evict_first(&mut self) {
        while let Some((id, insert)) = self.order.pop_front() {
            if self.kept.get(&id).is_some_and(|(_, by)| *by == insert) {
                self.kept.remove(&id);
                return;
            }
        }
    }
}

impl Policy for Fifo {
    fn get(&mut self, id: &SessionId) -> Option<Time> {
        self.kept.get(id).map(|(ends, _)| *ends)
    }

    fn insert(&mut self, id: &SessionId, ends: Time) {
        self.inserts += 1;
        self.kept.insert(*id, (ends, self.inserts));
        self.order.push_back((*id, self.inserts));
        if self.kept.len() > self.capacity {
            self.evict_first();
        }
    }

    fn take(&mut self, id: &SessionId) -> Option<Time> {
        self.kept.remove(id).map(|(ends, _)| ends)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_first_goes_although_it_was_used_unless_it_came_again() {
        let id = |n: u8| SessionId::new(&[n]).unwrap();
        let mut fifo = Fifo::new(2);
        fifo.insert(&id(0), Time::NEVER);
        fifo.insert(&id(1), Time::NEVER);
        assert!(fifo.get(&id(0)).is_some());
        fifo.insert(&id(2), Time::NEVER);
        assert!(fifo.get(&id(0)).is_none());
        fifo.insert(&id(1), Time::NEVER);
        fifo.insert(&id(3), Time::NEVER);
        assert!(fifo.get(&id(1)).is_some());
        assert!(fifo.get(&id(2)).is_none());
    }
}
