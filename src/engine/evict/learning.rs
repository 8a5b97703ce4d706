//! How likely entries are to be found again by their age, learned from those before them.
//!
//! For entries that were never resumed and for those that were, the cache counts how many are found
//! in each tick of their age, and how many could have been found. Of the two it makes hazards: how
//! likely an entry of this kind and age is to be found in the tick to come. It takes for granted
//! that the hazard does not rise with age; where the counts say otherwise, neighbouring ages are
//! pooled until they do not (isotonic regression). So within a kind the order is that of an LRU,
//! and learned is only how the two kinds compare. The idea is that of LHD (Beckmann, Chen, Cidon:
//! Improving Cache Hit Rate by Maximizing Hit Density, NSDI 2018).
//!
//! Older counts decay, so what is learned follows the clients. While hardly anything is found there
//! is nothing to learn from: then entries that were never resumed go first, for what comes is a
//! flood.
//!
//! Counting costs a lookup a store to memory of the thread's own, once for each entry and tick.

use crate::counters::{Sharded, THREAD_SHARDS};
use crate::engine::evict::recency::AGES;
use crate::engine::reclaim::pin;
use crate::sync::{AtomicU8, AtomicU64, Ordering};

/// Steps of age: each tick up to 8, then four for each doubling. One under loom, where no tick
/// passes.
const STEPS: usize = if cfg!(loom) { 1 } else { 8 + 4 * 4 };

/// Kinds: never resumed, resumed.
pub(crate) const KINDS: usize = 2;

/// Ages that a rank is kept for. Under loom no tick ever passes.
const RANKED_AGES: usize = if cfg!(loom) { 1 } else { AGES as usize };

/// Ticks between two updates of the ranks, at least.
const TICKS_BETWEEN: usize = 4;

/// Inserts between two updates, at least: one takes some microseconds.
const INSERTS_BETWEEN: usize = 256;

/// What of a count is left after an update, in 64ths.
const DECAY: u64 = 60;

/// Binary places of a count, so that it can decay.
const FRACTION_BITS: u32 = 10;

/// Prior: each age step starts with eight pseudo-observations that follow an LRU's hazard.
const PRIOR_OBSERVATIONS: f64 = 8.0;

/// With fewer than one hit for each of this many inserts, what comes is a flood.
const INSERTS_PER_HIT: u64 = 64;

pub(crate) struct Learning {
    /// Hits by kind and step.
    hits: Sharded<{ KINDS * STEPS }>,
    /// By kind and step. Written by the thread that begins a tick, one at a time.
    samples: [HazardSample; KINDS * STEPS],
    inserts_per_tick: usize,
    /// Ticks between two updates.
    ticks: usize,
}

struct HazardSample {
    /// The counters' sum at the last update.
    hits_before: AtomicU64,
    hits: AtomicU64,
    /// Entries that could have been found, tick by tick.
    found_among: AtomicU64,
}

/// Entries in the table by kind and age, scaled up from a sample.
pub(crate) struct Population {
    pub(crate) by_age: [[u64; AGES as usize]; KINDS],
    /// Lines in the table for each one in the sample.
    pub(crate) scale: f64,
}

impl Population {
    pub(crate) fn new(scale: f64) -> Self {
        Self {
            by_age: [[0; AGES as usize]; KINDS],
            scale,
        }
    }
}

/// Ranks by kind and age.
pub(crate) struct Ranks([AtomicU8; KINDS * RANKED_AGES]);

impl Ranks {
    #[inline(always)]
    pub(crate) fn get(&self, kind: usize, age: usize) -> u8 {
        self.at(kind, age).load(Ordering::Relaxed)
    }

    fn set(&self, kind: usize, age: usize, rank: u8) {
        self.at(kind, age).store(rank, Ordering::Relaxed);
    }

    #[inline(always)]
    fn at(&self, kind: usize, age: usize) -> &AtomicU8 {
        &self.0[kind * RANKED_AGES + age % RANKED_AGES]
    }
}

impl Learning {
    pub(crate) fn new(inserts_per_tick: usize) -> Self {
        Self {
            hits: Sharded::new(),
            samples: std::array::from_fn(|_| HazardSample {
                hits_before: AtomicU64::new(0),
                hits: AtomicU64::new(0),
                found_among: AtomicU64::new(0),
            }),
            inserts_per_tick,
            ticks: INSERTS_BETWEEN
                .div_ceil(inserts_per_tick)
                .max(TICKS_BETWEEN),
        }
    }

    /// An entry was found, for the first time in this tick.
    #[inline]
    pub(crate) fn hit(&self, thread: usize, resumed: bool, age: u8) {
        // Threads without a shard of their own would need a read-modify-write: the others' hits do.
        if !cfg!(loom) && thread < THREAD_SHARDS {
            self.hits.add(thread, index(resumed.into(), step(age)), 1);
        }
    }

    /// Counts the entries that can be found, once a tick; now and then brings the ranks up to date.
    /// One thread at a time.
    pub(crate) fn observe(&self, tick: usize, population: &Population, ranks: &Ranks) {
        for (kind, ages) in population.by_age.iter().enumerate() {
            for (age, count) in ages.iter().enumerate().filter(|(_, count)| **count > 0) {
                let sample = &self.samples[index(kind, step(age as u8))];
                let new = *count as f64 * population.scale * f64::from(1 << FRACTION_BITS);
                let before = sample.found_among.load(Ordering::Relaxed);
                sample
                    .found_among
                    .store(before + new as u64, Ordering::Relaxed);
            }
        }
        if tick.is_multiple_of(self.ticks) {
            let hits = self.update();
            let inserts = (self.ticks * self.inserts_per_tick) as u64;
            self.write_ranks(ranks, hits.saturating_mul(INSERTS_PER_HIT) < inserts);
        }
    }

    /// Brings the counts up to date; the number of hits since the last time.
    fn update(&self) -> u64 {
        let mut all = 0;
        for (index, sample) in self.samples.iter().enumerate() {
            let sum = self.hits.sum_of_first(pin::threads(), index);
            let new = sum.wrapping_sub(sample.hits_before.load(Ordering::Relaxed));
            sample.hits_before.store(sum, Ordering::Relaxed);
            all += new;
            let decay = |count: &AtomicU64, new| {
                let old = count.load(Ordering::Relaxed) * DECAY / 64;
                count.store(old + new, Ordering::Relaxed);
            };
            decay(&sample.hits, new << FRACTION_BITS);
            decay(&sample.found_among, 0);
        }
        all
    }

    /// The ranks while nothing is learned.
    pub(crate) fn first_ranks(&self) -> Ranks {
        let ranks = Ranks(std::array::from_fn(|_| AtomicU8::new(0)));
        self.write_ranks(&ranks, false);
        ranks
    }

    /// Writes the order of all kinds and ages into the ranks.
    fn write_ranks(&self, ranks: &Ranks, in_a_flood: bool) {
        let hazards = [0, 1].map(|kind| self.hazards(kind));
        let of_kind = |kind| (0..RANKED_AGES).map(move |age| (kind, age));
        let mut order: Vec<(usize, usize)> = (0..KINDS).flat_map(of_kind).collect();
        let key = |&(kind, age): &(usize, usize)| {
            let hazard = if in_a_flood {
                kind as f64
            } else {
                hazards[kind][step(age as u8)]
            };
            // Of two that are as likely to be found the older goes first, else the one never
            // resumed.
            (hazard, std::cmp::Reverse(age), kind)
        };
        order.sort_by(|a, b| {
            let (a, b) = (key(a), key(b));
            a.0.total_cmp(&b.0).then((a.1, a.2).cmp(&(b.1, b.2)))
        });
        for (rank, (kind, age)) in order.into_iter().enumerate() {
            ranks.set(kind, age, rank as u8);
        }
    }

    /// How likely an entry is to be found in the tick to come, by step of its age; never rising.
    fn hazards(&self, kind: usize) -> [f64; STEPS] {
        let mut pools: [Pool; STEPS] = std::array::from_fn(|_| Pool::default());
        let mut last = 0;
        for step in 0..STEPS {
            pools[last] = self.pool_of(kind, step);
            while last > 0 && pools[last].hazard() >= pools[last - 1].hazard() {
                pools[last - 1] = pools[last - 1].with(&pools[last]);
                last -= 1;
            }
            last += 1;
        }
        let mut hazards = [0.0; STEPS];
        let mut step = 0;
        for pool in &pools[..last] {
            hazards[step..step + pool.steps].fill(pool.hazard());
            step += pool.steps;
        }
        hazards
    }

    fn pool_of(&self, kind: usize, step: usize) -> Pool {
        let sample = &self.samples[index(kind, step)];
        let count = |count: &AtomicU64| {
            count.load(Ordering::Relaxed) as f64 / f64::from(1 << FRACTION_BITS)
        };
        let hits = count(&sample.hits);
        let prior = 0.5 / (start(step) + width(step) / 2.0 + 1.0);
        Pool {
            hits: hits + PRIOR_OBSERVATIONS * prior,
            found_among: hits + count(&sample.found_among) + PRIOR_OBSERVATIONS,
            steps: 1,
        }
    }
}

/// Neighbouring steps that are taken together.
#[derive(Default)]
struct Pool {
    hits: f64,
    found_among: f64,
    steps: usize,
}

impl Pool {
    fn hazard(&self) -> f64 {
        self.hits / self.found_among
    }

    fn with(&self, other: &Self) -> Self {
        Self {
            hits: self.hits + other.hits,
            found_among: self.found_among + other.found_among,
            steps: self.steps + other.steps,
        }
    }
}

fn index(kind: usize, step: usize) -> usize {
    kind * STEPS + step
}

fn step(age: u8) -> usize {
    if cfg!(loom) {
        return 0;
    }
    if age < 8 {
        return usize::from(age);
    }
    let doubling = age.ilog2() as usize;
    8 + (doubling - 3) * 4 + usize::from(age >> (doubling - 2)) % 4
}

/// The first age of a step.
fn start(step: usize) -> f64 {
    if step < 8 {
        return step as f64;
    }
    let (doubling, quarter) = (3 + (step - 8) / 4, (step - 8) % 4);
    ((4 + quarter) << (doubling - 2)) as f64
}

/// Ages in a step.
fn width(step: usize) -> f64 {
    if step < 8 {
        return 1.0;
    }
    f64::from(2 << ((step - 8) / 4))
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    struct Subject {
        learning: Learning,
        ranks: Ranks,
        tick: usize,
    }

    impl Subject {
        fn new() -> Self {
            let learning = Learning::new(64);
            Self {
                ranks: learning.first_ranks(),
                learning,
                tick: 0,
            }
        }

        /// Some updates, with a number of entries of a kind and an age that are there in each tick,
        /// and the number of those that are found: `[resumed, age, there, found]`.
        fn live(&mut self, updates: usize, kinds: &[(bool, u8, u64, u64)]) {
            for _ in 0..updates * self.learning.ticks {
                self.tick += 1;
                let mut population = Population::new(1.0);
                for (resumed, age, there, found) in kinds {
                    population.by_age[usize::from(*resumed)][usize::from(*age)] = *there;
                    for _ in 0..*found {
                        self.learning.hit(pin::thread_number(), *resumed, *age);
                    }
                }
                self.learning.observe(self.tick, &population, &self.ranks);
            }
        }

        fn rank(&self, resumed: bool, age: u8) -> u8 {
            self.ranks.get(resumed.into(), age.into())
        }
    }

    #[test]
    fn steps_cover_all_ages_without_gaps() {
        let mut next = 0.0;
        for step in 0..STEPS {
            assert_eq!(start(step), next);
            next += width(step);
        }
        assert_eq!(next, f64::from(AGES));
        for age in 0..AGES {
            let (step, age) = (step(age), f64::from(age));
            assert!(start(step) <= age && age < start(step) + width(step));
        }
    }

    #[test]
    fn before_anything_is_known_the_oldest_ranks_lowest() {
        let subject = Subject::new();
        for age in 0..AGES - 1 {
            assert!(subject.rank(true, age + 1) < subject.rank(false, age));
            assert!(subject.rank(false, age) < subject.rank(true, age));
        }
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
        subject.live(
            4,
            &[
                (false, 1, 1_000, 0),
                (false, 9, 1_000, 900),
                (true, 5, 500, 100),
            ],
        );
        for age in 1..AGES {
            for resumed in [false, true] {
                assert!(subject.rank(resumed, age) < subject.rank(resumed, age - 1));
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
