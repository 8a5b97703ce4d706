//! What tables are filled with, before a load is put on them.

use super::loads::Load;
use crate::workload::{Keys, Sessions};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Setup {
    pub(crate) sessions: usize,
    pub(crate) threads: usize,
    pub(crate) bytes: usize,
    pub(crate) keys: Keys,
}

#[derive(Debug)]
pub(crate) struct Population {
    pub(super) sessions: Sessions,
    /// Of those that come and go, how many of each thread are alive at a time.
    pub(super) alive: u64,
    /// How many sessions of a thread lie between one that is inserted and the one that is taken
    /// then; 0 where none is.
    pub(super) presented: u64,
    pub(super) keys: Vec<Vec<u32>>,
    /// The same for contenders with a table for each thread: keys among its share.
    pub(super) own_keys: Vec<Vec<u32>>,
    /// Entries for which others' caches are made. Where nothing may be lost it is more than
    /// rekindle's own capacity: some keep less than they are asked to.
    pub(super) room: usize,
    /// Whether threads that look up never write, so that they can share an unsynchronised table.
    pub(super) shared: bool,
}

impl Population {
    pub(crate) fn new(load: Load, setup: &Setup) -> Self {
        let count = setup.sessions;
        let shared = load.only_reads();
        let (staying, going, room) = match load {
            Load::GetBuffer | Load::GetBufferIndependent | Load::Get | Load::Replace => {
                (count, 0, 2 * count)
            }
            Load::Mixed5 | Load::Mixed20 | Load::Mixed50 => (count / 2, count / 2, count),
            Load::Insert => (0, count, count),
            Load::Remove | Load::Take => (0, count / 2, count),
            Load::SingleUse => return Self::single_use(setup),
        };
        Self::of(staying, going, room, shared, setup)
    }

    /// For sessions that are presented an eighth of a table after they were inserted. Of two, one
    /// is; the others stay until they are evicted, or for so long that as many are alive.
    fn single_use(setup: &Setup) -> Self {
        let mut population = Self::of(0, 0, setup.sessions, false, setup);
        // Even, so that it is always the first of two that is presented.
        let share = (setup.sessions / setup.threads / 16 * 16).max(16) as u64;
        population.presented = share / 8;
        population.alive = 2 * share - population.presented;
        population
    }

    /// Whether a session that comes and goes, of those inserted before the load, is still there
    /// when it begins.
    pub(crate) fn is_there(&self, step: u64) -> bool {
        let was_presented = step + self.presented < self.alive && step.is_multiple_of(2);
        self.presented == 0 || !was_presented
    }

    /// For threads that look a half up, while others make the other half come and go.
    pub(crate) fn beside_writers(setup: &Setup) -> Self {
        let half = setup.sessions / 2;
        Self::of(half, half, setup.sessions, true, setup)
    }

    fn of(staying: usize, going: usize, room: usize, shared: bool, setup: &Setup) -> Self {
        Self {
            sessions: Sessions::new(staying, setup.bytes),
            alive: (going / setup.threads) as u64,
            presented: 0,
            keys: Vec::new(),
            own_keys: Vec::new(),
            room,
            shared,
        }
    }

    /// Whether no thread writes.
    pub(crate) fn is_still(&self) -> bool {
        self.shared && self.alive == 0
    }

    /// Draws the keys of each thread from those sessions that no contender has lost.
    pub(crate) fn draw_keys(&mut self, setup: &Setup, lost: &[bool]) {
        let kept = (0..self.sessions.len() as u32).filter(|s| !lost[*s as usize]);
        let kept: Vec<u32> = kept.collect();
        if kept.is_empty() {
            return;
        }
        let draw = |thread: usize, from: Vec<u32>| {
            let count = (2 * from.len() / setup.threads).clamp(1 << 16, 1 << 22);
            setup.keys.draw(from, count, thread as u64)
        };
        let threads = 0..setup.threads;
        self.keys = threads.clone().map(|t| draw(t, kept.clone())).collect();
        if !self.shared {
            let is_own = |s: &u32, thread| owner(*s, setup.threads) == thread;
            let own = |t| kept.iter().copied().filter(|s| is_own(s, t)).collect();
            self.own_keys = threads.map(|t| draw(t, own(t))).collect();
        }
    }
}

/// The thread that has a session in its share.
pub(super) fn owner(session: u32, threads: usize) -> usize {
    session as usize % threads
}
