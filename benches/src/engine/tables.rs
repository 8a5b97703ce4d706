//! The tables of all contenders: filled, and put to work.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::batch::{Batch, Counts};
use super::loads::Load;
use super::operations::Latencies;
use super::population::{Population, Setup};
use super::target::{KeySet, LoadTarget, build};
use crate::peers::Entrant;
use crate::threads::{each, on_threads};
use crate::workload::{Value, churned};

/// The tables for one load, or for all that only read.
pub(crate) struct Tables {
    pub(crate) population: Population,
    pub(crate) tables: Vec<Table>,
}

pub(crate) struct Table {
    pub(crate) target: Box<dyn LoadTarget>,
    /// For each thread, how many sessions that come and go it has inserted.
    inserted: Vec<AtomicU64>,
}

impl Table {
    pub(crate) fn batch<'a>(
        &'a self,
        population: &'a Population,
        thread: usize,
        number: usize,
    ) -> Batch<'a> {
        Batch {
            population,
            keys: population.keys.get(thread).map_or(&[], |keys| &keys[..]),
            thread,
            number,
            inserted: &self.inserted[thread],
        }
    }

    pub(super) fn fill(&self, population: &Population) {
        let sessions = &population.sessions;
        let mut value = Value::new(sessions.bytes);
        for session in 0..sessions.len() as u32 {
            self.put_staying(population, session, &mut value);
        }
        // Each has been resumed before: else caches would take them for a flood.
        for session in 0..sessions.len() as u32 {
            self.target.holds(session, sessions.id(session));
        }
        for (thread, inserted) in self.inserted.iter().enumerate() {
            for step in (0..population.alive).filter(|step| population.is_there(*step)) {
                let new = churned(thread, step);
                let bytes = value.of(new.number, 0);
                self.target.add(KeySet::Going(thread), &new.id, bytes);
            }
            inserted.store(population.alive, Ordering::Relaxed);
        }
    }

    fn put_staying(&self, population: &Population, session: u32, value: &mut Value) {
        let id = population.sessions.id(session);
        let bytes = population.sessions.value(session, value);
        self.target.add(KeySet::Staying(session), id, bytes);
    }

    /// Inserts those sessions again that should stay and were lost.
    pub(crate) fn restore(&self, population: &Population) {
        let mut value = Value::new(population.sessions.bytes);
        for session in 0..population.sessions.len() as u32 {
            if !self.target.holds(session, population.sessions.id(session)) {
                self.put_staying(population, session, &mut value);
            }
        }
    }

    /// Lets one thread put a load on this table, in whole batches until a turn is over.
    pub(crate) fn work(
        &self,
        load: Load,
        population: &Population,
        (thread, round): (usize, usize),
        turn: Duration,
        mut took: Option<&mut Latencies>,
    ) -> Counts {
        let mut counts = Counts::default();
        let start = Instant::now();
        for number in round << 20.. {
            let batch = self.batch(population, thread, number);
            counts.add(self.target.run(load, &batch, took.as_deref_mut()));
            if start.elapsed() >= turn {
                break;
            }
        }
        counts
    }

    /// The same for several threads; the time is that of all together.
    pub(super) fn work_for(
        &self,
        load: Load,
        population: &Population,
        threads: usize,
        round: usize,
        turn: Duration,
    ) -> Counts {
        let work = |thread| self.work(load, population, (thread, round), turn, None);
        let mut sum = Counts::default();
        let of_threads = on_threads(threads, |thread| thread, work);
        of_threads.into_iter().for_each(|one| sum.add(one));
        sum
    }
}

impl Tables {
    pub(crate) fn filled(mut population: Population, setup: &Setup, all: &[Entrant]) -> Self {
        let table = |entrant: &Entrant| Table {
            target: build(*entrant, &population, setup),
            inserted: (0..setup.threads).map(|_| AtomicU64::new(0)).collect(),
        };
        let tables: Vec<_> = all.iter().map(table).collect();
        on_each(&tables, |table| table.fill(&population));

        let mut lost = vec![false; population.sessions.len()];
        if population.is_still() {
            // Lines have overflowed here and there: only what all have kept is asked for.
            for table in &tables {
                for (session, lost) in lost.iter_mut().enumerate() {
                    let id = population.sessions.id(session as u32);
                    *lost |= !table.target.holds(session as u32, id);
                }
            }
            let changed = population.sessions.skip(&lost);
            on_each(&tables, |table| {
                let mut value = Value::new(setup.bytes);
                for session in changed.iter().filter(|s| !lost[**s as usize]) {
                    table.put_staying(&population, *session, &mut value);
                }
            });
        }
        population.draw_keys(setup, &lost);
        Self { population, tables }
    }
}

/// Does something with each table, on all processors.
fn on_each(tables: &[Table], work: impl Fn(&Table) + Sync) {
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    each(workers, tables, work);
}
