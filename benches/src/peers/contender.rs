//! The contenders, as they are called on the command line and in the record.

use clap::ValueEnum;

use super::adapters::{Dash, Fifo, LockedLru, Moka, Papaya, QuickCache, RustlsMemory, Scc, Tiny};
use super::ours::Rekindle;
use super::peer::Peer;
use crate::record::named;

/// A contender: the engine, a peer, or what both are compared to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Contender {
    /// An unsynchronised table; where something is written, one for each thread with its share.
    Floor,
    /// Pinned once for each batch; only where nothing is written.
    Pinned,
    Rekindle,
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

/// What is done with a peer of any type.
pub(crate) trait WithPeer {
    type Output;

    fn with<P: Peer + Sync + 'static>(self, peer: P) -> Self::Output;
}

struct Boxed;

impl WithPeer for Boxed {
    type Output = Box<dyn Peer + Sync>;

    fn with<P: Peer + Sync + 'static>(self, peer: P) -> Self::Output {
        Box::new(peer)
    }
}

impl Contender {
    /// A table of its own for each of these can be made by [`make`](Self::make).
    pub(crate) fn tables() -> impl Iterator<Item = Self> {
        let others = [Self::Floor, Self::Pinned, Self::OpenSsl];
        let all = Self::value_variants().iter().copied();
        all.filter(move |contender| !others.contains(contender))
    }

    /// Hands an empty table with room for that number of sessions to `with`.
    pub(crate) fn make<W: WithPeer>(self, room: usize, with: W) -> W::Output {
        match self {
            Self::Rekindle => with.with(Rekindle::new(room)),
            Self::Dashmap => with.with(Dash::new(room)),
            Self::Scc => with.with(Scc::new(room)),
            Self::Papaya => with.with(Papaya::new(room)),
            Self::QuickCache => with.with(QuickCache::new(room)),
            Self::Moka => with.with(Moka::new(room)),
            Self::TinyUfo => with.with(Tiny::new(room)),
            Self::Lru => with.with(LockedLru::new(room)),
            Self::Rustls => with.with(RustlsMemory::new(room)),
            Self::Fifo => with.with(Fifo::new(room)),
            Self::Floor | Self::Pinned | Self::OpenSsl => unreachable!("{self} is made by engine/"),
        }
    }

    pub(crate) fn boxed(self, room: usize) -> Box<dyn Peer + Sync> {
        self.make(room, Boxed)
    }
}

named!(Contender {
    Floor => "floor",
    Pinned => "rekindle, pinned",
    Rekindle => "rekindle",
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
