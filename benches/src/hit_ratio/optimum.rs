//! The offline optimum: what a policy that knows the stream to come can reach.
//!
//! Without expiry that is Belady's: what is needed last goes first, and need not come in at all.
//! With it, to miss early may pay, for the session that the miss inserts lives longer; the best
//! choice of that is a hard problem. So [`hits`] is a bound from above, and [`reached`] what
//! Belady's rule gets under expiry, as a check on how tight the bound is.

use std::collections::BTreeSet;
use std::time::Duration;

use super::Request;

/// No policy with room for `capacity` sessions has more hits: neither one whose sessions live for
/// `timeout` from each use on, nor one with room for all.
pub(super) fn hits(requests: &[Request], timeout: Duration, capacity: usize) -> usize {
    let prolonged = belady(requests, capacity, |now, next, _| {
        u128::from(next.at - now.at) <= timeout.as_millis()
    });
    // With room for all, to keep what can be kept is best.
    prolonged.min(reached(requests, timeout, usize::MAX))
}

/// The hits by Belady's rule, where a session that ends before its next use is not kept.
pub(super) fn reached(requests: &[Request], timeout: Duration, capacity: usize) -> usize {
    let mut inserted = vec![0; sessions(requests)];
    belady(requests, capacity, |now, next, hit| {
        let inserted = &mut inserted[now.session as usize];
        if !hit {
            *inserted = now.at;
        }
        u128::from(next.at - *inserted) <= timeout.as_millis()
    })
}

/// `worth_keeping` is asked with a request, the next one for the same session, and whether the
/// first was a hit.
fn belady(
    requests: &[Request],
    capacity: usize,
    mut worth_keeping: impl FnMut(&Request, &Request, bool) -> bool,
) -> usize {
    let nexts = next_uses(requests);
    // The next use of each session that is kept.
    let mut kept = BTreeSet::new();
    let mut hits = 0;
    for (now, (request, next)) in requests.iter().zip(nexts).enumerate() {
        let hit = kept.remove(&now);
        hits += usize::from(hit);
        if let Some(next) = next
            && worth_keeping(request, &requests[next], hit)
        {
            kept.insert(next);
        }
        if kept.len() > capacity {
            kept.pop_last();
        }
    }
    hits
}

/// For each request, the index of the next one for the same session.
fn next_uses(requests: &[Request]) -> Vec<Option<usize>> {
    let mut seen = vec![None; sessions(requests)];
    let mut nexts: Vec<_> = (requests.iter().enumerate().rev())
        .map(|(now, request)| seen[request.session as usize].replace(now))
        .collect();
    nexts.reverse();
    nexts
}

fn sessions(requests: &[Request]) -> usize {
    let last = requests.iter().map(|request| request.session).max();
    last.map_or(0, |last| last as usize + 1)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::Stream;
    use super::*;

    /// Tries every choice, that of giving up what could be kept included. `kept` has the time of
    /// each session's insert.
    fn brute(requests: &[Request], timeout: u32, kept: &BTreeMap<u32, u32>, room: usize) -> usize {
        let Some((first, rest)) = requests.split_first() else {
            return 0;
        };
        let inserted = kept.get(&first.session).copied();
        let live = inserted.filter(|inserted| first.at - inserted <= timeout);
        let mut with = kept.clone();
        with.insert(first.session, live.unwrap_or(first.at));
        let without = |victim: &u32| {
            let mut kept = with.clone();
            kept.remove(victim);
            brute(rest, timeout, &kept, room)
        };
        let best = with.keys().map(without).max().unwrap_or(0);
        let all = (with.len() <= room).then(|| brute(rest, timeout, &with, room));
        usize::from(live.is_some()) + best.max(all.unwrap_or(0))
    }

    fn requests(seed: u32) -> Vec<Request> {
        let request = |i: u32| Request {
            session: (seed * 31 + i * i * 7 + i * seed) % 4,
            at: 10 * i,
        };
        (0..9).map(request).collect()
    }

    fn best(requests: &[Request], timeout: u32, room: usize) -> usize {
        brute(requests, timeout, &BTreeMap::new(), room)
    }

    fn millis(millis: u32) -> Duration {
        Duration::from_millis(millis.into())
    }

    #[test]
    fn without_expiry_the_optimum_is_that_of_every_choice_tried() {
        for seed in 0..60 {
            let requests = requests(seed);
            for room in 1..4 {
                let best = best(&requests, 1_000, room);
                assert_eq!(hits(&requests, millis(1_000), room), best, "{requests:?}");
                assert_eq!(reached(&requests, millis(1_000), room), best);
            }
        }
    }

    #[test]
    fn with_expiry_every_choice_tried_lies_between_what_is_reached_and_the_bound() {
        let mut tight = 0;
        for seed in 0..60 {
            let requests = requests(seed);
            for (timeout, room) in [(20, 1), (30, 2), (45, 2), (30, 4)] {
                let best = best(&requests, timeout, room);
                let bound = hits(&requests, millis(timeout), room);
                let reached = reached(&requests, millis(timeout), room);
                assert!(reached <= best && best <= bound, "{requests:?}");
                tight += u32::from(reached == bound);
                if room == 4 {
                    assert_eq!(reached, bound, "with room for all");
                }
            }
        }
        assert!(tight > 200, "of 240 only {tight}");
    }

    #[test]
    fn on_the_streams_the_bound_is_nearly_reached() {
        for stream in Stream::ALL {
            let requests = stream.requests(30_000);
            for capacity in [100, 1_000] {
                let bound = hits(&requests, stream.timeout(), capacity);
                let reached = reached(&requests, stream.timeout(), capacity);
                let gap = (bound - reached) as f64 / requests.len() as f64;
                assert!(gap < 0.01, "{stream}: {bound} against {reached}");
            }
        }
    }
}
