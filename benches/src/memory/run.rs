//! Starts a process for each measurement, and hands in what they have seen.

use clap::value_parser;

use super::job::{Held, Job, Sizes, When};
use super::process::{AT_ONCE, in_own_process};
use super::tls;
use crate::peers::Contender;
use crate::process;
use crate::record::{Record, case};
use crate::threads::each;

/// Name of the subcommand of this program that does a [`Job`](super::Job).
pub(crate) const JOB: &str = "memory-job";

/// What is run.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Options {
    /// Capacities, in sessions.
    #[arg(
        long, value_delimiter = ',', default_values_t = [100_000, 1_000_000],
        value_parser = value_parser!(u64).range(1..1 << 32)
    )]
    sessions: Vec<u64>,
    /// Processes for each measurement, one after the other.
    #[arg(long, default_value_t = 1, value_parser = value_parser!(u32).range(1..))]
    rounds: u32,
    /// TLS sessions for each storage, and a tenth of that with client certificates.
    #[arg(long, default_value_t = 1_000_000, value_parser = value_parser!(u64).range(10..1 << 32))]
    tls_sessions: u64,
}

/// A quantity with its unit, and its value; but for the first, for each session that is kept.
type Quantity = (&'static str, &'static str, fn(&Held) -> f64);

const QUANTITIES: [Quantity; 4] = [
    ("kept", "sessions", |held| held.kept as f64),
    ("resident", "bytes", |h| h.grown as f64 / h.kept as f64),
    ("encoded", "bytes", |h| h.encoded as f64 / h.kept as f64),
    ("overhead", "bytes", |held| {
        (held.grown as f64 - held.encoded as f64) / held.kept as f64
    }),
];

/// Measures every contender at every capacity, filled and after ten times as many sessions, with
/// sessions of one size and of many. Panics when one gives a wrong answer.
pub(crate) fn run(options: &Options, record: &mut Record) {
    for &sessions in &options.sessions {
        for sizes in [Sizes::Uniform, Sizes::Mixed] {
            for when in [When::Filled, When::Churned] {
                let job = |contender| Job {
                    contender,
                    sessions,
                    sizes,
                    when,
                };
                let jobs: Vec<_> = Contender::tables().map(job).collect();
                compare(&jobs, options.rounds, record);
            }
        }
    }
    tls::run(options.tls_sessions, record);
}

/// Runs jobs that differ in their contenders only.
fn compare(jobs: &[Job], rounds: u32, record: &mut Record) {
    let (sessions, sizes) = (jobs[0].sessions, jobs[0].sizes);
    // With as much again for tables and what is freed and not given back.
    let needed = 2 * AT_ONCE as u64 * sessions * (sizes.mean() + 200);
    let available = process::available().expect("/proc/meminfo");
    if available < needed {
        record.note(format!(
            "memory: {sessions} sessions of {sizes} bytes left out: they take {needed} bytes \
             of memory, and {available} are free"
        ));
        return;
    }
    let mut seen: Vec<_> = jobs.iter().map(|job| (job.contender, Vec::new())).collect();
    for _ in 0..rounds {
        for (one, (_, seen)) in each(AT_ONCE, jobs, measure).into_iter().zip(&mut seen) {
            match one {
                Ok(held) => seen.push(held),
                Err(why) => record.note(format!("memory: {why}")),
            }
        }
    }
    seen.retain(|(_, seen)| !seen.is_empty());
    let case = case([
        ("sessions", sessions.to_string()),
        ("when", jobs[0].when.to_string()),
        ("bytes", sizes.to_string()),
    ]);
    for (quantity, unit, of) in QUANTITIES {
        let measured = (seen.iter()).map(|(name, seen)| (name, seen.iter().map(of).collect()));
        record.add_case(["memory", quantity, unit], &case, measured);
    }
}

fn measure(job: &Job) -> Result<Held, String> {
    in_own_process(JOB, job)
        .map_err(|why| format!("{} with {}: {why}", job.contender, job.sessions))
}
