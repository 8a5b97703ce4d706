//! Which entries are worth least, from the time since they were last inserted or found.
//!
//! Time is counted in *age ticks*: sixteen for each time that as many entries were inserted as the
//! cache has room for. A recency byte tells an entry's age in ticks, and whether it was ever
//! resumed; the rank is computed from that: the lower, the less likely is the entry to be found
//! again. The cache learns from its own hits how fast entries of each kind age (`learning.rs`);
//! before it has learned anything, what is older ranks lower, as in an LRU.
//!
//! The clock hand (`victims.rs`) evicts entries whose rank is at the threshold or below. That is
//! set anew in each tick, from a sample, so that about one line in four has such an entry.
//! Comparing with one threshold for the whole table comes nearer to the exact order than evicting
//! the worst of a few.

use crate::engine::evict::clock_hand::ClockHand;
use crate::engine::evict::learning::{AgeScales, Learning};
use crate::engine::evict::recency::{AGES, LineRecency, Recency, WIDTH};
use crate::engine::line::Occupant;
use crate::engine::reclaim::pin::Pin;
use crate::engine::table::Table;
use crate::sync::{AtomicBool, AtomicU8, AtomicU32, AtomicUsize, Ordering};

/// Age ticks for each time that the cache's capacity was inserted.
const TICKS: usize = 16;

/// Inserts that a writer counts by itself before it tells the others.
const STRIDE: usize = 16;

/// One line in this many should have an entry that the clock hand evicts.
pub(crate) const LINES_PER_VICTIM: usize = 4;

/// Ranks above the threshold that are near it: eight ticks of an LRU.
const NEARLY: u8 = 16;

/// Lines that are looked at, at the most, to find the threshold.
const SAMPLE: usize = 256;

pub(crate) struct Aging {
    now: Tick,
    inserts: Inserts,
    inserts_per_tick: usize,
    /// As [`AgeScales`].
    scales: AtomicU32,
    /// Entries of this rank or below may be evicted.
    threshold: AtomicU8,
    /// By kind, the age from which that is so.
    old: [AtomicU8; 2],
    learning: Learning,
    /// A thread is beginning a tick; any other goes on without.
    beginning: AtomicBool,
}

/// On a cache line of its own: every lookup reads it, and it seldom changes.
#[repr(align(128))]
struct Tick(AtomicUsize);

/// Inserts so far. On a cache line of its own: all writers write it.
#[repr(align(128))]
struct Inserts(AtomicUsize);

impl Aging {
    pub(crate) fn new(capacity: usize) -> Self {
        let inserts_per_tick = (capacity / TICKS).max(1);
        Self {
            now: Tick(AtomicUsize::new(0)),
            inserts: Inserts(AtomicUsize::new(0)),
            inserts_per_tick,
            scales: AtomicU32::new(AgeScales::with_factor(1.0).0),
            threshold: AtomicU8::new(0),
            old: std::array::from_fn(|_| AtomicU8::new(AGES)),
            learning: Learning::new(inserts_per_tick),
            beginning: AtomicBool::new(false),
        }
    }

    /// The age tick now.
    #[inline(always)]
    pub(crate) fn tick(&self) -> usize {
        self.now.0.load(Ordering::Relaxed)
    }

    /// The lower, the less likely is an entry with this recency to be found again.
    #[inline(always)]
    pub(crate) fn rank(&self, recency: Recency, tick: usize) -> u8 {
        self.scales().rank(recency, tick)
    }

    #[inline(always)]
    fn scales(&self) -> AgeScales {
        AgeScales(self.scales.load(Ordering::Relaxed))
    }

    fn threshold(&self) -> u8 {
        self.threshold.load(Ordering::Relaxed)
    }

    /// Which entries may be evicted now.
    pub(crate) fn old(&self) -> Old {
        let from = self.old.each_ref().map(|age| age.load(Ordering::Relaxed));
        Old::new(from, self.tick())
    }

    /// An entry with this recency was found, for the first time in this tick.
    #[inline]
    pub(crate) fn learn_hit(&self, thread: usize, recency: Recency, tick: usize) {
        // Under loom no tick passes, so nothing is ever learned.
        if !cfg!(loom) {
            self.learning.hit(thread, recency, tick);
        }
    }

    /// Whether an entry may be evicted although its rank is above the threshold, which is as old as
    /// the tick.
    pub(crate) fn is_nearly_old(&self, recency: Recency) -> bool {
        self.rank(recency, self.tick()) <= self.threshold().saturating_add(NEARLY)
    }

    /// Whether an entry counts as at least half as old as those that are evicted now.
    fn is_near_eviction(&self, recency: Recency, tick: usize) -> bool {
        !self.rank(recency, tick) >= !self.threshold() / 2
    }

    /// Counts an insert. The writer that completes a tick begins the next, and samples the table
    /// from its clock hand's position on.
    #[inline]
    pub(crate) fn count_insert<V>(&self, hand: &mut ClockHand, table: &Table<V>, pin: &Pin) {
        hand.inserts += 1;
        let per_tick = self.inserts_per_tick;
        if cfg!(loom) || hand.inserts < STRIDE.min(per_tick) {
            return;
        }
        let counted = std::mem::take(&mut hand.inserts);
        let before = self.inserts.0.fetch_add(counted, Ordering::Relaxed);
        if before / per_tick != before.wrapping_add(counted) / per_tick {
            let tick = self.now.0.fetch_add(1, Ordering::Relaxed) + 1;
            // Acquire and Release: the next one sees what this one has written. A thread that is
            // frozen in between leaves ranks and threshold as they are.
            if self
                .beginning
                .compare_exchange(false, true, Ordering::Acquire, Ordering::Relaxed)
                .is_ok()
            {
                self.begin_tick(tick, table, hand.position(), pin);
                self.beginning.store(false, Ordering::Release);
            }
        }
    }

    #[cold]
    fn begin_tick<V>(&self, tick: usize, table: &Table<V>, start: usize, pin: &Pin) {
        // In a small cache ticks are short: then the sample is small, too.
        let few = (self.inserts_per_tick / 8).clamp(SAMPLE / 4, SAMPLE);
        let lines = table.lines().min(few).min(self.inserts_per_tick);
        let mut sample = Vec::with_capacity(lines * WIDTH);
        for line in 0..lines {
            let line = table.line(start.wrapping_add(line) % table.lines());
            let recency = |occupant: Occupant<'_, V>| line.recency.get(occupant.slot);
            sample.extend(line.occupants(pin).map(recency));
        }
        let is_near_eviction = |recency| self.is_near_eviction(recency, tick);
        if let Some(AgeScales(scales)) = self.learning.observe(tick, &sample, is_near_eviction) {
            self.scales.store(scales, Ordering::Relaxed);
        }
        let ranks = sample.into_iter().map(|recency| self.rank(recency, tick));
        let mut ranks: Vec<u8> = ranks.collect();
        ranks.sort_unstable();
        let threshold = ranks.get(lines.div_ceil(LINES_PER_VICTIM) - 1);
        let threshold = threshold.copied().unwrap_or(0);
        self.threshold.store(threshold, Ordering::Relaxed);
        for (old, from) in self.old.iter().zip(self.scales().ages_at(threshold)) {
            old.store(from, Ordering::Relaxed);
        }
    }
}

/// Recency of this age is renewed when the clock hand passes, as of `AGE_KEPT`: it must not grow so
/// old that it looks young again.
const AGE_RENEWED: u8 = AGES - 16;
const AGE_KEPT: usize = AGES as usize - 32;

/// The eighth bit of each byte.
const HIGH: u64 = in_each(0x80);

/// Of the bytes that belong to a slot.
const SLOTS: u64 = HIGH >> (64 - 8 * WIDTH);

const fn in_each(byte: u8) -> u64 {
    u64::from_ne_bytes([byte; 8])
}

/// Which entries are old, at one moment.
pub(crate) struct Old {
    tick: usize,
    /// The tick, in each byte. The eighth bit keeps a byte from borrowing of the next.
    ticks: u64,
    /// By kind, what an age lacks to 128 when it is old, in each byte.
    to_old: [u64; 2],
}

impl Old {
    fn new(from: [u8; 2], tick: usize) -> Self {
        Self {
            tick,
            ticks: in_each(tick as u8) | HIGH,
            to_old: from.map(|from| in_each(AGES - from)),
        }
    }

    /// Renews the recency bytes of a line that are close to looking young again.
    #[cold]
    fn renew(&self, line: &LineRecency) {
        for (slot, recency) in (0..WIDTH).map(|slot| (slot, line.get(slot))) {
            if recency.age(self.tick) >= AGE_RENEWED {
                line.set(slot, recency.at(self.tick.wrapping_sub(AGE_KEPT)));
            }
        }
    }

    /// The eighth bits of the bytes of slots whose recency is old, free ones included: all bytes of
    /// the line at once. Renews those that are close to looking young again.
    #[inline(always)]
    pub(crate) fn slots(&self, line: &LineRecency) -> u64 {
        let bytes = line.bits();
        let ages = self.ticks.wrapping_sub(bytes & !HIGH) & !HIGH;
        if (ages + in_each(AGES - AGE_RENEWED)) & SLOTS != 0 {
            self.renew(line);
        }
        // The eighth bit tells whether the sum has reached 128, and the kind.
        let [unused, resumed] = self.to_old.map(|to_old| ages + to_old);
        ((unused & !bytes) | (resumed & bytes)) & SLOTS
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn entries_half_as_old_as_those_that_are_evicted_are_near_eviction() {
        let aging = Aging::new(1_000);
        let resumed = |age: usize| Recency::resumed(200 - age);
        aging
            .threshold
            .store(aging.rank(resumed(10), 200), Ordering::Relaxed);
        for age in 0..100 {
            assert_eq!(aging.is_near_eviction(resumed(age), 200), age >= 5, "{age}");
        }
    }

    #[test]
    fn slots_are_old_from_the_age_of_their_kind_on() {
        let line = LineRecency::new();
        for tick in [0, 5, 127, 128, 300] {
            for from in [[1, 112], [16, 40], [0, 3], [127, 128]] {
                let old = Old::new(from, tick);
                for first in 0..AGES {
                    let recency = |slot: usize| {
                        let then = tick.wrapping_sub(usize::from(first) + slot);
                        match slot % 2 {
                            0 => Recency::unused(then),
                            _ => Recency::resumed(then),
                        }
                    };
                    (0..WIDTH).for_each(|slot| line.set(slot, recency(slot)));
                    let slots = old.slots(&line);
                    for slot in 0..WIDTH {
                        let is_old = recency(slot).age(tick) >= from[slot % 2];
                        assert_eq!(slots >> (8 * slot + 7) & 1, u64::from(is_old));
                    }
                }
            }
        }
    }
}
