//! The requests through the engine itself.

use std::sync::Arc;
use std::time::Duration;

use ahash::RandomState;
use rekindle::{Cache, ManualClock, SessionId, Time};

use super::error::AdviseError;
use crate::sizing::Requests;

/// Calls of `Cache::maintain` that sweep the whole cache.
const SWEEPS: u64 = 60;
/// A terminator sweeps once a minute. Where sessions live long, sweeps may be rarer: an expired
/// session stays for at most this part of its life.
const PART_OF_LIFE: u64 = 20;

/// The requests that find their session in a cache of this capacity. A request that does not find
/// its session inserts it, until `timeout` (milliseconds) has passed. The same on every run.
pub(super) fn hits(
    requests: &Requests,
    capacity: usize,
    timeout: Option<u64>,
) -> Result<u64, AdviseError> {
    let clock = Arc::new(ManualClock::new());
    let builder = Cache::builder()
        .capacity(capacity)
        .clock(Arc::clone(&clock) as _)
        .hasher(RandomState::with_seeds(1, 2, 3, 4));
    let cache: Cache<(), _> =
        (builder.build()).map_err(|source| AdviseError::Cache { capacity, source })?;
    let pause = timeout.map_or(0, |timeout| timeout / PART_OF_LIFE / SWEEPS);
    let pause = pause.max(1_000);
    let mut before = requests.times.first().copied().unwrap_or(0);
    for (now, session) in requests.sessions.iter().enumerate() {
        if timeout.is_some() {
            let time = requests.times.get(now).copied().unwrap_or(before);
            clock.advance(Duration::from_millis(time - before));
            for _ in 0..(time / pause - before / pause).min(SWEEPS) {
                cache.maintain();
            }
            before = time;
        }
        let id = SessionId::new(&session.to_le_bytes()).expect("four bytes");
        if cache.get(&id).is_none() {
            let end = timeout.map_or(Time::NEVER, |timeout| {
                cache.now().saturating_add(Duration::from_millis(timeout))
            });
            (cache.insert(&id, (), &[], end)).map_err(|_| AdviseError::Refused)?;
        }
    }
    Ok(cache.stats().hits)
}

/// The smallest capacity with at least `wanted` hits, to one part in fifty, and its hits. `known`
/// are capacities with their hits, ascending; `None` if none of them has enough.
pub(super) fn smallest(
    known: &[(usize, u64)],
    wanted: u64,
    mut hits: impl FnMut(usize) -> Result<u64, AdviseError>,
) -> Result<Option<(usize, u64)>, AdviseError> {
    let Some(first) = known.iter().position(|(_, hits)| *hits >= wanted) else {
        return Ok(None);
    };
    let mut enough = known[first];
    let mut too_few = first.checked_sub(1).map_or(0, |before| known[before].0);
    while enough.0 - too_few > (enough.0 / 50).max(1) {
        let between = too_few + (enough.0 - too_few) / 2;
        let found = hits(between)?;
        if found >= wanted {
            enough = (between, found);
        } else {
            too_few = between;
        }
    }
    Ok(Some(enough))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_are_found_until_they_end() {
        let requests = Requests {
            sessions: vec![0, 0, 1, 0, 0],
            distinct: 2,
            times: vec![5_000, 15_000, 15_000, 15_001, 25_001],
        };
        assert_eq!(hits(&requests, 100, None).unwrap(), 3);
        // The end itself is still within its life; the fourth request makes it anew.
        assert_eq!(hits(&requests, 100, Some(10_000)).unwrap(), 2);
    }

    #[test]
    fn the_smallest_capacity_is_searched_between_those_known() {
        let hits = |capacity: usize| Ok(capacity.min(700) as u64);
        let known = [(10, 10), (500, 500), (1_000, 700)];
        let (capacity, found) = smallest(&known, 655, hits).unwrap().unwrap();
        assert!((655..=668).contains(&capacity), "{capacity}");
        assert_eq!(found, capacity as u64);
        assert_eq!(smallest(&known, 7, hits).unwrap(), Some((7, 7)));
        assert_eq!(smallest(&known, 701, hits).unwrap(), None);
    }
}
