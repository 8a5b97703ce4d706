//! Exact LRU at every capacity in one pass: stack distances (Mattson, Gecsei, Slutz, Traiger, 1970).

use std::collections::VecDeque;

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
    /// nobody's room from then on. It is inserted when a cache without bounds would insert it: a small one,
    /// which evicts it and inserts it again, keeps it longer, so that for those this is close, not exact.
    pub(crate) fn new(requests: &Requests, timeout: Option<u64>) -> Self {
        let mut stack = Stack::new(requests);
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
            match stack.distance(*session) {
                Some(distance) => hits[distance] += 1,
                None => ends.extend(timeout.map(|timeout| (time + timeout, *session))),
            }
            stack.push(*session, now);
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

/// Sessions by their last use: for each request a one if it was the last of its session, in a tree of
/// partial sums (Fenwick, 1994).
struct Stack {
    sums: Vec<u32>,
    /// For each session, its last request, counted from one; zero if it is not there.
    last: Vec<u32>,
}

impl Stack {
    fn new(requests: &Requests) -> Self {
        Self {
            sums: vec![0; requests.sessions.len() + 1],
            last: vec![0; requests.distinct],
        }
    }

    /// The sessions used since this one was, itself included.
    fn distance(&self, session: u32) -> Option<usize> {
        let at = self.last[session as usize];
        (at != 0).then(|| (self.upto(self.sums.len() - 1) - self.upto(at as usize - 1)) as usize)
    }

    /// Puts it on top.
    fn push(&mut self, session: u32, request: usize) {
        self.remove(session);
        self.last[session as usize] = request as u32 + 1;
        self.add(request + 1, 1);
    }

    fn remove(&mut self, session: u32) {
        let at = std::mem::take(&mut self.last[session as usize]);
        if at != 0 {
            // Minus one.
            self.add(at as usize, u32::MAX);
        }
    }

    fn add(&mut self, mut at: usize, what: u32) {
        while let Some(sum) = self.sums.get_mut(at) {
            *sum = sum.wrapping_add(what);
            at += at & at.wrapping_neg();
        }
    }

    fn upto(&self, mut at: usize) -> u32 {
        let mut sum = 0u32;
        while at > 0 {
            sum = sum.wrapping_add(self.sums[at]);
            at &= at - 1;
        }
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An LRU cache, session by session, the most recent last, each with the time at which it ends.
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
        let mut state = seed;
        let mut draw = |below: u64| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (state >> 33) % below
        };
        let mut time = 0;
        let mut requests = Requests::default();
        for _ in 0..300 {
            time += draw(5);
            // Low ones more often.
            let session = draw(30).min(draw(30));
            requests.sessions.push(session as u32);
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
