//! One stream through all policies.

use std::thread;
use std::time::Duration;

use rekindle::{Clock, ManualClock, SessionId, Time};

use super::optimum;
use super::policies::{self, Policy};
use super::streams::{Request, Stream};
use crate::peers::Contender;
use crate::threads::join;
use crate::workload::churned;

/// An id for each session of a stream. Where sessions are for a single use those are two for each
/// request: a full handshake makes two, a resumed one makes one.
pub(super) fn ids_for(stream: &Stream) -> Vec<SessionId> {
    let count = match stream.single_use {
        true => 2 * stream.requests.len(),
        false => stream.sessions(),
    };
    (0..count as u64).map(|step| churned(0, step).id).collect()
}

/// A policy, and its number of hits.
pub(super) type Hits = (&'static str, usize);

/// Sends a stream through every policy, each with room for `capacity` sessions; the optimum first.
/// `ids` are those [`ids_for`] the stream. Returns the number of hits of each policy.
///
/// Panics when one that is exact about its capacity beats the optimum: a wrong number is not
/// printed.
pub(super) fn compare(stream: &Stream, ids: &[SessionId], capacity: usize) -> Vec<Hits> {
    let contenders = policies::ALL.into_iter();
    let contenders = contenders.filter(|(_, c)| !stream.single_use || *c != Contender::Rustls);
    let all: Vec<_> = thread::scope(|scope| {
        let best = scope.spawn(|| optimum::hits(stream, capacity));
        let send = if stream.single_use {
            with_single_use
        } else {
            with_reuse
        };
        let spawn = |(name, contender)| {
            let hits = move || send(&mut *policies::make(contender, capacity), stream, ids);
            (name, scope.spawn(hits))
        };
        let others: Vec<_> = contenders.map(spawn).collect();
        let all = [("offline optimum", best)].into_iter().chain(others);
        let joined = all.map(|(policy, counting)| (policy, join(counting)));
        joined.collect()
    });
    for (policy, hits) in &all[..4] {
        assert!(*hits <= all[0].1, "{policy} beats the optimum");
    }
    all
}

/// A request that misses inserts its session anew, under the same id. A server would choose a new
/// id; so policies that remember ids which they evicted learn more here than they would.
fn with_reuse(policy: &mut dyn Policy, stream: &Stream, ids: &[SessionId]) -> usize {
    let hit = |request: &&Request| {
        let id = &ids[request.session as usize];
        let now = pass(policy, request);
        let found = policy.get(id).is_some_and(|ends| ends >= now);
        if !found {
            policy.insert(id, now.saturating_add(stream.timeout));
        }
        found
    };
    stream.requests.iter().filter(hit).count()
}

/// Each visit leaves the client with a new session, which it brings along the next time; and after
/// a full handshake with a second one, which it never uses.
fn with_single_use(policy: &mut dyn Policy, stream: &Stream, ids: &[SessionId]) -> usize {
    let (new, second) = ids.split_at(stream.requests.len());
    let mut brings: Vec<Option<&SessionId>> = vec![None; stream.sessions()];
    let mut hits = 0;
    for ((request, new), second) in stream.requests.iter().zip(new).zip(second) {
        let now = pass(policy, request);
        let ends = now.saturating_add(stream.timeout);
        let brought = brings[request.session as usize].replace(new);
        let found = brought.and_then(|id| policy.take(id));
        if found.is_some_and(|ends| ends >= now) {
            hits += 1;
        } else {
            policy.insert(second, ends);
        }
        policy.insert(new, ends);
    }
    hits
}

fn pass(policy: &mut dyn Policy, request: &Request) -> Time {
    let since_start = Duration::from_millis(request.at.into());
    let now = ManualClock::new().now().saturating_add(since_start);
    policy.at(now);
    now
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(requests: impl IntoIterator<Item = (u32, u32)>, timeout: u64) -> Stream {
        let request = |(session, at)| Request { session, at };
        Stream {
            name: "a test".into(),
            requests: requests.into_iter().map(request).collect(),
            timeout: Duration::from_millis(timeout),
            single_use: false,
        }
    }

    fn all_hit(stream: &Stream, capacity: usize, expected: usize) {
        let all = compare(stream, &ids_for(stream), capacity);
        assert_eq!(all.len(), if stream.single_use { 7 } else { 8 });
        for (policy, hits) in all {
            assert_eq!(hits, expected, "{policy}");
        }
    }

    #[test]
    fn everything_hits_where_everything_fits() {
        let mut stream = stream((0..200).map(|i| (i % 100, i)), 1_000);
        // Four times the ids: lines, and the others' shards, overflow early here and there.
        all_hit(&stream, 400, 100);
        stream.single_use = true;
        all_hit(&stream, 1_200, 100);
    }

    #[test]
    fn a_session_ends_for_every_policy_and_hits_do_not_prolong_it() {
        // Found at its very end; gone one later, and inserted anew; found; gone.
        let visits = [0, 60, 100, 101, 150, 202].map(|at| (0, at));
        all_hit(&stream(visits, 100), 8, 3);
    }

    #[test]
    fn where_sessions_are_for_a_single_use_each_visit_begins_a_new_life() {
        let mut stream = stream([0, 60, 100, 101, 150, 202, 302, 403].map(|at| (0, at)), 100);
        stream.single_use = true;
        all_hit(&stream, 16, 6);
    }

    #[test]
    fn a_session_that_was_taken_is_gone() {
        let ids = ids_for(&stream([(0, 0), (1, 0)], 1));
        for (name, contender) in policies::ALL {
            let mut policy = policies::make(contender, 8);
            policy.at(ManualClock::new().now());
            policy.insert(&ids[0], Time::NEVER);
            policy.insert(&ids[1], Time::NEVER);
            assert!(policy.take(&ids[0]).is_some(), "{name}");
            assert!(policy.take(&ids[0]).is_none(), "{name}");
            assert!(policy.get(&ids[0]).is_none(), "{name}");
            assert!(policy.get(&ids[1]).is_some(), "{name}");
        }
    }
}
