//! How entries age: by one learned number.
//!
//! There are two kinds of entries: those that were never resumed, and those that were. Within a
//! kind the order is that of an LRU. How the kinds compare is learned: the factor by which entries
//! that were never resumed age faster.
//!
//! The model: an entry of age *a* is found in the tick to come with probability *c* / (*a* + 1),
//! where *c* is the same for all entries of a kind. Two entries of different kinds are as likely to
//! be found if their ages are in the ratio of their kinds' *c*, so that ratio is the factor. *c* is
//! the number of hits divided by the sum of 1 / (*a* + 1) over the entries that could have been
//! hit. Only entries near eviction count (`rank.rs`), since the order matters for these. Which
//! those are is decided for whole classes of ages, so that a lookup need not know.
//!
//! Older counts decay, so the factor follows the clients. While hardly anything is found there is
//! nothing to learn from: then entries that were never resumed go first, for what comes is a flood.
//!
//! Counting costs a lookup a store to memory of the thread's own, once for each entry and tick.

use crate::counters::{Sharded, THREAD_SHARDS};
use crate::engine::evict::recency::{AGES, Recency};
use crate::engine::reclaim::pin;
use crate::sync::{AtomicU64, Ordering};

/// Kinds: never resumed, resumed.
const KINDS: usize = 2;

/// Classes of ages: 0, 1, 2 to 3, 4 to 7, up to 64 to 127.
const CLASSES: usize = 1 + AGES.ilog2() as usize;

const COUNTERS: usize = KINDS * CLASSES;

/// Ticks between two updates, at least; and inserts.
const TICKS_BETWEEN: usize = 4;
const INSERTS_BETWEEN: usize = 256;

/// An update takes away one in this many of what was counted.
const DECAY: u64 = 8;

/// Prior: hits of each kind, as if both were as likely to be found.
const PRIOR_HITS: f64 = 8.0;

/// The least and the greatest factor.
const FACTORS: [f64; 2] = [0.5, 16.0];

/// With fewer than one hit for each of this many inserts, what comes is a flood.
const INSERTS_PER_HIT: u64 = 64;

/// A weight and a handicap for the ages of each kind, in one word: an entry's rank is what its
/// age, weighted, and the handicap leave of 255.
#[derive(Clone, Copy)]
pub(crate) struct AgeScales(pub(crate) u32);

impl AgeScales {
    /// The youngest entry that was never resumed ranks below the oldest that was.
    const FLOOD: Self = Self(u32::from_le_bytes([1, AGES, 1, 0]));

    /// Of two that are as old, the one never resumed ranks lower.
    pub(crate) fn with_factor(factor: f64) -> Self {
        let weight = |times: f64| (2.0 * times.max(1.0)).round() as u8;
        Self(u32::from_le_bytes([
            weight(factor),
            1,
            weight(1.0 / factor),
            0,
        ]))
    }

    #[inline(always)]
    pub(crate) fn rank(self, recency: Recency, tick: usize) -> u8 {
        let of_kind = self.0 >> (16 * kind(recency));
        let [weight, handicap, ..] = of_kind.to_le_bytes();
        let age = recency.age(tick);
        !age.saturating_mul(weight).saturating_add(handicap)
    }

    /// By kind, the age from which entries have this rank or a lower one; [`AGES`] for none.
    pub(crate) fn ages_at(self, rank: u8) -> [u8; KINDS] {
        let [unused, handicap, resumed, _] = self.0.to_le_bytes();
        let from = |weight: u8, handicap| (!rank).saturating_sub(handicap).div_ceil(weight);
        [from(unused, handicap), from(resumed, 0)].map(|age| age.min(AGES))
    }
}

pub(crate) struct Learning {
    /// Hits by kind and class of age.
    hits: Sharded<COUNTERS>,
    /// The counters' sums at the last update. This and what follows is written by the thread that
    /// begins a tick, one at a time.
    hits_before: [AtomicU64; COUNTERS],
    /// Since the last update: the sum of 1 / (age + 1) over the entries that were there in each
    /// tick, times 1,024.
    new_chances: [AtomicU64; COUNTERS],
    /// Of entries near eviction, by kind.
    found: [AtomicU64; KINDS],
    chances: [AtomicU64; KINDS],
    /// Ticks between two updates.
    ticks: usize,
    inserts_per_tick: usize,
}

impl Learning {
    pub(crate) fn new(inserts_per_tick: usize) -> Self {
        let ticks = INSERTS_BETWEEN.div_ceil(inserts_per_tick);
        Self {
            hits: Sharded::new(),
            hits_before: Default::default(),
            new_chances: Default::default(),
            found: Default::default(),
            chances: Default::default(),
            ticks: ticks.max(TICKS_BETWEEN),
            inserts_per_tick,
        }
    }

    /// An entry was found, for the first time in this tick.
    #[inline]
    pub(crate) fn hit(&self, thread: usize, recency: Recency, tick: usize) {
        // Threads without a shard of their own would need a read-modify-write: the others' hits do.
        if thread < THREAD_SHARDS {
            self.hits.add(thread, counter(recency, tick), 1);
        }
    }

    /// Counts the entries of a sample, once a tick; now and then learns from what was counted of
    /// entries near eviction. One thread at a time.
    pub(crate) fn observe(
        &self,
        tick: usize,
        sample: &[Recency],
        is_near_eviction: impl Fn(Recency) -> bool,
    ) -> Option<AgeScales> {
        let mut chances = [0; COUNTERS];
        for recency in sample {
            chances[counter(*recency, tick)] += 1_024 / (u64::from(recency.age(tick)) + 1);
        }
        for (sum, new) in self.new_chances.iter().zip(chances) {
            update(sum, |sum| sum + new);
        }
        tick.is_multiple_of(self.ticks)
            .then(|| self.learn(tick, is_near_eviction))
    }

    fn learn(&self, tick: usize, is_near_eviction: impl Fn(Recency) -> bool) -> AgeScales {
        let mut hits = 0;
        for counter in 0..COUNTERS {
            let sum = self.hits.sum_of_first(pin::threads(), counter);
            let found = sum - update(&self.hits_before[counter], |_| sum);
            let chances = update(&self.new_chances[counter], |_| 0);
            hits += found;
            let recency = youngest(counter, tick);
            if is_near_eviction(recency) {
                update(&self.found[kind(recency)], |sum| sum + found);
                update(&self.chances[kind(recency)], |sum| sum + chances);
            }
        }
        let decay = |sum: &AtomicU64| update(sum, |sum| sum - sum.div_ceil(DECAY)) as f64;
        let found = self.found.each_ref().map(decay);
        let factor = factor(found, self.chances.each_ref().map(decay));
        let inserts = (self.ticks * self.inserts_per_tick) as u64;
        if hits.saturating_mul(INSERTS_PER_HIT) < inserts {
            AgeScales::FLOOD
        } else {
            AgeScales::with_factor(factor)
        }
    }
}

/// The counter for entries of this kind and class of age.
#[inline]
fn counter(recency: Recency, tick: usize) -> usize {
    let class = u8::BITS - recency.age(tick).leading_zeros();
    kind(recency) * CLASSES + class as usize
}

/// The youngest entry that a counter counts.
fn youngest(counter: usize, tick: usize) -> Recency {
    let then = tick.wrapping_sub((1 << (counter % CLASSES)) / 2);
    if counter < CLASSES {
        Recency::unused(then)
    } else {
        Recency::resumed(then)
    }
}

/// How many times as fast those never resumed age.
fn factor(found: [f64; KINDS], chances: [f64; KINDS]) -> f64 {
    let mean = (found[0] + found[1]) / (chances[0] + chances[1]).max(1.0);
    let [unused, resumed] =
        [0, 1].map(|kind| (found[kind] + PRIOR_HITS) / (chances[kind] * mean + PRIOR_HITS));
    (resumed / unused).clamp(FACTORS[0], FACTORS[1])
}

fn kind(recency: Recency) -> usize {
    recency.was_resumed().into()
}

/// Changes a count that no other thread changes. What it was before.
fn update(count: &AtomicU64, to: impl FnOnce(u64) -> u64) -> u64 {
    let before = count.load(Ordering::Relaxed);
    count.store(to(before), Ordering::Relaxed);
    before
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    /// Clients of one behaviour after the other.
    struct Subject {
        learning: Learning,
        scales: AgeScales,
        tick: usize,
    }

    impl Subject {
        fn new() -> Self {
            Self {
                learning: Learning::new(64),
                scales: AgeScales::with_factor(1.0),
                tick: 0,
            }
        }

        /// Some updates, with a number of entries of a kind and an age that are there in each tick,
        /// and the number of those that are found: `[resumed, age, there, found]`.
        fn live(&mut self, updates: usize, kinds: &[(bool, u8, usize, usize)]) -> &Self {
            for _ in 0..updates * self.learning.ticks {
                self.tick += 1;
                let mut sample = Vec::new();
                for &(resumed, age, there, found) in kinds {
                    let recency = self.recency(resumed, age);
                    sample.resize(sample.len() + there, recency);
                    for _ in 0..found {
                        self.learning.hit(pin::thread_number(), recency, self.tick);
                    }
                }
                let learned = self.learning.observe(self.tick, &sample, |_| true);
                self.scales = learned.unwrap_or(self.scales);
            }
            self
        }

        fn recency(&self, resumed: bool, age: u8) -> Recency {
            let then = self.tick.wrapping_sub(age.into());
            if resumed {
                Recency::resumed(then)
            } else {
                Recency::unused(then)
            }
        }

        fn rank(&self, resumed: bool, age: u8) -> u8 {
            self.scales.rank(self.recency(resumed, age), self.tick)
        }

        fn assert_the_oldest_ranks_lowest(&self) {
            for age in 0..AGES - 1 {
                assert!(self.rank(true, age + 1) < self.rank(false, age));
                assert!(self.rank(false, age) < self.rank(true, age));
            }
        }
    }

    #[test]
    fn entries_of_a_rank_are_those_of_its_age_and_older() {
        let factors = [0.5, 0.9, 1.0, 2.3, 16.0].map(AgeScales::with_factor);
        for scales in factors.into_iter().chain([AgeScales::FLOOD]) {
            for rank in 0..=u8::MAX {
                let from = scales.ages_at(rank);
                for age in 0..usize::from(AGES) {
                    let young = [Recency::unused, Recency::resumed].map(|of| of(200 - age));
                    let lower = young.map(|recency| scales.rank(recency, 200) <= rank);
                    assert_eq!(
                        lower,
                        from.map(|from| age >= usize::from(from)),
                        "{rank} {age}"
                    );
                }
            }
        }
    }

    #[test]
    fn each_class_of_ages_is_twice_as_wide_as_the_one_before() {
        for age in 0..AGES {
            for entry in [Recency::unused, Recency::resumed] {
                let recency = entry(200 - usize::from(age));
                let youngest = youngest(counter(recency, 200), 200);
                assert_eq!(youngest.was_resumed(), recency.was_resumed());
                let start = youngest.age(200);
                assert!(start <= age && (age == 0 || age < 2 * start), "{age}");
            }
        }
    }

    #[test]
    fn before_anything_is_known_the_oldest_ranks_lowest() {
        Subject::new().assert_the_oldest_ranks_lowest();
    }

    #[test]
    fn of_kinds_that_are_found_alike_the_oldest_ranks_lowest() {
        let alike = [(false, 4, 1_000, 100), (true, 9, 4_000, 200)];
        Subject::new()
            .live(4, &alike)
            .assert_the_oldest_ranks_lowest();
    }

    #[test]
    fn those_that_are_found_outrank_those_that_are_not() {
        let mut subject = Subject::new();
        subject.live(4, &[(false, 3, 1_000, 1), (true, 6, 1_000, 500)]);
        assert!(subject.rank(false, 3) < subject.rank(true, 6));
        let mut subject = Subject::new();
        subject.live(4, &[(false, 3, 1_000, 500), (true, 3, 1_000, 1)]);
        assert!(subject.rank(true, 3) < subject.rank(false, 3));
    }

    #[test]
    fn within_a_kind_the_older_never_outranks_the_younger() {
        let mut subject = Subject::new();
        // Found when they are old, and at no other time.
        let (old, young) = ((false, 9, 1_000, 900), (false, 1, 1_000, 0));
        subject.live(4, &[young, old, (true, 5, 500, 100)]);
        for age in 1..AGES {
            for resumed in [false, true] {
                let (older, younger) = (subject.rank(resumed, age), subject.rank(resumed, age - 1));
                // From some age on all have the lowest rank.
                assert!(older < younger || (older, younger) == (0, 0));
            }
        }
    }

    #[test]
    fn what_was_learned_decays() {
        let mut subject = Subject::new();
        let found = [(false, 1, 1_000, 500), (true, 1, 1_000, 1)];
        let changed = [(false, 1, 1_000, 1), (true, 1, 1_000, 500)];
        subject.live(10, &found);
        assert!(subject.rank(true, 1) < subject.rank(false, 1));
        subject.live(40, &changed);
        assert!(subject.rank(false, 1) < subject.rank(true, 1));
    }

    #[test]
    fn in_a_flood_those_that_were_resumed_outrank_all_others() {
        let mut subject = Subject::new();
        subject.live(4, &[(false, 1, 1_000, 500), (true, 1, 1_000, 1)]);
        subject.live(1, &[(false, 1, 1_000, 0), (true, 1, 1_000, 0)]);
        assert!(subject.rank(false, 0) < subject.rank(true, AGES - 1));
    }
}
