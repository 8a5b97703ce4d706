//! The latency of single lookups, and of single inserts into a full table, while threads that get
//! little time insert: what a call waits for when a writer was preempted in the middle of its work.

use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use clap::ValueEnum;
use hdrhistogram::Histogram;

use crate::engine::{
    Counts, Load, Population, Setup, Table, Tables, entrants, note_shares, parse_in,
};
use crate::peers::{Contender, Entrant};
use crate::record::{Record, case, interleave};
use crate::threads::{Raises, become_idle, join};
use crate::workload::Keys;

/// What is run.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Options {
    /// Sessions in a full table. For lookups half are looked up, half come and go.
    #[arg(long, default_value_t = 100_000, value_parser = parse_in::<1_000, 0xffff_ffff>)]
    sessions: usize,
    /// Threads that insert, at idle scheduling priority.
    #[arg(
        long, value_delimiter = ',', default_values_t = [0, 4, 16],
        value_parser = parse_in::<0, 64>
    )]
    writers: Vec<usize>,
    /// Threads whose calls are timed [default: one for each processor].
    #[arg(long, value_parser = parse_in::<1, 64>)]
    threads: Option<usize>,
    /// Bytes of each value.
    #[arg(long, default_value_t = 160, value_parser = parse_in::<32, 16_384>)]
    bytes: usize,
    /// Contenders; ratios are to the first [default: all].
    #[arg(long, value_enum, value_delimiter = ',')]
    contenders: Vec<Contender>,
    /// Rounds; each runs every contender once.
    #[arg(long, default_value_t = 9)]
    rounds: usize,
    /// Length of one contender's turn in a round, in milliseconds.
    #[arg(long, default_value_t = 1_000)]
    millis: u64,
}

impl Options {
    fn threads(&self) -> usize {
        let processors = thread::available_parallelism().map_or(1, usize::from);
        self.threads.unwrap_or(processors)
    }
}

/// The call that is timed, and the threads that insert meanwhile.
#[derive(Clone, Copy, Debug)]
struct Case<'a> {
    load: Load,
    writers: usize,
    options: &'a Options,
}

impl Case<'_> {
    /// The number of the first writer. Those that look up have no sessions that come and go, and
    /// share their numbers with writers.
    fn first_writer(self) -> usize {
        match self.load.only_reads() {
            true => 0,
            false => self.options.threads(),
        }
    }

    fn filled(self, entrants: &[Entrant]) -> Tables {
        let options = self.options;
        let setup = Setup {
            sessions: options.sessions,
            threads: options.threads().max(self.first_writer() + self.writers),
            bytes: options.bytes,
            keys: Keys::Uniform,
        };
        let population = match self.load.only_reads() {
            true => Population::beside_writers(&setup),
            false => Population::new(self.load, &setup),
        };
        Tables::filled(population, &setup, entrants)
    }

    /// Times the calls of some threads while others insert, for a while.
    fn turn(self, table: &Table, population: &Population, round: usize) -> Turn {
        let (timed, writers) = (self.options.threads(), self.writers);
        let (ready, over) = (Barrier::new(timed + writers), AtomicBool::new(false));
        let time = |thread| {
            ready.wait();
            // Writers go as soon as one of these ends or panics: they would hold up the others, or
            // the news of a wrong answer.
            let _over = Raises(&over);
            let mut latencies = histogram();
            let length = Duration::from_millis(self.options.millis);
            let (place, took) = ((thread, round), Some(&mut latencies));
            let counts = table.work(self.load, population, place, length, took);
            Turn { latencies, counts }
        };
        let write = |writer| {
            let idle = become_idle();
            ready.wait();
            idle.expect("any thread may become idle");
            let mut counts = Counts::default();
            let mut number = round << 20;
            while !over.load(Ordering::Relaxed) {
                let batch = table.batch(population, writer, number);
                counts.add(table.target.run(Load::Insert, &batch, None));
                number += 1;
            }
            counts
        };
        thread::scope(|scope| {
            let (time, write) = (&time, &write);
            let first = self.first_writer();
            let writers = (first..first + writers).map(|w| scope.spawn(move || write(w)));
            let writers: Vec<_> = writers.collect();
            let timed: Vec<_> = (0..timed).map(|t| scope.spawn(move || time(t))).collect();
            let (latencies, counts) = (histogram(), Counts::default());
            let mut all = Turn { latencies, counts };
            for thread in timed {
                let turn = join(thread);
                all.latencies.add(turn.latencies).expect("the same bounds");
                all.counts.add(turn.counts);
            }
            for writer in writers {
                let counts = join(writer);
                all.counts.inserts += counts.inserts;
                all.counts.refused += counts.refused;
            }
            all
        })
    }

    fn report(self, entrants: &[Entrant], turns: &[Vec<Turn>], record: &mut Record) {
        let case = case([
            ("writers", self.writers.to_string()),
            ("sessions", self.options.sessions.to_string()),
            ("threads", self.options.threads().to_string()),
            ("bytes", self.options.bytes.to_string()),
        ]);
        let what = match self.load.only_reads() {
            true => "latency of get",
            false => "latency of insert",
        };
        for (name, quantile) in QUANTILES {
            let mut case = case.clone();
            case.insert("quantile".into(), name.into());
            let latency = |turn: &Turn| turn.latencies.value_at_quantile(quantile) as f64;
            record.add_turns(["tail", what, "ns"], &case, entrants, turns, latency);
        }
        // A contender that has lost what is looked up has little to do.
        let counts = |turns: &Vec<Turn>| turns.iter().map(|turn| turn.counts).collect();
        let counts: Vec<_> = turns.iter().map(counts).collect();
        note_shares("tail", &case, entrants, &counts, record);
    }
}

/// Names of the quantiles, and the share of lookups that are as fast or faster.
pub(crate) const QUANTILES: [(&str, f64); 5] = [
    ("p50", 0.5),
    ("p99", 0.99),
    ("p99.9", 0.999),
    ("p99.99", 0.9999),
    ("max", 1.0),
];

struct Turn {
    latencies: Latencies,
    counts: Counts,
}

/// Runs every contender beside every number of writers; panics when one gives a wrong answer.
pub(crate) fn run(options: &Options, record: &mut Record) {
    let all = match &options.contenders[..] {
        [] => Contender::value_variants(),
        chosen => chosen,
    };
    record.note(format!(
        "tail: latencies are as read; of each, about {} ns are the clock's own",
        cost_of_the_clock()
    ));
    for load in [Load::Get, Load::Insert] {
        let mut entrants = entrants(all, load, true, options.sessions);
        // It is given whole sessions, and a batch of them at a time.
        entrants.retain(|entrant| entrant.contender != Contender::OpenSsl);
        for &writers in &options.writers {
            let case = Case {
                load,
                writers,
                options,
            };
            let Tables { population, tables } = case.filled(&entrants);
            let turns = interleave(0..=options.rounds, &tables, |table, round| {
                // First in, first out: some lose what is looked up.
                table.restore(&population);
                case.turn(table, &population, round)
            });
            case.report(&entrants, &turns, record);
        }
    }
}

/// Nanoseconds up to a minute, with three digits.
pub(crate) type Latencies = Histogram<u64>;

pub(crate) fn histogram() -> Latencies {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::parse;

    #[test]
    fn a_turn_times_every_call_beside_idle_writers() {
        let options: Options = parse("--sessions 1000 --threads 2 --millis 10");
        for load in [Load::Get, Load::Insert] {
            let case = Case {
                load,
                writers: 3,
                options: &options,
            };
            let contenders = [Contender::Floor, Contender::Rekindle, Contender::Dashmap];
            let entrants = entrants(&contenders, load, true, 1_000);
            assert_eq!(entrants.len(), 4);
            let tables = case.filled(&entrants);
            for (entrant, table) in entrants.iter().zip(&tables.tables) {
                let loses_few = |round| {
                    table.restore(&tables.population);
                    let turn = case.turn(table, &tables.population, round);
                    let counts = turn.counts;
                    assert_eq!(turn.latencies.len(), counts.operations, "{entrant}");
                    assert!(counts.operations >= 2_000, "{entrant}");
                    // Lines overflow here and there; a map keeps all.
                    let is_map = entrant.contender == Contender::Dashmap;
                    let lost = if is_map { 0 } else { counts.asked / 10 };
                    counts.missed <= lost
                };
                // On a busy machine readers may stop for so long that what they read is evicted.
                assert!((0..5).any(loses_few), "{entrant}");
            }
        }
    }
}
