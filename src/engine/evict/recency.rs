//! When an entry was last used, in a byte beside the pointers of its line.
//!
//! Recency bytes are hints to the clock hand, and Relaxed for that reason: they publish nothing.
//! One that is written for a slot whose entry has just changed tells something wrong about the new
//! entry, once.

use crate::sync::{AtomicU8, Ordering};

/// Slots of a line: with the recency of their entries they fill a cache line. Under loom, each look
/// at a slot is a step to explore.
pub(crate) const WIDTH: usize = if cfg!(loom) { 2 } else { 7 };

/// Ages that can be told apart; older ones look young again, unless the clock hand renews
/// their recency.
pub(crate) const AGES: u8 = 128;

/// Whether an entry was ever resumed, and the age tick (see `rank.rs`) in which it was last
/// inserted or found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Recency(u8);

const RESUMED: u8 = AGES;

impl Recency {
    pub(crate) fn unused(tick: usize) -> Self {
        Self(tick as u8 % AGES)
    }

    #[inline(always)]
    pub(crate) fn resumed(tick: usize) -> Self {
        Self((tick as u8 % AGES) | RESUMED)
    }

    /// As often resumed, but of another tick.
    pub(crate) fn at(self, tick: usize) -> Self {
        Self((tick as u8 % AGES) | (self.0 & RESUMED))
    }

    /// Whether a lookup ever found the entry.
    pub(crate) fn was_resumed(self) -> bool {
        self.0 & RESUMED != 0
    }

    /// Ticks since it was last inserted or found.
    #[inline(always)]
    pub(crate) fn age(self, tick: usize) -> u8 {
        (tick as u8).wrapping_sub(self.0) % AGES
    }
}

/// The recency of a line's entries, by slot. That of a free slot says nothing.
pub(crate) struct LineRecency([AtomicU8; WIDTH]);

impl LineRecency {
    pub(crate) fn new() -> Self {
        Self(std::array::from_fn(|_| AtomicU8::new(0)))
    }

    #[inline(always)]
    pub(crate) fn get(&self, slot: usize) -> Recency {
        Recency(self.0[slot].load(Ordering::Relaxed))
    }

    #[inline(always)]
    pub(crate) fn set(&self, slot: usize, recency: Recency) {
        self.0[slot].store(recency.0, Ordering::Relaxed);
    }

    /// All of them, the first slot's in the lowest byte. Beyond the last slot there is zero.
    #[inline(always)]
    pub(crate) fn bits(&self) -> u64 {
        let byte = |slot: usize| u64::from(self.0[slot].load(Ordering::Relaxed)) << (8 * slot);
        (0..WIDTH).map(byte).sum()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_recency_byte_tells_its_age_and_whether_it_was_resumed() {
        for tick in [0, 5, 127, 128, 1_000] {
            for later in 0..usize::from(AGES) {
                assert_eq!(Recency::unused(tick).age(tick + later), later as u8);
                assert_eq!(Recency::resumed(tick).age(tick + later), later as u8);
                assert_eq!(Recency::unused(0).at(tick), Recency::unused(tick));
                assert_eq!(Recency::resumed(0).at(tick), Recency::resumed(tick));
            }
            assert!(Recency::resumed(tick).was_resumed() && !Recency::unused(tick).was_resumed());
        }
    }
}
