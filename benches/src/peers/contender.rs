//! The contenders, as they are called on the command line and in the record.

use std::fmt;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use super::peer::Peer;
use crate::record::named;

/// A contender: the engine, a peer, or what both are compared to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
pub(crate) enum Contender {
    /// An unsynchronised table; where something is written, one for each thread with its share.
    Floor,
    /// Pinned once for each batch; only where nothing is written.
    Pinned,
    Rekindle,
    /// The engine at another commit, which `compare-with` brings.
    #[cfg(rekindle_before)]
    BeforePinned,
    #[cfg(rekindle_before)]
    Before,
    Dashmap,
    Scc,
    Papaya,
    QuickCache,
    Moka,
    #[value(name = "tinyufo")]
    TinyUfo,
    Lru,
    Rustls,
    /// OpenSSL's own, where nothing is looked up.
    #[value(name = "openssl")]
    OpenSsl,
    /// Exact first in, first out; in the part hit-ratio only.
    #[value(skip)]
    Fifo,
}

/// A contender in one of its forms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entrant {
    pub(crate) contender: Contender,
    /// Whether its values overwrite themselves when they are dropped: a session is a secret, and
    /// ours does so. OpenSSL does so as well, rustls lets no one choose.
    pub(crate) wiping: bool,
}

/// Evaluates an expression with an empty table of an [`Entrant`] as `$peer`, which has room for
/// that number of sessions and a type of its own.
macro_rules! with_peer {
    ($entrant:expr, $room:expr, $peer:ident => $use:expr) => {
        with_peer!(@ $entrant, $room, $peer => $use; [
            Dashmap Dash, Scc Scc, Papaya Papaya, QuickCache QuickCache, Moka Moka, TinyUfo Tiny,
            Lru LockedLru, Fifo Fifo
        ])
    };
    (@ $entrant:expr, $room:expr, $peer:ident => $use:expr; [$($name:ident $type:ident),*]) => {{
        use $crate::peers::adapters;
        let entrant: $crate::peers::Entrant = $entrant;
        match (entrant.contender, entrant.wiping) {
            $(
                ($crate::peers::Contender::$name, false) => {
                    let $peer = adapters::$type::<std::sync::Arc<[u8]>>::new($room);
                    $use
                }
                ($crate::peers::Contender::$name, true) => {
                    let $peer = adapters::$type::<std::sync::Arc<adapters::Wiping>>::new($room);
                    $use
                }
            )*
            ($crate::peers::Contender::Rekindle, _) => {
                let $peer = <$crate::peers::Rekindle as $crate::peers::Engine>::new($room);
                $use
            }
            ($crate::peers::Contender::Rustls, _) => {
                let $peer = adapters::RustlsMemory::new($room);
                $use
            }
            _ => unreachable!("{entrant} is made by engine/"),
        }
    }};
}

pub(crate) use with_peer;

impl Contender {
    /// A table of its own for each of these can be made by [`boxed`](Entrant::boxed).
    pub(crate) fn tables() -> impl Iterator<Item = Self> {
        let own = |one: &Self| one.has_forms() || [Self::Rekindle, Self::Rustls].contains(one);
        Self::value_variants().iter().copied().filter(own)
    }

    fn has_forms(self) -> bool {
        use Contender::{Dashmap, Fifo, Lru, Moka, Papaya, QuickCache, Scc, TinyUfo};
        matches!(
            self,
            Dashmap | Scc | Papaya | QuickCache | Moka | TinyUfo | Lru | Fifo
        )
    }

    /// As it comes.
    pub(crate) fn plain(self) -> Entrant {
        let (contender, wiping) = (self, false);
        Entrant { contender, wiping }
    }

    /// In each of its forms.
    pub(crate) fn forms(self) -> impl Iterator<Item = Entrant> {
        let (contender, wiping) = (self, true);
        let wiping = (self.has_forms()).then_some(Entrant { contender, wiping });
        [self.plain()].into_iter().chain(wiping)
    }
}

impl Entrant {
    pub(crate) fn boxed(self, room: usize) -> Box<dyn Peer + Sync> {
        with_peer!(self, room, peer => Box::new(peer))
    }
}

impl fmt::Display for Entrant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let form = if self.wiping { ", wiping" } else { "" };
        write!(f, "{}{form}", self.contender)
    }
}

named!(Contender {
    Floor => "floor",
    Pinned => "rekindle, pinned",
    Rekindle => "rekindle",
    #[cfg(rekindle_before)] BeforePinned => "rekindle, before, pinned",
    #[cfg(rekindle_before)] Before => "rekindle, before",
    Dashmap => "dashmap",
    Scc => "scc",
    Papaya => "papaya",
    QuickCache => "quick_cache",
    Moka => "moka",
    TinyUfo => "TinyUFO",
    Lru => "Mutex<LruCache>",
    Rustls => "rustls memory cache",
    OpenSsl => "OpenSSL internal cache",
    Fifo => "FIFO",
});
