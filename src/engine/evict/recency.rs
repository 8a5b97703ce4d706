//! What is remembered of each entry's use, in a byte beside the pointer to its line.
//!
//! Marks are hints to the hand, and Relaxed for that reason: nothing is published by them. One that is
//! written for a slot whose entry has just changed tells something wrong about the new one, once.

use crate::engine::table::WIDTH;
use crate::sync::{AtomicU8, Ordering};

/// Ages that can be told apart; older ones look young again, unless the hand renews their marks.
pub(crate) const AGES: u8 = 128;

/// Whether an entry was ever resumed, and the lap (see `aging.rs`) in which it was last put or found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark(u8);

const RESUMED: u8 = AGES;

impl Mark {
    pub(crate) fn unused(lap: usize) -> Self {
        Self(lap as u8 % AGES)
    }

    #[inline(always)]
    pub(crate) fn resumed(lap: usize) -> Self {
        Self((lap as u8 % AGES) | RESUMED)
    }

    /// As long used, or not, but of a lap.
    pub(crate) fn at(self, lap: usize) -> Self {
        Self((lap as u8 % AGES) | (self.0 & RESUMED))
    }

    /// Did anybody ever come back for the entry?
    pub(crate) fn was_resumed(self) -> bool {
        self.0 & RESUMED != 0
    }

    /// Laps since it was last put or found.
    #[inline(always)]
    pub(crate) fn age(self, lap: usize) -> u8 {
        (lap as u8).wrapping_sub(self.0) % AGES
    }
}

/// The marks of a line's entries, by slot. That of a free slot says nothing.
pub(crate) struct Marks([AtomicU8; WIDTH]);

impl Marks {
    pub(crate) fn new() -> Self {
        Self(std::array::from_fn(|_| AtomicU8::new(0)))
    }

    #[inline(always)]
    pub(crate) fn get(&self, slot: usize) -> Mark {
        Mark(self.0[slot].load(Ordering::Relaxed))
    }

    #[inline(always)]
    pub(crate) fn set(&self, slot: usize, mark: Mark) {
        self.0[slot].store(mark.0, Ordering::Relaxed);
    }

    /// All of them, in the order of their slots.
    #[inline(always)]
    pub(crate) fn all(&self) -> impl Iterator<Item = Mark> {
        self.0.iter().map(|mark| Mark(mark.load(Ordering::Relaxed)))
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_mark_tells_its_age_and_whether_it_was_resumed() {
        for lap in [0, 5, 127, 128, 1_000] {
            for later in 0..usize::from(AGES) {
                assert_eq!(Mark::unused(lap).age(lap + later), later as u8);
                assert_eq!(Mark::resumed(lap).age(lap + later), later as u8);
                assert_eq!(Mark::unused(0).at(lap), Mark::unused(lap));
                assert_eq!(Mark::resumed(0).at(lap), Mark::resumed(lap));
            }
            assert!(Mark::resumed(lap).was_resumed() && !Mark::unused(lap).was_resumed());
        }
    }
}
