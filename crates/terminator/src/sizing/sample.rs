//! The sample: the sessions whose uses are followed.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use rekindle::Time;

use super::histogram::Histogram;
use super::recency::Recency;

/// Most sessions that are followed.
const MOST: usize = 8_192;
/// Reuse distances are known up to at least this many times the capacity.
const REACH: usize = 8;
/// Most expired sessions that one use drops from the sample.
const EXPIRED_AT_ONCE: usize = 32;

/// What happened to a session.
#[derive(Debug, Clone, Copy)]
pub(super) enum Use {
    Inserted,
    /// `held`: the cache has it, and so the lookup is a hit.
    LookedUp {
        held: bool,
    },
    Removed,
}

/// Follows all sessions while they are few, then a smaller and smaller share of them: those with
/// the lowest hashes.
///
/// The share falls no further than the reach needs. After that, the least recently used session is
/// dropped, so a flood of sessions that are never resumed leaves the sample large enough.
#[derive(Debug)]
pub(super) struct Sample {
    followed: BTreeMap<u64, Followed>,
    by_end: BTreeSet<(Time, u64)>,
    recency: Recency,
    histogram: Histogram,
    threshold: u64,
    least_threshold: u64,
    timeout: Duration,
}

#[derive(Debug, Clone, Copy)]
struct Followed {
    tick: usize,
    /// The last moment at which it can be resumed.
    end: Time,
}

impl Sample {
    pub(super) fn new(capacity: usize, timeout: Duration) -> Self {
        let reach = REACH.saturating_mul(capacity).max(MOST);
        Self {
            followed: BTreeMap::new(),
            by_end: BTreeSet::new(),
            recency: Recency::new(MOST),
            histogram: Histogram::new(capacity, reach),
            threshold: u64::MAX,
            // A cast from a float stops at the largest number.
            least_threshold: (MOST as f64 / reach as f64 * HASHES) as u64,
            timeout,
        }
    }

    /// Forgets which sessions were used; what was counted stays.
    pub(super) fn follow_none(&mut self) {
        self.followed.clear();
        self.by_end.clear();
        self.recency = Recency::new(MOST);
    }

    /// Sessions whose hash is at most this are followed.
    pub(super) fn threshold(&self) -> u64 {
        self.threshold
    }

    /// The share of sessions that is followed.
    pub(super) fn share(&self) -> f64 {
        (self.threshold as f64 + 1.0) / HASHES
    }

    pub(super) fn histogram(&self) -> &Histogram {
        &self.histogram
    }

    pub(super) fn note(&mut self, key: u64, used: Use, now: Time) {
        if key > self.threshold {
            return;
        }
        self.drop_expired(now);
        let known = self.forget(key).filter(|known| known.end >= now);
        let end = now.saturating_add(self.timeout);
        match used {
            Use::Inserted => self.follow(key, end),
            Use::LookedUp { held } => {
                let weight = 1.0 / self.share();
                match known {
                    Some(known) => {
                        let distance = self.distance(known.tick);
                        self.histogram.add(Some(distance), weight);
                    }
                    // Its insert was dropped, so its distance is unknown.
                    None if held => {}
                    None => self.histogram.add(None, weight),
                }
                // A client whose session is not found gets a new one, which takes its place.
                if held {
                    self.follow(key, known.map_or(end, |known| known.end));
                }
            }
            Use::Removed => {}
        }
        self.keep_within_bounds();
    }

    /// The reuse distance of the session that was last used at `tick`.
    fn distance(&self, tick: usize) -> f64 {
        1.0 + self.recency.after(tick) as f64 / self.share()
    }

    fn follow(&mut self, key: u64, end: Time) {
        if self.recency.is_used_up() {
            let moved = self.recency.compact();
            for followed in self.followed.values_mut() {
                followed.tick = moved[followed.tick];
            }
        }
        let tick = self.recency.push(key);
        self.followed.insert(key, Followed { tick, end });
        self.by_end.insert((end, key));
    }

    fn forget(&mut self, key: u64) -> Option<Followed> {
        let known = self.followed.remove(&key)?;
        self.recency.remove(known.tick);
        self.by_end.remove(&(known.end, key));
        Some(known)
    }

    /// Expired sessions take no room in the cache either. Each use drops a few, so that no
    /// handshake has to drop all of them after a quiet night.
    fn drop_expired(&mut self, now: Time) {
        for _ in 0..EXPIRED_AT_ONCE {
            match self.by_end.first().copied() {
                Some((end, key)) if end < now => self.forget(key),
                _ => return,
            };
        }
    }

    fn keep_within_bounds(&mut self) {
        while self.followed.len() > MOST {
            let leaves = if self.threshold > self.least_threshold {
                let highest = self.followed.last_key_value().map(|(key, _)| *key);
                self.threshold = highest.map_or(0, |key| key.saturating_sub(1));
                highest
            } else {
                self.recency.oldest()
            };
            let Some(key) = leaves else { return };
            self.forget(key);
        }
    }
}

/// The number of different hashes.
const HASHES: f64 = 18_446_744_073_709_551_616.0;

#[cfg(test)]
impl Sample {
    pub(super) fn followed(&self) -> usize {
        assert_eq!(self.followed.len(), self.by_end.len());
        self.followed.len()
    }
}
