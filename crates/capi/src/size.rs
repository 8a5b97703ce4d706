//! Structures that begin with their size, and grow at their end.

use crate::failure::Failure;

/// No later version's structure is longer than this, in bytes; a size that was never set may be.
const ABSURD: u64 = 4096;

/// Takes the size that C gives, in bytes, if a structure whose first version had `first` can have it.
pub(crate) fn check(given: u64, first: u64) -> Result<usize, Failure> {
    if (first..=ABSURD).contains(&given) {
        Ok(given as usize)
    } else {
        Err(Failure::Size {
            given,
            least: first,
        })
    }
}
