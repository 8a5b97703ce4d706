//! How much of the harness is run.

/// Each part has options for each of these (`parts.rs`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Scale {
    /// Everything, for the record: all parts together stay under an hour on two cores.
    Full,
    /// A first impression: all parts together stay under three minutes.
    Quick,
    /// About a second for each part: that it runs and gives right answers. Times mean nothing.
    Touch,
}

impl std::fmt::Display for Scale {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(["full", "quick", "touch"][*self as usize])
    }
}
