//! Which entries are worth least, from the time since they were last put or found.
//!
//! Time is counted in *laps*: sixteen for each time that as many entries were inserted as the cache
//! has room for. A mark tells an entry's age in laps, and whether it was ever resumed; a rank is looked up
//! for that: the lower, the less is to be expected of the entry. What to expect the cache learns
//! from its own hits (`learning.rs`); before it knows anything, what is older ranks lower, as in an LRU.
//!
//! The hand (`sweep.rs`) evicts entries whose rank is at the threshold or below. That is set anew in
//! each lap, from a sample, so that about one line in four has such an entry. Comparing with one threshold
//! for the whole table comes nearer to the exact order than evicting the worst of a few.

use crossbeam_epoch::Guard;

use crate::engine::evict::learning::{Learning, Population};
use crate::engine::evict::recency::{AGES, Mark};
use crate::engine::table::{Table, slots_in};
use crate::sync::{AtomicBool, AtomicU8, AtomicUsize, Ordering};

/// Laps for each time that the cache's capacity was inserted.
const LAPS: usize = 16;

/// Inserts that a writer counts by itself before it tells the others.
const STRIDE: usize = 16;

/// One line in so many should have an entry that the hand evicts.
pub(crate) const LINES_PER_VICTIM: usize = 4;

/// Lines that are looked at, at the most, to find the threshold.
const SAMPLE: usize = 256;

/// Ranks by mark. Under loom no lap ever passes.
const RANKS: usize = if cfg!(loom) { 2 } else { 2 * AGES as usize };

pub(crate) struct Aging {
    now: Lap,
    clock: Clock,
    /// By [`index`].
    ranks: [AtomicU8; RANKS],
    /// Entries of this rank or below may be evicted.
    threshold: AtomicU8,
    learning: Learning,
    /// A thread is beginning a lap; any other goes on without.
    beginning: AtomicBool,
}

/// On a cache line of its own: every lookup reads it, and it seldom changes.
#[repr(align(128))]
struct Lap(AtomicUsize);

/// Inserts so far.
#[repr(align(128))]
struct Clock {
    inserts: AtomicUsize,
    inserts_per_lap: usize,
}

impl Aging {
    pub(crate) fn new(capacity: usize) -> Self {
        let inserts_per_lap = (capacity / LAPS).max(1);
        let aging = Self {
            now: Lap(AtomicUsize::new(0)),
            clock: Clock {
                inserts: AtomicUsize::new(0),
                inserts_per_lap,
            },
            ranks: std::array::from_fn(|_| AtomicU8::new(0)),
            threshold: AtomicU8::new(0),
            learning: Learning::new(inserts_per_lap),
            beginning: AtomicBool::new(false),
        };
        aging.learning.publish(&aging.ranks, false);
        aging
    }

    /// The lap now.
    #[inline(always)]
    pub(crate) fn lap(&self) -> usize {
        self.now.0.load(Ordering::Relaxed)
    }

    /// The lower, the less is to be expected of an entry with this mark.
    #[inline(always)]
    pub(crate) fn rank(&self, mark: Mark, lap: usize) -> u8 {
        self.ranks[index(mark, lap)].load(Ordering::Relaxed)
    }

    pub(crate) fn threshold(&self) -> u8 {
        self.threshold.load(Ordering::Relaxed)
    }

    /// An entry with this mark was found, for the first time in this lap.
    #[inline]
    pub(crate) fn learn_hit(&self, thread: usize, mark: Mark, lap: usize) {
        self.learning.hit(thread, mark.was_resumed(), mark.age(lap));
    }

    /// Counts an insert of a writer that has counted `counted` of them by itself. Whoever completes a
    /// lap begins the next: `hand` is where it samples the table.
    #[inline]
    pub(crate) fn count_insert<V>(
        &self,
        counted: &mut usize,
        table: &Table<V>,
        hand: usize,
        guard: &Guard,
    ) {
        *counted += 1;
        let per_lap = self.clock.inserts_per_lap;
        if cfg!(loom) || *counted < STRIDE.min(per_lap) {
            return;
        }
        let counted = std::mem::take(counted);
        let before = self.clock.inserts.fetch_add(counted, Ordering::Relaxed);
        if before / per_lap != before.wrapping_add(counted) / per_lap {
            let lap = self.now.0.fetch_add(1, Ordering::Relaxed) + 1;
            // Acquire and Release: the next one sees what this one has written. Whoever is frozen in
            // between leaves ranks and threshold as they are.
            if self
                .beginning
                .compare_exchange(false, true, Ordering::Acquire, Ordering::Relaxed)
                .is_ok()
            {
                self.begin_lap(lap, table, hand, guard);
                self.beginning.store(false, Ordering::Release);
            }
        }
    }

    #[cold]
    fn begin_lap<V>(&self, lap: usize, table: &Table<V>, hand: usize, guard: &Guard) {
        let lines = table.lines().min(SAMPLE).min(self.clock.inserts_per_lap);
        let mut population = Population::new(table.lines() as f64 / lines as f64);
        for line in 0..lines {
            let snapshot = table.load(hand.wrapping_add(line) % table.lines(), guard);
            let marks = table.marks(snapshot.index());
            for slot in slots_in(snapshot.occupied()) {
                let mark = marks.get(slot);
                let kind = usize::from(mark.was_resumed());
                population.by_age[kind][usize::from(mark.age(lap))] += 1;
            }
        }
        self.learning.attend(lap, &population, &self.ranks);

        let mut by_rank = [0; 2 * AGES as usize];
        for (kind, ages) in population.by_age.iter().enumerate() {
            for (age, count) in ages.iter().enumerate() {
                let rank = self.ranks[kind * AGES as usize + age].load(Ordering::Relaxed);
                by_rank[usize::from(rank)] += *count as usize;
            }
        }
        let mut so_far = 0;
        let enough = |count: &usize| {
            so_far += count;
            so_far * LINES_PER_VICTIM >= lines
        };
        let threshold = by_rank.iter().position(enough).unwrap_or(0);
        self.threshold.store(threshold as u8, Ordering::Relaxed);
    }
}

/// Where the rank for a mark is.
#[inline(always)]
fn index(mark: Mark, lap: usize) -> usize {
    let class = usize::from(mark.was_resumed());
    class * (RANKS / 2) + usize::from(mark.age(lap)) % (RANKS / 2)
}
