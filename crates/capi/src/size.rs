//! Structures that begin with their size and grow at their end.

use crate::failure::Failure;

/// No later version's structure is longer, in bytes. A size field that was never set may be.
const MOST: u64 = 4096;

/// Accepts the size in bytes that C gives, unless it is below the first version's or above
/// [`MOST`].
pub(crate) fn check(given: u64, first: u64) -> Result<usize, Failure> {
    if (first..=MOST).contains(&given) {
        Ok(given as usize)
    } else {
        Err(Failure::Size {
            given,
            least: first,
        })
    }
}
