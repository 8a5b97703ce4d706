//! The latency of single lookups, while threads that get little time insert: what a lookup waits
//! for when a writer was preempted in the middle of its work.

mod idle;

use std::collections::BTreeMap;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use crate::engine::contenders::Who;
use crate::engine::loads::Load;
use crate::engine::percent;
use crate::engine::place::Done;
use crate::engine::scene::{Scene, Setup};
use crate::engine::tables::{Table, Tables};
use crate::record::{Measurement, Recorder, case};
use crate::scale::Scale;
use crate::threads::join;
use crate::workload::Keys;

/// What is run.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// Sessions in a full table: half are looked up, half come and go.
    #[arg(long, default_value_t = 100_000, value_parser = crate::engine::parse_in::<1_000, 0xffff_ffff>)]
    pub sessions: usize,
    /// Threads that insert, at idle scheduling priority.
    #[arg(long, value_delimiter = ',', default_values_t = [0, 4, 16], value_parser = crate::engine::parse_in::<0, 64>)]
    pub writers: Vec<usize>,
    /// Threads that look up [default: one for each processor].
    #[arg(long, value_parser = crate::engine::parse_in::<1, 64>)]
    pub readers: Option<usize>,
    /// Bytes of each value.
    #[arg(long, default_value_t = 160, value_parser = crate::engine::parse_in::<32, 16_384>)]
    pub bytes: usize,
    /// Contenders; ratios are to the first [default: all].
    #[arg(long, value_enum, value_delimiter = ',')]
    pub contenders: Vec<Who>,
    /// Rounds; each runs every contender once.
    #[arg(long, default_value_t = 9)]
    pub rounds: usize,
    /// Length of one contender's turn in a round, in milliseconds.
    #[arg(long, default_value_t = 1_000)]
    pub millis: u64,
}

impl Options {
    /// For a run of everything.
    #[must_use]
    pub fn at(scale: Scale) -> Self {
        Self {
            sessions: scale.pick(100_000, 20_000, 1_000),
            writers: scale.pick(vec![0, 4, 16], vec![0, 16], vec![4]),
            readers: None,
            bytes: 160,
            contenders: Vec::new(),
            rounds: scale.pick(9, 3, 1),
            millis: scale.pick(500, 150, 10),
        }
    }

    fn readers(&self) -> usize {
        let processors = thread::available_parallelism().map_or(1, usize::from);
        self.readers.unwrap_or(processors)
    }
}

/// Names of the quantiles, and the share of lookups that are as fast or faster.
const QUANTILES: [(&str, f64); 5] = [
    ("p50", 0.5),
    ("p99", 0.99),
    ("p99.9", 0.999),
    ("p99.99", 0.9999),
    ("max", 1.0),
];

/// The latencies of one turn, and what was done in it.
struct Turn {
    latencies: Histogram<u64>,
    done: Done,
}

/// Runs every contender beside every number of writers.
///
/// # Panics
///
/// When a contender gives a wrong answer.
pub fn run(options: &Options, recorder: &mut Recorder) {
    let who = match &options.contenders[..] {
        [] => Who::ALL,
        chosen => chosen,
    };
    let able = who.iter().copied();
    let able = able.filter(|who| who.carries(Load::Get, options.sessions));
    let who: &[Who] = &able.collect::<Vec<_>>();
    recorder.note(format!(
        "tail: latencies are as read; of each, about {} ns are the clock's own",
        cost_of_the_clock()
    ));
    let steps = options.writers.len() * (options.rounds + 1) * who.len();
    let bar = recorder.progress("tail", steps);
    for &writers in &options.writers {
        let setup = Setup {
            sessions: options.sessions,
            threads: writers.max(options.readers()),
            bytes: options.bytes,
            keys: Keys::Uniform,
        };
        let tables = Tables::filled(Scene::beside_writers(&setup), &setup, who);
        let mut turns: Vec<Vec<Turn>> = who.iter().map(|_| Vec::new()).collect();
        for round in 0..=options.rounds {
            for (table, turns) in tables.tables.iter().zip(&mut turns) {
                // First in, first out: some lose what is looked up.
                table.restore(&tables.scene);
                let turn = turn(table, &tables.scene, writers, round, options);
                // The first round warms up.
                if round > 0 {
                    turns.push(turn);
                }
                bar.inc(1);
            }
        }
        report(who, &turns, writers, options, recorder);
    }
    bar.finish_and_clear();
}

/// Lets readers look up, and writers insert, for a while.
fn turn(table: &Table, scene: &Scene, writers: usize, round: usize, options: &Options) -> Turn {
    let readers = options.readers();
    let (ready, over) = (Barrier::new(readers + writers), AtomicBool::new(false));
    let read = |reader| {
        ready.wait();
        let _over = Ends(&over);
        let mut turn = Turn {
            latencies: histogram(),
            done: Done::default(),
        };
        let (start, end) = (Instant::now(), Duration::from_millis(options.millis));
        for batch in round << 20.. {
            let at = table.place(scene, reader, batch);
            let done = table.carrier.time_gets(&at, &mut turn.latencies);
            turn.done.add(done);
            if start.elapsed() >= end {
                break;
            }
        }
        turn
    };
    let write = |writer| {
        let idle = idle::become_idle();
        ready.wait();
        idle.expect("any thread may become idle");
        let mut done = Done::default();
        let mut batch = round << 20;
        while !over.load(Ordering::Relaxed) {
            let at = table.place(scene, writer, batch);
            done.add(table.carrier.batch(Load::Insert, &at));
            batch += 1;
        }
        done
    };
    thread::scope(|scope| {
        let (read, write) = (&read, &write);
        let writers: Vec<_> = (0..writers)
            .map(|w| scope.spawn(move || write(w)))
            .collect();
        let readers: Vec<_> = (0..readers).map(|r| scope.spawn(move || read(r))).collect();
        let mut all = Turn {
            latencies: histogram(),
            done: Done::default(),
        };
        for reader in readers {
            let turn = join(reader);
            all.latencies.add(turn.latencies).expect("the same bounds");
            all.done.add(turn.done);
        }
        for writer in writers {
            let done = join(writer);
            all.done.inserts += done.inserts;
            all.done.refused += done.refused;
        }
        all
    })
}

/// Lets the writers go as soon as one reader is done, in whatever way: they would hold up the
/// others, or the news of a wrong answer.
struct Ends<'a>(&'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Up to a minute, with three digits.
fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 60_000_000_000, 3).expect("valid bounds")
}

/// Nanoseconds between two readings of the clock with nothing between them; the median.
fn cost_of_the_clock() -> u64 {
    let mut cost = histogram();
    for _ in 0..100_000 {
        let start = Instant::now();
        cost.saturating_record(start.elapsed().as_nanos() as u64);
    }
    cost.value_at_quantile(0.5)
}

fn report(
    who: &[Who],
    turns: &[Vec<Turn>],
    writers: usize,
    options: &Options,
    recorder: &mut Recorder,
) {
    let case = case([
        ("writers", writers.to_string()),
        ("sessions", options.sessions.to_string()),
        ("readers", options.readers().to_string()),
        ("bytes", options.bytes.to_string()),
    ]);
    let measured = |quantity, unit, case: &BTreeMap<_, _>, sample: &dyn Fn(&Turn) -> f64| {
        let one = |(who, turns): (&Who, &Vec<Turn>)| Measurement {
            part: "tail".into(),
            quantity: String::from(quantity),
            unit: String::from(unit),
            case: case.clone(),
            contender: who.to_string(),
            samples: turns.iter().map(sample).collect(),
        };
        who.iter().zip(turns).map(one).collect()
    };
    for (name, quantile) in QUANTILES {
        let mut case = case.clone();
        case.insert("quantile".into(), name.into());
        let latency = |turn: &Turn| turn.latencies.value_at_quantile(quantile) as f64;
        recorder.add(measured("latency of get", "ns", &case, &latency));
    }
    // Who loses what is looked up has little to do.
    let missed = |turn: &Turn| percent(turn.done.missed, turn.done.asked);
    recorder.add(measured("lookups that missed", "%", &case, &missed));
    for (who, turns) in who.iter().zip(turns) {
        let mut all = Done::default();
        turns.iter().for_each(|turn| all.add(turn.done));
        let missed = percent(all.missed, all.asked);
        if missed > 1.0 {
            recorder.note(format!(
                "tail: {writers} writers: {missed:.1} % of {who}'s lookups missed"
            ));
        }
        if all.refused > 0 {
            recorder.note(format!(
                "tail: {writers} writers: {who} refused {} of {} inserts",
                all.refused, all.inserts
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turn_times_every_lookup_beside_idle_writers() {
        let options = Options {
            readers: Some(2),
            ..Options::at(Scale::Touch)
        };
        let setup = Setup {
            sessions: options.sessions,
            threads: 3,
            bytes: options.bytes,
            keys: Keys::Uniform,
        };
        let scene = Scene::beside_writers(&setup);
        let tables = Tables::filled(scene, &setup, &[Who::Floor, Who::Pinned, Who::Dashmap]);
        for table in &tables.tables {
            let turn = turn(table, &tables.scene, 3, 0, &options);
            assert_eq!(turn.latencies.len(), turn.done.asked, "{}", table.who);
            assert!(turn.done.asked >= 2_000, "{}", table.who);
            // Lines of eight overflow here and there; a map keeps all.
            let lost = if table.who == Who::Dashmap {
                0
            } else {
                turn.done.asked / 10
            };
            assert!(turn.done.missed <= lost, "{}", table.who);
        }
    }
}
