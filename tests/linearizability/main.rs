//! Threads that call a cache at once are told what they would have been told one after another, in
//! an order that agrees with the clock.
//!
//! Threads make a few calls each on few ids, round after round, and every round's history is put to
//! stateright's tester. `REKINDLE_LINEARIZABILITY_CALLS` sets how many calls in all; use
//! `--release` for many. With `tests/with-steps` threads also pause at random between their atomic
//! steps. Without, few calls of one thread meet another's, so that a short form is enough outside
//! `./check --full`.

#[path = "../common/calls.rs"]
mod calls;
#[path = "../common/history.rs"]
mod history;
mod record;

use std::env;
use std::hash::{BuildHasher, BuildHasherDefault, Hasher};

use rekindle::{Cache, Inserted, SessionId, Time};

use history::{CacheSpec, Call, IDS, Op, Ret, Round, is_linearizable};
use record::{Plan, record};

/// Rounds that are recorded before they are checked.
const BATCH: usize = 500;

/// Calls for each test, unless the environment says otherwise.
fn calls_wanted() -> usize {
    if let Ok(calls) = env::var("REKINDLE_LINEARIZABILITY_CALLS") {
        return calls.parse().expect("a number of calls");
    }
    let tier = env::var("REKINDLE_TIER").unwrap_or_default();
    match (cfg!(rekindle_steps), tier.as_str()) {
        (true, "quick") => 20_000,
        (true, _) => 100_000,
        (false, "full") => 20_000,
        (false, _) => 2_000,
    }
}

/// Records and checks, batch by batch.
fn check(cache: &Cache<u32, impl BuildHasher + Sync>, evicts: bool, threads: usize, calls: usize) {
    let wanted = calls_wanted();
    let (mut checked, mut overlapping, mut seed) = (0, 0, 0);
    while checked < wanted {
        seed += 1;
        let plan = Plan {
            threads,
            calls,
            rounds: BATCH,
            seed,
        };
        for round in record(cache, plan) {
            for id in 0..IDS {
                let round = about(id, &round);
                let is_right = is_linearizable(&CacheSpec::empty(evicts), &round);
                assert!(is_right, "{seed}: {round:#?}");
            }
            checked += threads * calls;
            overlapping += round
                .iter()
                .flatten()
                .filter(|c| overlaps(c, &round))
                .count();
        }
    }
    println!("{checked} calls, {overlapping} of them beside another thread's: all linearizable");
    // Calls that no other thread disturbs prove little; without pauses that is up to the machine.
    if cfg!(rekindle_steps) {
        assert!(overlapping > checked / 20, "{overlapping} of {checked}");
    }
    let stats = cache.stats();
    assert_eq!(stats.refused.reclamation, 0, "{stats:?}");
}

/// The calls about one id. Linearizability is local (Herlihy and Wing 1990, theorem 1): a history
/// is linearizable if what it tells of each id is.
fn about(id: usize, round: &Round) -> Round {
    let about = |calls: &Vec<Call>| calls.iter().filter(|c| c.op.id() == id).copied().collect();
    round.iter().map(about).collect()
}

fn overlaps(call: &Call, round: &Round) -> bool {
    // Its numbers are neighbours where no other thread called or returned in between.
    call.returned > call.called + 1
        || round
            .iter()
            .flatten()
            .any(|other| other.called < call.called && other.returned > call.returned)
}

fn cache(capacity: usize) -> Cache<u32> {
    Cache::new(capacity).unwrap()
}

#[test]
fn two_threads_on_a_cache_with_room() {
    check(&cache(1_000), false, 2, 15);
}

#[test]
fn three_threads_on_a_cache_with_room() {
    check(&cache(1_000), false, 3, 9);
}

#[test]
fn two_threads_on_a_cache_that_evicts() {
    check(&cache(2), true, 2, 15);
}

#[test]
fn three_threads_on_a_cache_for_one_entry() {
    check(&cache(1), true, 3, 9);
}

/// Hashes all ids alike: they share a line, and the tag.
#[derive(Clone, Default)]
struct Alike;

impl Hasher for Alike {
    fn write(&mut self, _: &[u8]) {}

    fn finish(&self) -> u64 {
        0
    }
}

fn cache_of_one_line() -> Cache<u32, BuildHasherDefault<Alike>> {
    let builder = Cache::builder().hasher(BuildHasherDefault::default());
    builder.capacity(1_000).build().unwrap()
}

#[test]
fn three_threads_on_one_line() {
    check(&cache_of_one_line(), false, 3, 9);
}

/// Its other slots are taken, by entries that are in use: those that come and go have one slot for
/// all, or make room for each other.
#[test]
fn three_threads_on_a_full_line() {
    let cache = cache_of_one_line();
    for n in 100..106 {
        let id = SessionId::new(&[n; 8]).unwrap();
        cache.insert(&id, 0, b"", Time::NEVER).unwrap();
        assert!(cache.contains(&id) && cache.get(&id).is_some());
    }
    check(&cache, true, 3, 9);
}

/// Histories that no cache may produce.
mod refused {
    use super::*;

    const PUT: Op = Op::Insert(0, 1);
    const GET: Op = Op::Get(0);
    const TAKE: Op = Op::Take(0);
    const REMOVE: Op = Op::Remove(0);
    const NEW: Ret = Ret::Inserted(Inserted::New);
    const HIT: Ret = Ret::Found(Some(1));
    const MISS: Ret = Ret::Found(None);

    /// Calls as (thread, called, returned, call, answer).
    fn history(calls: &[(usize, u64, u64, Op, Ret)]) -> Round {
        let mut round = vec![Vec::new(); 3];
        for &(thread, called, returned, op, ret) in calls {
            round[thread].push(Call::new(called, returned, op, ret));
        }
        round
    }

    /// In order of what they call for: whether a cache with room, and one that evicts, may do so.
    fn verdicts(calls: &[(usize, u64, u64, Op, Ret)]) -> (bool, bool) {
        let round = history(calls);
        (
            is_linearizable(&CacheSpec::empty(false), &round),
            is_linearizable(&CacheSpec::empty(true), &round),
        )
    }

    #[test]
    fn a_session_that_two_threads_take() {
        let twice = [
            (0, 0, 1, PUT, NEW),
            (1, 2, 4, TAKE, HIT),
            (2, 3, 5, TAKE, HIT),
        ];
        assert_eq!(verdicts(&twice), (false, false));
        let once = [
            (0, 0, 1, PUT, NEW),
            (1, 2, 4, TAKE, HIT),
            (2, 3, 5, TAKE, MISS),
        ];
        assert_eq!(verdicts(&once), (true, true));
    }

    #[test]
    fn a_session_that_is_seen_after_it_was_removed() {
        let after = [
            (0, 0, 1, PUT, NEW),
            (0, 2, 3, REMOVE, Ret::Yes(true)),
            (1, 4, 5, GET, HIT),
        ];
        assert_eq!(verdicts(&after), (false, false));
        let beside = [
            (0, 0, 1, PUT, NEW),
            (0, 2, 4, REMOVE, Ret::Yes(true)),
            (1, 3, 5, GET, HIT),
        ];
        assert_eq!(verdicts(&beside), (true, true));
    }

    #[test]
    fn an_older_session_that_comes_back() {
        let newer = Op::Insert(0, 2);
        let stale = [
            (0, 0, 1, PUT, NEW),
            (0, 2, 3, newer, Ret::Inserted(Inserted::Replaced)),
            (1, 4, 5, GET, HIT),
        ];
        assert_eq!(verdicts(&stale), (false, false));
        let back = [
            (0, 0, 1, PUT, NEW),
            (0, 2, 9, newer, Ret::Inserted(Inserted::Replaced)),
            (1, 3, 4, GET, Ret::Found(Some(2))),
            (2, 5, 6, GET, HIT),
        ];
        assert_eq!(verdicts(&back), (false, false));
    }

    #[test]
    fn a_miss_where_nothing_leaves_by_itself() {
        let missed = [(0, 0, 1, PUT, NEW), (1, 2, 3, GET, MISS)];
        assert_eq!(verdicts(&missed), (false, true));
        // And what was evicted stays away.
        let back = [
            (0, 0, 1, PUT, NEW),
            (1, 2, 3, GET, MISS),
            (2, 4, 5, GET, HIT),
        ];
        assert_eq!(verdicts(&back), (false, false));
    }

    #[test]
    fn two_inserts_if_absent_that_both_win() {
        let put = |n| Op::InsertIfAbsent(0, n);
        let both = [
            (0, 0, 2, put(1), Ret::Yes(true)),
            (1, 1, 3, put(2), Ret::Yes(true)),
        ];
        assert_eq!(verdicts(&both), (false, true));
    }

    #[test]
    fn an_expired_session_that_is_found() {
        let expired = Op::InsertExpired(0, 1);
        let found = [(0, 0, 1, expired, NEW), (1, 2, 3, GET, HIT)];
        assert_eq!(verdicts(&found), (false, false));
    }

    #[test]
    fn a_replacement_of_nothing() {
        let replaced = [(0, 0, 1, PUT, Ret::Inserted(Inserted::Replaced))];
        assert_eq!(verdicts(&replaced), (false, false));
    }
}
