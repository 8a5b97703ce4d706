//! Exact LRU at every capacity in one pass: stack distances (Mattson, Gecsei, Slutz, Traiger,
//! Evaluation Techniques for Storage Hierarchies, 1970).

use std::collections::VecDeque;

use super::recency::Recency;
use super::requests::Requests;

/// The hits of LRU caches.
#[derive(Debug)]
pub(crate) struct Lru {
    /// For each capacity from zero on, the requests that find their session.
    hits: Vec<u64>,
}

impl Lru {
    /// Sends the requests through, in `n log n` steps.
    ///
    /// With a `timeout` in milliseconds, a session ends that long after it was inserted, and takes
    /// no room from then on. It counts as inserted when a cache without bounds would insert it. A
    /// small cache, which evicts it and inserts it again, keeps it longer, so for small capacities
    /// the result is close, not exact.
    pub(crate) fn new(requests: &Requests, timeout: Option<u64>) -> Self {
        let mut stack = Stack::new(requests.distinct);
        let mut ends = VecDeque::new();
        let mut hits = vec![0; requests.distinct + 1];
        for (now, session) in requests.sessions.iter().enumerate() {
            let time = requests.times.get(now).copied().unwrap_or(0);
            while let Some((end, ended)) = ends.front().copied()
                && end < time
            {
                stack.remove(ended);
                ends.pop_front();
            }
            match stack.remove(*session) {
                Some(distance) => hits[distance] += 1,
                None => ends.extend(timeout.map(|timeout| (time + timeout, *session))),
            }
            stack.push(*session);
        }
        for capacity in 1..hits.len() {
            hits[capacity] += hits[capacity - 1];
        }
        Self { hits }
    }

    /// Requests that a cache of `capacity` sessions finds.
    pub(crate) fn hits(&self, capacity: usize) -> u64 {
        self.hits[capacity.min(self.hits.len() - 1)]
    }

    /// Requests that a cache without bounds finds.
    pub(crate) fn most(&self) -> u64 {
        self.hits(usize::MAX)
    }
}

/// Sessions in the order of their last use.
struct Stack {
    recency: Recency,
    /// For each session that is there, the tick of its last use.
    ticks: Vec<Option<usize>>,
}

impl Stack {
    fn new(distinct: usize) -> Self {
        Self {
            recency: Recency::new(distinct),
            ticks: vec![None; distinct],
        }
    }

    /// Puts a session on top that is not there.
    fn push(&mut self, session: u32) {
        if self.recency.is_used_up() {
            let moved = self.recency.compact();
            for tick in self.ticks.iter_mut().flatten() {
                *tick = moved[*tick];
            }
        }
        self.ticks[session as usize] = Some(self.recency.push(session.into()));
    }

    /// Takes a session away, and returns how many were used since it was, itself included.
    fn remove(&mut self, session: u32) -> Option<usize> {
        let tick = self.ticks[session as usize].take()?;
        let distance = 1 + self.recency.after(tick);
        self.recency.remove(tick);
        Some(distance)
    }
}

#[cfg(test)]
mod tests {
    use rand::rngs::SmallRng;
    use rand::{Rng, SeedableRng};

    use super::*;

    /// An LRU cache: sessions, the most recent last, each with the time at which it ends.
    fn brute(requests: &Requests, capacity: usize, timeout: Option<u64>) -> u64 {
        let mut kept: Vec<(u32, u64)> = Vec::new();
        let mut hits = 0;
        for (now, session) in requests.sessions.iter().enumerate() {
            let time = requests.times.get(now).copied().unwrap_or(0);
            kept.retain(|(_, end)| *end >= time);
            let at = kept.iter().position(|(other, _)| other == session);
            let entry = match at {
                Some(at) => kept.remove(at),
                None => (*session, timeout.map_or(u64::MAX, |timeout| time + timeout)),
            };
            hits += u64::from(at.is_some());
            kept.push(entry);
            if kept.len() > capacity {
                kept.remove(0);
            }
        }
        hits
    }

    fn stream(seed: u64) -> Requests {
        let mut rng = SmallRng::seed_from_u64(seed);
        let mut time = 0;
        let mut requests = Requests::default();
        for _ in 0..300 {
            time += rng.random_range(0..5);
            // Low ones more often.
            let session = rng.random_range(0..30).min(rng.random_range(0..30));
            requests.sessions.push(session);
            requests.times.push(time);
        }
        requests.distinct = 30;
        requests
    }

    #[test]
    fn every_capacity_is_that_of_a_cache_of_its_own() {
        for seed in 0..50 {
            let requests = stream(seed);
            let lru = Lru::new(&requests, None);
            for capacity in 0..40 {
                let hits = brute(&requests, capacity, None);
                assert_eq!(lru.hits(capacity), hits, "seed {seed}, capacity {capacity}");
            }
        }
    }

    #[test]
    fn sessions_end() {
        for seed in 0..50 {
            let requests = stream(seed);
            let lru = Lru::new(&requests, Some(60));
            assert_eq!(lru.most(), brute(&requests, 30, Some(60)), "seed {seed}");
            assert!(lru.most() < Lru::new(&requests, None).most());
            for capacity in 0..30 {
                let hits = brute(&requests, capacity, Some(60));
                let error = hits.abs_diff(lru.hits(capacity));
                assert!(
                    error <= 20,
                    "seed {seed}, capacity {capacity}: {error} of 300"
                );
                assert!(hits <= lru.most(), "a cache without bounds finds most");
            }
        }
    }
}
