//! The engine beside its peers: ratios to an unsynchronised floor, rounds interleaved.

pub mod floor;
pub mod loads;

use std::time::Duration;

use crate::record::{Measurement, Recorder, case};
use crate::scale::Scale;
use loads::{Load, Tables};

/// What is run.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// Sessions in the table.
    #[arg(long, value_delimiter = ',', default_values_t = [10_000, 100_000, 1_000_000])]
    pub sessions: Vec<usize>,
    /// Threads at work.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 2])]
    pub threads: Vec<usize>,
    /// Rounds; each runs every contender once.
    #[arg(long, default_value_t = 15)]
    pub rounds: usize,
    /// Length of one contender's turn in a round, in milliseconds.
    #[arg(long, default_value_t = 60)]
    pub millis: u64,
}

impl Options {
    /// For a run of everything.
    #[must_use]
    pub fn at(scale: Scale) -> Self {
        Self {
            sessions: scale.pick(
                vec![10_000, 100_000, 1_000_000],
                vec![10_000, 100_000],
                vec![1_000],
            ),
            threads: scale.pick(vec![1, 2], vec![2], vec![2]),
            rounds: scale.pick(9, 3, 1),
            millis: scale.pick(40, 20, 5),
        }
    }
}

const LOADS: [Load; 6] = [
    Load::GetBuffer,
    Load::Get,
    Load::Mixed { inserts: 100 },
    Load::Mixed { inserts: 5 },
    Load::Mixed { inserts: 20 },
    Load::Mixed { inserts: 50 },
];

/// Runs every load at every size with every number of threads.
///
/// # Panics
///
/// When a contender gives a wrong answer.
pub fn run(options: &Options, recorder: &mut Recorder) {
    let cases = LOADS.len() * options.sessions.len() * options.threads.len();
    let bar = recorder.progress("engine", cases);
    for load in LOADS {
        for &sessions in &options.sessions {
            for &threads in &options.threads {
                let tables = Tables::new(load, sessions, threads);
                recorder.add(interleave(&tables, load, sessions, threads, options));
                bar.inc(1);
            }
        }
    }
}

/// Runs every contender once a round, in turn; nanoseconds per operation and thread, by round.
fn interleave(
    tables: &Tables,
    load: Load,
    sessions: usize,
    threads: usize,
    options: &Options,
) -> Vec<Measurement> {
    let turn = Duration::from_millis(options.millis);
    let contenders = tables.contenders();
    let empty = |name: &str| Measurement {
        part: "engine".into(),
        quantity: "time per operation".into(),
        unit: "ns".into(),
        case: case([
            ("load", load.to_string()),
            ("sessions", sessions.to_string()),
            ("threads", threads.to_string()),
        ]),
        contender: name.to_owned(),
        samples: Vec::new(),
    };
    let mut measured: Vec<_> = contenders.iter().map(|c| empty(c.name)).collect();
    for round in 0..=options.rounds {
        for (contender, measurement) in contenders.iter().zip(&mut measured) {
            let time = contender.work_for(threads, round, turn);
            // The first round warms up.
            if round > 0 {
                measurement.samples.push(time);
            }
        }
    }
    measured
}
