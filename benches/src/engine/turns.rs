//! Turns: a contender's threads at work for a while.

use std::time::{Duration, Instant};

use super::loads::Load;
use super::place::{BATCH, Done};
use super::scene::Scene;
use super::tables::Table;
use crate::threads::on_threads;

impl Table {
    /// Lets `threads` threads put a load on this table until each has done whole batches for the
    /// length of `turn`. All that they did; the time is that of all threads together.
    #[must_use]
    pub fn work_for(
        &self,
        load: Load,
        scene: &Scene,
        threads: usize,
        round: usize,
        turn: Duration,
    ) -> Done {
        let all = on_threads(
            threads,
            |thread| thread,
            |thread| {
                let mut done = Done::default();
                let start = Instant::now();
                for batch in round << 20.. {
                    done.add(self.carrier.batch(load, &self.place(scene, thread, batch)));
                    if start.elapsed() >= turn {
                        break;
                    }
                }
                done
            },
        );
        let mut sum = Done::default();
        all.into_iter().for_each(|done| sum.add(done));
        sum
    }

    /// Lets `threads` threads do `operations` each, rounded up to whole batches; how long the last
    /// one took, for exactly so many.
    #[must_use]
    pub fn do_operations(
        &self,
        load: Load,
        scene: &Scene,
        threads: usize,
        operations: u64,
    ) -> Duration {
        let batches = operations.div_ceil(BATCH as u64) as usize;
        let times = on_threads(
            threads,
            |thread| thread,
            |thread| {
                let batch = |batch| self.carrier.batch(load, &self.place(scene, thread, batch));
                let done = (0..batches).map(batch);
                done.map(|done| done.spent).sum::<Duration>()
            },
        );
        let longest = times.into_iter().max().unwrap_or_default();
        longest.mul_f64(operations as f64 / (batches * BATCH) as f64)
    }
}
