//! How much of the harness is run.

use std::fmt;

/// Each part of the harness has options for each of these; all can be changed on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Scale {
    /// Everything, for the record: all parts together stay under an hour on two cores.
    Full,
    /// A first impression: all parts together stay under three minutes.
    Quick,
    /// About a second for each part: that it runs and gives right answers. Times mean nothing.
    Touch,
}

impl Scale {
    /// Picks the value for this scale.
    pub fn pick<T>(self, full: T, quick: T, touch: T) -> T {
        match self {
            Self::Full => full,
            Self::Quick => quick,
            Self::Touch => touch,
        }
    }
}

impl fmt::Display for Scale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.pick("full", "quick", "touch"))
    }
}
