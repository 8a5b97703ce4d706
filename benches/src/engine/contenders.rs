//! Who carries the loads, and how each is called: through one pointer for a whole batch.

use std::cell::RefCell;
use std::fmt;
use std::sync::{Arc, Mutex, RwLock};

use clap::ValueEnum;
use hdrhistogram::Histogram;
use rekindle::{Cache, SessionId};

use super::internal::Internal;
use super::loads::Load;
use super::place::{BATCH, Done, Place};
use super::scene::{Scene, Setup, owner};
use super::work;
use crate::peers::{
    Dash, Floor, LockedLru, Moka, OwnFloor, Papaya, Peer, QuickCache, Rekindle, RustlsMemory, Scc,
    Tiny,
};

/// A contender.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "kebab-case")]
#[allow(missing_docs)] // as the crates are called
pub enum Who {
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
}

impl Who {
    /// All of them; ratios are to the first.
    pub const ALL: &'static [Self] = &[
        Self::Floor,
        Self::Pinned,
        Self::Rekindle,
        Self::Dashmap,
        Self::Scc,
        Self::Papaya,
        Self::QuickCache,
        Self::Moka,
        Self::TinyUfo,
        Self::Lru,
        Self::Rustls,
        Self::OpenSsl,
    ];

    /// Whether it can carry a load with so many sessions.
    #[must_use]
    pub fn carries(self, load: Load, sessions: usize) -> bool {
        match self {
            Self::Pinned => load.only_reads(),
            // Only handshakes look sessions up.
            Self::OpenSsl => matches!(load, Load::Insert | Load::Remove),
            _ => self.fails(load, sessions).is_none(),
        }
    }

    /// Why it cannot carry a load, although it has the operations that the load consists of.
    #[must_use]
    pub fn fails(self, load: Load, sessions: usize) -> Option<&'static str> {
        let takes = matches!(load, Load::Take | Load::SingleUse);
        match self {
            // It clones, then removes: so 342 takes got 200 sessions (`peers/tests.rs`).
            Self::TinyUfo if takes => Some("hands one session out to several takers"),
            // 26 us with a thousand.
            Self::Rustls if (takes || load == Load::Remove) && sessions > 10_000 => {
                Some("searches a list of all to remove one")
            }
            _ => None,
        }
    }
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Floor => "floor",
            Self::Pinned => "rekindle, pinned",
            Self::Rekindle => "rekindle",
            Self::Dashmap => "dashmap",
            Self::Scc => "scc",
            Self::Papaya => "papaya",
            Self::QuickCache => "quick_cache",
            Self::Moka => "moka",
            Self::TinyUfo => "TinyUFO",
            Self::Lru => "Mutex<LruCache>",
            Self::Rustls => "rustls memory cache",
            Self::OpenSsl => "OpenSSL internal cache",
        })
    }
}

/// A session that a table is filled with.
#[derive(Clone, Copy, Debug)]
pub enum Belongs {
    /// One that stays, by its number.
    Staying(u32),
    /// One that comes and goes, by its thread.
    Going(usize),
}

/// A table that a load can be put on.
pub trait Carrier: Sync {
    /// Inserts a session, before the load.
    fn add(&self, belongs: Belongs, id: &SessionId, value: &[u8]);

    /// Whether it kept a session that stays.
    fn holds(&self, session: u32, id: &SessionId) -> bool;

    /// Does one batch of the load.
    fn batch(&self, load: Load, at: &Place<'_>) -> Done;

    /// Looks one batch of keys up and records how many nanoseconds each lookup took.
    fn time_gets(&self, at: &Place<'_>, latencies: &mut Histogram<u64>) -> Done;
}

impl<P: Peer + Sync> Carrier for P {
    fn add(&self, _: Belongs, id: &SessionId, value: &[u8]) {
        self.insert(id, value);
    }

    fn holds(&self, _: u32, id: &SessionId) -> bool {
        self.get(id).is_some()
    }

    fn batch(&self, load: Load, at: &Place<'_>) -> Done {
        work::batch(load, self, at)
    }

    fn time_gets(&self, at: &Place<'_>, latencies: &mut Histogram<u64>) -> Done {
        work::time_gets(self, at, latencies)
    }
}

/// The engine, pinned for each batch.
struct Pinned(Rekindle);

impl Carrier for Pinned {
    fn add(&self, belongs: Belongs, id: &SessionId, value: &[u8]) {
        self.0.add(belongs, id, value);
    }

    fn holds(&self, session: u32, id: &SessionId) -> bool {
        self.0.holds(session, id)
    }

    fn batch(&self, load: Load, at: &Place<'_>) -> Done {
        // A writer that is pinned for a whole batch would hold its own memory back.
        match load.only_reads() {
            true => work::batch(load, &self.0.pin(), at),
            false => work::batch(load, &self.0, at),
        }
    }

    fn time_gets(&self, at: &Place<'_>, latencies: &mut Histogram<u64>) -> Done {
        work::time_gets(&self.0.pin(), at, latencies)
    }
}

/// The floor: one table for everybody to read, or one for each thread to write.
struct Floors {
    all: RwLock<Floor>,
    own: Vec<Mutex<Floor>>,
    /// Whether the sessions that stay are in the table for everybody.
    shared: bool,
}

impl Floors {
    fn new(scene: &Scene, setup: &Setup) -> Self {
        let staying = scene.sessions.len();
        let (all, share) = match scene.shared {
            true => (staying, 0),
            false => (1, staying.div_ceil(setup.threads)),
        };
        // A batch that removes inserts as much before.
        let share = share + scene.alive as usize + 2 * BATCH;
        let own = || Mutex::new(Floor::new(share, setup.bytes));
        let writers = if scene.is_still() { 0 } else { setup.threads };
        Self {
            all: RwLock::new(Floor::new(all, setup.bytes)),
            own: (0..writers).map(|_| own()).collect(),
            shared: scene.shared,
        }
    }
}

impl Carrier for Floors {
    fn add(&self, belongs: Belongs, id: &SessionId, value: &[u8]) {
        let thread = match belongs {
            Belongs::Staying(_) if self.shared => {
                self.all.write().expect("not poisoned").put(id, value);
                return;
            }
            Belongs::Staying(session) => owner(session, self.own.len()),
            Belongs::Going(thread) => thread,
        };
        let mut own = self.own[thread].lock().expect("not poisoned");
        own.put(id, value);
    }

    fn holds(&self, session: u32, id: &SessionId) -> bool {
        if self.shared {
            return self.all.read().expect("not poisoned").look_up(id).is_some();
        }
        let own = &self.own[owner(session, self.own.len())];
        own.lock().expect("not poisoned").look_up(id).is_some()
    }

    fn batch(&self, load: Load, at: &Place<'_>) -> Done {
        if load.only_reads() {
            return work::batch(load, &*self.all.read().expect("not poisoned"), at);
        }
        let mut own = self.own[at.thread].lock().expect("not poisoned");
        let at = Place {
            keys: at.scene.own_keys.get(at.thread).map_or(&[], Vec::as_slice),
            ..*at
        };
        work::batch(load, &OwnFloor(RefCell::new(&mut own)), &at)
    }

    fn time_gets(&self, at: &Place<'_>, latencies: &mut Histogram<u64>) -> Done {
        work::time_gets(&*self.all.read().expect("not poisoned"), at, latencies)
    }
}

/// Makes an empty table. Where nobody writes, both of rekindle's contenders read `ours`.
pub(super) fn build(
    who: Who,
    scene: &Scene,
    setup: &Setup,
    ours: &mut Option<Rekindle>,
) -> Box<dyn Carrier> {
    let (count, room) = (setup.sessions, scene.room);
    let mut rekindle = || match scene.is_still() {
        true => ours.get_or_insert_with(|| cache(count)).clone(),
        false => cache(count),
    };
    match who {
        Who::Floor => Box::new(Floors::new(scene, setup)),
        Who::Pinned => Box::new(Pinned(rekindle())),
        Who::Rekindle => Box::new(rekindle()),
        Who::Dashmap => Box::new(Dash::new(count)),
        Who::Scc => Box::new(Scc::new(count)),
        Who::Papaya => Box::new(Papaya::new(count)),
        Who::QuickCache => Box::new(QuickCache::new(room)),
        Who::Moka => Box::new(Moka::new(room)),
        Who::TinyUfo => Box::new(Tiny::new(room)),
        Who::Lru => Box::new(LockedLru::new(room)),
        Who::Rustls => Box::new(RustlsMemory::new(room)),
        Who::OpenSsl => Box::new(Internal::new(scene, setup)),
    }
}

fn cache(capacity: usize) -> Rekindle {
    let cache = Cache::builder().capacity(capacity).build();
    Rekindle::new(Arc::new(cache.expect("a valid capacity")))
}
