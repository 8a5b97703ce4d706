//! The tables of all contenders, filled.

use std::fmt;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use super::contenders::{Belongs, Carrier, Who, build};
use super::loads::Load;
use super::place::Place;
use super::scene::{Scene, Setup};
use crate::threads::on_threads;
use crate::workload::{Value, churned};

/// The tables for one load, or for all that only read.
#[derive(Debug)]
pub struct Tables {
    /// What they were filled with.
    pub scene: Scene,
    /// One for each contender.
    pub tables: Vec<Table>,
}

/// The table of one contender.
pub struct Table {
    /// Whose.
    pub who: Who,
    /// The table.
    pub carrier: Box<dyn Carrier>,
    /// For each thread, how many sessions that come and go it has inserted.
    inserted: Vec<AtomicU64>,
    /// Whether another contender's table is the same and is filled.
    alias: bool,
}

impl Table {
    /// Where a thread does a batch on this table.
    #[must_use]
    pub fn place<'a>(&'a self, scene: &'a Scene, thread: usize, batch: usize) -> Place<'a> {
        Place {
            scene,
            keys: scene.keys.get(thread).map_or(&[], |keys| &keys[..]),
            thread,
            batch,
            inserted: &self.inserted[thread],
        }
    }

    fn fill(&self, scene: &Scene) {
        let sessions = &scene.sessions;
        let mut value = Value::new(sessions.bytes());
        for session in 0..sessions.len() as u32 {
            self.put_staying(scene, session, &mut value);
        }
        // Each has been resumed before: else caches would take them for a flood.
        for session in 0..sessions.len() as u32 {
            self.carrier.holds(session, sessions.id(session));
        }
        for (thread, inserted) in self.inserted.iter().enumerate() {
            for step in (0..scene.alive).filter(|step| scene.is_there(*step)) {
                let new = churned(thread, step);
                let bytes = value.of(new.number, 0);
                self.carrier.add(Belongs::Going(thread), &new.id, bytes);
            }
            inserted.store(scene.alive, Ordering::Relaxed);
        }
    }

    fn put_staying(&self, scene: &Scene, session: u32, value: &mut Value) {
        let (id, bytes) = (
            scene.sessions.id(session),
            scene.sessions.value(session, value),
        );
        self.carrier.add(Belongs::Staying(session), id, bytes);
    }

    /// Inserts those sessions again that should stay and were lost.
    pub fn restore(&self, scene: &Scene) {
        let mut value = Value::new(scene.sessions.bytes());
        for session in 0..scene.sessions.len() as u32 {
            if !self.carrier.holds(session, scene.sessions.id(session)) {
                self.put_staying(scene, session, &mut value);
            }
        }
    }
}

impl Tables {
    /// Tables for a load.
    ///
    /// # Panics
    ///
    /// For a setup that no table can be made for: 2^32 sessions, say.
    #[must_use]
    pub fn new(load: Load, setup: &Setup, who: &[Who]) -> Self {
        Self::filled(Scene::new(load, setup), setup, who)
    }

    /// Tables for these sessions.
    ///
    /// # Panics
    ///
    /// As [`new`](Self::new).
    #[must_use]
    pub fn filled(mut scene: Scene, setup: &Setup, all: &[Who]) -> Self {
        let mut ours = None;
        let mut table = |who: &Who| Table {
            who: *who,
            carrier: build(*who, &scene, setup, &mut ours),
            inserted: (0..setup.threads).map(|_| AtomicU64::new(0)).collect(),
            alias: *who == Who::Pinned && scene.is_still() && all.contains(&Who::Rekindle),
        };
        let tables: Vec<_> = all.iter().map(&mut table).collect();
        on_each(&tables, |table| table.fill(&scene));

        let mut lost = vec![false; scene.sessions.len()];
        if scene.is_still() {
            // Lines of eight have overflowed here and there: only what all have kept is asked for.
            for table in &tables {
                for (session, lost) in lost.iter_mut().enumerate() {
                    let id = scene.sessions.id(session as u32);
                    *lost |= !table.carrier.holds(session as u32, id);
                }
            }
            let changed = scene.sessions.skip(&lost);
            on_each(&tables, |table| {
                let mut value = Value::new(setup.bytes);
                for session in changed.iter().filter(|s| !lost[**s as usize]) {
                    table.put_staying(&scene, *session, &mut value);
                }
            });
        }
        scene.draw_keys(setup, &lost);
        Self { scene, tables }
    }
}

/// Does something with each table that is no alias, on all processors.
fn on_each(tables: &[Table], work: impl Fn(&Table) + Sync) {
    let next = AtomicUsize::new(0);
    let worker = || {
        while let Some(table) = tables.get(next.fetch_add(1, Ordering::Relaxed)) {
            if !table.alias {
                work(table);
            }
        }
    };
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    on_threads(workers, |_| (), |()| worker());
}

impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Table({})", self.who)
    }
}
