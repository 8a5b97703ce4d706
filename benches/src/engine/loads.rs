//! Loads: what the contenders do.

use clap::ValueEnum;

use crate::peers::{Contender, Entrant};
use crate::record::named;

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Load {
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
    pub(crate) fn only_reads(self) -> bool {
        matches!(
            self,
            Self::GetBuffer | Self::GetBufferIndependent | Self::Get
        )
    }

    /// Whether it asks for sessions in an order that can be chosen.
    pub(super) fn has_keys(self) -> bool {
        let mixed = matches!(self, Self::Mixed5 | Self::Mixed20 | Self::Mixed50);
        mixed || matches!(self, Self::GetBufferIndependent | Self::Get | Self::Replace)
    }
}

named!(Load {
    GetBuffer => "get_buffer, dependent keys",
    GetBufferIndependent => "get_buffer, independent keys",
    Get => "get, random keys",
    Insert => "insert, new ids",
    Replace => "replace",
    Remove => "remove",
    Take => "take",
    Mixed5 => "mixed, 5 % inserts of new ids",
    Mixed20 => "mixed, 20 % inserts of new ids",
    Mixed50 => "mixed, 50 % inserts of new ids",
    SingleUse => "single use: take and two inserts",
});

/// The contenders that can carry a load with that number of sessions. Where something is written,
/// and so dropped, in each of their forms: while all only read, these are the same code.
pub(crate) fn entrants(all: &[Contender], load: Load, written: bool, count: usize) -> Vec<Entrant> {
    let able = all.iter().filter(|c| carries(**c, load, count));
    let forms = able.flat_map(|contender| contender.forms());
    forms.filter(|one| written || !one.wiping).collect()
}

fn carries(contender: Contender, load: Load, sessions: usize) -> bool {
    match contender {
        Contender::Pinned => load.only_reads(),
        #[cfg(rekindle_before)]
        Contender::BeforePinned => load.only_reads(),
        // Only handshakes look sessions up.
        Contender::OpenSsl => matches!(load, Load::Insert | Load::Remove),
        _ => failure(contender, load, sessions).is_none(),
    }
}

/// Why a contender cannot carry a load, although it has the operations that the load consists of.
pub(super) fn failure(contender: Contender, load: Load, sessions: usize) -> Option<&'static str> {
    let takes = matches!(load, Load::Take | Load::SingleUse);
    match contender {
        // It clones, then removes: so 342 takes got 200 sessions (`peers/tests.rs`).
        Contender::TinyUfo if takes => Some("hands one session out to several takers"),
        // 26 us with a thousand.
        Contender::Rustls if (takes || load == Load::Remove) && sessions > 10_000 => {
            Some("searches a list of all to remove one")
        }
        _ => None,
    }
}
