//! The offline optimum: what a policy that knows the stream to come can reach.
//!
//! Without expiry that is Belady's: what is needed last goes first, and need not come in at all.
//! That also holds under expiry where sessions are for a single use: what ends before its use is
//! not kept. But where a session is used again and again, to miss early may pay, for the session
//! that the miss inserts lives longer; the best choice of that is a hard problem. There [`hits`] is
//! a bound from above, and the tests see how near Belady's rule gets to it.

use std::collections::BTreeSet;
use std::time::Duration;

use super::streams::{Request, Stream};

/// No policy with room for `capacity` sessions has more hits.
pub(super) fn hits(stream: &Stream, capacity: usize) -> usize {
    let timeout = stream.timeout;
    let by_each_use = belady(stream, capacity, |now, next, _| {
        lives(timeout, now.at, next.at)
    });
    if stream.single_use {
        return by_each_use;
    }
    // Sessions that each use prolongs hit as often at least. So do those that have room without
    // end, and there it is best to keep all that can be kept.
    by_each_use.min(by_rule(stream, usize::MAX))
}

/// The hits by Belady's rule, where a session that ends before its next use is not kept.
fn by_rule(stream: &Stream, capacity: usize) -> usize {
    let mut inserted = vec![0; stream.sessions()];
    belady(stream, capacity, |now, next, hit| {
        let inserted = &mut inserted[now.session as usize];
        if !hit {
            *inserted = now.at;
        }
        lives(stream.timeout, *inserted, next.at)
    })
}

fn lives(timeout: Duration, inserted: u32, at: u32) -> bool {
    u128::from(at - inserted) <= timeout.as_millis()
}

/// `worth_keeping` is asked with a request, the next one for the same session, and whether the
/// first was a hit.
fn belady(
    stream: &Stream,
    capacity: usize,
    mut worth_keeping: impl FnMut(&Request, &Request, bool) -> bool,
) -> usize {
    let requests = &stream.requests;
    // The next use of each session that is kept.
    let mut kept = BTreeSet::new();
    let mut hits = 0;
    for (now, (request, next)) in requests.iter().zip(next_uses(stream)).enumerate() {
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
fn next_uses(stream: &Stream) -> Vec<Option<usize>> {
    let mut seen = vec![None; stream.sessions()];
    let mut nexts: Vec<_> = (stream.requests.iter().enumerate().rev())
        .map(|(now, request)| seen[request.session as usize].replace(now))
        .collect();
    nexts.reverse();
    nexts
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use clap::ValueEnum;

    use super::super::streams::Kind;
    use super::*;

    fn stream(seed: u32, timeout: u32, single_use: bool) -> Stream {
        let request = |i: u32| Request {
            session: (seed * 31 + i * i * 7 + i * seed) % 4,
            at: 10 * i,
        };
        Stream {
            name: format!("number {seed}"),
            requests: (0..9).map(request).collect(),
            timeout: Duration::from_millis(timeout.into()),
            single_use,
        }
    }

    fn best(stream: &Stream, room: usize) -> usize {
        brute(stream, &stream.requests, &BTreeMap::new(), room)
    }

    /// Tries every choice, that of giving up what could be kept included. `kept` has the time of
    /// each session's insert.
    fn brute(stream: &Stream, next: &[Request], kept: &BTreeMap<u32, u32>, room: usize) -> usize {
        let Some((first, rest)) = next.split_first() else {
            return 0;
        };
        let inserted = kept.get(&first.session).copied();
        let live = inserted.filter(|inserted| lives(stream.timeout, *inserted, first.at));
        let goes_on = live.filter(|_| !stream.single_use);
        let mut with = kept.clone();
        with.insert(first.session, goes_on.unwrap_or(first.at));
        let without = |victim: &u32| {
            let mut kept = with.clone();
            kept.remove(victim);
            brute(stream, rest, &kept, room)
        };
        let best = with.keys().map(without).max().unwrap_or(0);
        let all = (with.len() <= room).then(|| brute(stream, rest, &with, room));
        usize::from(live.is_some()) + best.max(all.unwrap_or(0))
    }

    #[test]
    fn without_expiry_the_optimum_is_that_of_every_choice_tried() {
        for seed in 0..60 {
            let stream = stream(seed, 1_000, false);
            for room in 1..4 {
                assert_eq!(hits(&stream, room), best(&stream, room), "{stream:?}");
            }
        }
    }

    #[test]
    fn for_a_single_use_the_optimum_is_that_of_every_choice_tried() {
        for seed in 0..60 {
            for (timeout, room) in [(1_000, 1), (30, 2), (20, 1), (30, 4)] {
                let stream = stream(seed, timeout, true);
                assert_eq!(hits(&stream, room), best(&stream, room), "{stream:?}");
            }
        }
    }

    #[test]
    fn with_expiry_every_choice_tried_lies_between_belady_and_the_bound() {
        let mut tight = 0;
        for seed in 0..60 {
            for (timeout, room) in [(20, 1), (30, 2), (45, 2), (30, 4)] {
                let stream = stream(seed, timeout, false);
                let (reached, bound) = (by_rule(&stream, room), hits(&stream, room));
                let best = best(&stream, room);
                assert!(reached <= best && best <= bound, "{stream:?}");
                assert!(room < 4 || best == bound, "with room for all {stream:?}");
                tight += u32::from(reached == bound);
            }
        }
        assert!(tight > 200, "of 240 only {tight}");
    }

    #[test]
    fn on_the_streams_belady_comes_near_the_bound() {
        for kind in Kind::value_variants() {
            let stream = kind.stream(30_000);
            for capacity in [100, 1_000] {
                let (reached, bound) = (by_rule(&stream, capacity), hits(&stream, capacity));
                let gap = (bound - reached) as f64 / stream.requests.len() as f64;
                assert!(gap < 0.01 || stream.single_use, "{kind}: {gap}");
            }
        }
    }
}
