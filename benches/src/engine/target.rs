//! Load targets: tables of the contenders, each called through one pointer for a whole batch.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, RwLock};

use openssl::ssl::{SslContext, SslSession};
use rekindle::SessionId;

use super::batch::{BATCH, Batch, Churn, Counts};
use super::loads::Load;
use super::operations::{self, Latencies, timed};
use super::population::{Population, Setup, owner};
#[cfg(rekindle_before)]
use crate::peers::Before;
use crate::peers::{Contender, Engine, Entrant, Floor, Peer, Rekindle, with_peer};
use crate::tls::{Server, Store, add_session, remove_session, session};

/// The sessions that one is from.
#[derive(Clone, Copy)]
pub(crate) enum KeySet {
    /// Sessions that stay; the session's number.
    Staying(u32),
    /// Sessions that come and go; the thread.
    Going(usize),
}

/// A table that a load can be put on.
pub(crate) trait LoadTarget: Sync {
    fn add(&self, from: KeySet, id: &SessionId, value: &[u8]);

    /// Whether it kept a session that stays.
    fn holds(&self, _session: u32, _id: &SessionId) -> bool {
        unreachable!("its loads have no sessions that stay")
    }

    /// Does a batch. Of `Get` and `Insert`, records how long each call took where that is wanted.
    fn run(&self, load: Load, batch: &Batch<'_>, took: Option<&mut Latencies>) -> Counts;
}

impl<P: Peer + Sync> LoadTarget for P {
    fn add(&self, _: KeySet, id: &SessionId, value: &[u8]) {
        self.insert(id, value);
    }

    fn holds(&self, _: u32, id: &SessionId) -> bool {
        self.get(id).is_some()
    }

    fn run(&self, load: Load, batch: &Batch<'_>, took: Option<&mut Latencies>) -> Counts {
        operations::run(load, self, batch, took)
    }
}

struct Pinned<E>(E);

impl<E: Engine> LoadTarget for Pinned<E> {
    fn add(&self, from: KeySet, id: &SessionId, value: &[u8]) {
        self.0.add(from, id, value);
    }

    fn holds(&self, session: u32, id: &SessionId) -> bool {
        self.0.holds(session, id)
    }

    fn run(&self, load: Load, batch: &Batch<'_>, took: Option<&mut Latencies>) -> Counts {
        // A writer that is pinned for a whole batch would hold its own memory back.
        match load.only_reads() {
            true => operations::run(load, &self.0.pin(), batch, took),
            false => operations::run(load, &self.0, batch, took),
        }
    }
}

const SOUND: &str = "not poisoned";

/// The floor: one table that all threads read, or one for each thread to write.
struct Floors {
    all: RwLock<Floor>,
    own: Vec<Mutex<Floor>>,
    /// Whether the sessions that stay are in the table that all threads read.
    shared: bool,
}

impl Floors {
    fn new(population: &Population, setup: &Setup) -> Self {
        let staying = population.sessions.len();
        let (all, share) = match population.shared {
            true => (staying, 0),
            false => (1, staying.div_ceil(setup.threads)),
        };
        // A batch that removes inserts as much before.
        let share = share + population.alive as usize + 2 * BATCH;
        let own = || Mutex::new(Floor::new(share, setup.bytes));
        let writers = setup.threads * usize::from(!population.is_still());
        Self {
            all: RwLock::new(Floor::new(all, setup.bytes)),
            own: (0..writers).map(|_| own()).collect(),
            shared: population.shared,
        }
    }

    fn own(&self, thread: usize) -> MutexGuard<'_, Floor> {
        self.own[thread].lock().expect(SOUND)
    }

    /// The table that has a session which stays.
    fn share(&self, session: u32) -> MutexGuard<'_, Floor> {
        self.own(owner(session, self.own.len()))
    }
}

impl LoadTarget for Floors {
    fn add(&self, from: KeySet, id: &SessionId, value: &[u8]) {
        match from {
            KeySet::Staying(_) if self.shared => self.all.write().expect(SOUND).put(id, value),
            KeySet::Staying(session) => self.share(session).put(id, value),
            KeySet::Going(thread) => self.own(thread).put(id, value),
        };
    }

    fn holds(&self, session: u32, id: &SessionId) -> bool {
        match self.shared {
            true => self.all.read().expect(SOUND).look_up(id).is_some(),
            false => self.share(session).look_up(id).is_some(),
        }
    }

    fn run(&self, load: Load, batch: &Batch<'_>, took: Option<&mut Latencies>) -> Counts {
        if load.only_reads() {
            return operations::run(load, &*self.all.read().expect(SOUND), batch, took);
        }
        let own_keys = &batch.population.own_keys;
        let batch = Batch {
            keys: own_keys.get(batch.thread).map_or(&[], Vec::as_slice),
            ..*batch
        };
        let mut own = self.own(batch.thread);
        operations::run(load, &RefCell::new(&mut *own), &batch, took)
    }
}

/// OpenSSL's internal cache, a hash table and a list under one lock inside an `SSL_CTX`. Only a
/// handshake can look a session up in it (the part `handshake` measures that). It is given live
/// sessions that are made beforehand and not timed: no id is hashed with a key, no encoding copied.
struct Internal {
    cache: SslContext,
    /// Of each thread, the sessions that it has inserted and not removed.
    held: Vec<Mutex<VecDeque<SslSession>>>,
}

impl Internal {
    fn held(&self, thread: usize) -> MutexGuard<'_, VecDeque<SslSession>> {
        self.held[thread].lock().expect(SOUND)
    }

    fn new_sessions(batch: &Batch<'_>) -> Vec<SslSession> {
        let mut churn = Churn::new(batch);
        let one = |_| session(churn.next().id.as_bytes());
        (0..BATCH).map(one).collect()
    }

    fn put(&self, session: &SslSession) {
        assert!(add_session(&self.cache, session), "an id was there before");
    }

    fn insert(&self, batch: &Batch<'_>) -> Counts {
        // Held, an evicted session would not be freed.
        self.held(batch.thread).clear();
        let mut new = Self::new_sessions(batch);
        let last = new.last().cloned();
        let counts = timed(|_| new.drain(..).for_each(|session| self.put(&session)));
        if let Some(last) = last {
            // It is gone by now if others have filled the cache meanwhile.
            remove_session(&self.cache, &last);
            let again = remove_session(&self.cache, &last);
            assert!(!again, "a session was removed and is still there");
        }
        counts
    }

    fn remove(&self, batch: &Batch<'_>) -> Counts {
        let mut held = self.held(batch.thread);
        for session in Self::new_sessions(batch) {
            self.put(&session);
            held.push_back(session);
        }
        let old: Vec<_> = held.drain(..BATCH).collect();
        let mut counts = timed(|counts| {
            for session in &old {
                counts.missed += u64::from(!remove_session(&self.cache, session));
            }
        });
        counts.asked = BATCH as u64;
        let again = old
            .last()
            .is_some_and(|last| remove_session(&self.cache, last));
        assert!(!again, "a session was removed and is still there");
        counts
    }
}

impl LoadTarget for Internal {
    fn add(&self, from: KeySet, id: &SessionId, _: &[u8]) {
        let KeySet::Going(thread) = from else {
            unreachable!("its loads have no sessions that stay");
        };
        let session = session(id.as_bytes());
        self.put(&session);
        self.held(thread).push_back(session);
    }

    fn run(&self, load: Load, batch: &Batch<'_>, _: Option<&mut Latencies>) -> Counts {
        match load {
            Load::Insert => self.insert(batch),
            Load::Remove => self.remove(batch),
            _ => unreachable!("it does not carry this load"),
        }
    }
}

/// Makes an empty table.
pub(super) fn build(of: Entrant, population: &Population, setup: &Setup) -> Box<dyn LoadTarget> {
    let (count, room) = (setup.sessions, population.room);
    match of.contender {
        Contender::Floor => Box::new(Floors::new(population, setup)),
        Contender::Pinned => Box::new(Pinned(Rekindle::new(count))),
        #[cfg(rekindle_before)]
        Contender::BeforePinned => Box::new(Pinned(Before::new(count))),
        #[cfg(rekindle_before)]
        Contender::Before => Box::new(Before::new(count)),
        Contender::OpenSsl => Box::new(Internal {
            // It evicts as soon as it is full, counting the one that comes in.
            cache: Server::new(Store::Internal, room + 1).context,
            held: (0..setup.threads).map(|_| Mutex::default()).collect(),
        }),
        Contender::Rekindle | Contender::Dashmap | Contender::Scc | Contender::Papaya => {
            with_peer!(of, count, peer => Box::new(peer))
        }
        _ => with_peer!(of, room, peer => Box::new(peer)),
    }
}
