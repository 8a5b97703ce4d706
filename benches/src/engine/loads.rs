//! Loads: what the contenders do.

use std::fmt;

use clap::ValueEnum;

/// What the contenders do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Load {
    /// Copies values, each of which leads to the next id.
    GetBuffer,
    /// Copies values of sessions that are known beforehand: lookups overlap.
    GetBufferIndependent,
    /// Takes hold of live sessions that are known beforehand.
    Get,
    /// Inserts ids that were never seen before, into a table that is full. Caches evict by
    /// themselves; of maps (and the floor) each insert removes the session that its thread inserted
    /// longest ago, so that all hold the same number of entries.
    Insert,
    /// Inserts under ids that are there.
    Replace,
    /// Removes sessions that were inserted half a table ago. The table is half full, so that
    /// nothing is evicted; before each batch as many are inserted, which is not timed.
    Remove,
    /// As `Remove`, and hands the session out.
    Take,
    /// Lookups of a fixed half of the sessions, and 5 % inserts as in `Insert`. A lookup that
    /// misses inserts its session again, as a server does after the full handshake.
    #[value(name = "mixed-5")]
    Mixed5,
    /// 20 %.
    #[value(name = "mixed-20")]
    Mixed20,
    /// 50 %.
    #[value(name = "mixed-50")]
    Mixed50,
    /// A TLS 1.3 resumption: takes the session that the client presents (once), and inserts two
    /// new ones (of two that were given out, one comes back). One operation is all three.
    SingleUse,
}

impl Load {
    /// All of them.
    pub const ALL: &'static [Self] = &[
        Self::GetBuffer,
        Self::GetBufferIndependent,
        Self::Get,
        Self::Insert,
        Self::Replace,
        Self::Remove,
        Self::Take,
        Self::Mixed5,
        Self::Mixed20,
        Self::Mixed50,
        Self::SingleUse,
    ];

    /// Whether tables stay as they are.
    #[must_use]
    pub fn only_reads(self) -> bool {
        matches!(
            self,
            Self::GetBuffer | Self::GetBufferIndependent | Self::Get
        )
    }

    /// Whether it asks for sessions in an order that can be chosen.
    #[must_use]
    pub fn has_keys(self) -> bool {
        let mixed = matches!(self, Self::Mixed5 | Self::Mixed20 | Self::Mixed50);
        mixed || matches!(self, Self::GetBufferIndependent | Self::Get | Self::Replace)
    }
}

impl fmt::Display for Load {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::GetBuffer => "get_buffer, dependent keys",
            Self::GetBufferIndependent => "get_buffer, independent keys",
            Self::Get => "get, random keys",
            Self::Insert => "insert, new ids",
            Self::Replace => "replace",
            Self::Remove => "remove",
            Self::Take => "take",
            Self::Mixed5 => "mixed, 5 % inserts of new ids",
            Self::Mixed20 => "mixed, 20 % inserts of new ids",
            Self::Mixed50 => "mixed, 50 % inserts of new ids",
            Self::SingleUse => "single use: take and two inserts",
        })
    }
}
