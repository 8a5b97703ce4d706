//! What a session costs in memory, at the engine and at its peers.
//!
//! Each measurement is made by a process of its own, which this one starts from its own program:
//! there the allocator is fresh, and what the process grows by is what the contender took. That is
//! divided by the number of sessions that are found afterwards. `overhead` is what remains of it
//! besides the encoded bytes; the id of 32 bytes, the value of 8 and the end of the session's life
//! are in it, and for ours what has left the table and waits for its grace period.
//!
//! Sessions are inserted by one thread. All use the allocator of the system (glibc's, as a rule); it is
//! not asked to trim, so that what it keeps for later counts.

mod job;
mod resident;

use std::env;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitCode, Stdio};
use std::sync::Mutex;

use indicatif::ProgressBar;

pub use job::Job;
use job::{CONTENDERS, Contender, Held, Sizes, When};

use crate::record::{Measurement, Recorder, case};
use crate::scale::Scale;
use crate::threads::on_threads;

/// Name of the subcommand of this program that does a [`Job`].
pub const JOB: &str = "memory-job";

/// Processes that measure at the same time.
const AT_ONCE: usize = 2;

/// What is run.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// Capacities, in sessions.
    #[arg(long, value_delimiter = ',', default_values_t = [100_000, 1_000_000], value_parser = clap::value_parser!(u64).range(1..1 << 32))]
    pub sessions: Vec<u64>,
    /// Processes for each measurement, one after the other.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub rounds: u32,
}

impl Options {
    /// For a run of everything.
    #[must_use]
    pub fn at(scale: Scale) -> Self {
        Self {
            sessions: scale.pick(vec![100_000, 1_000_000], vec![30_000], vec![2_000]),
            rounds: 1,
        }
    }
}

/// Measures everybody at every capacity, filled and after ten times as many sessions, with sessions
/// of one size and of many.
///
/// # Panics
///
/// When a contender gives a wrong answer, or the kernel does not say what a process holds.
pub fn run(options: &Options, recorder: &mut Recorder) {
    let cases = options.sessions.len() * 4;
    let steps = cases * options.rounds as usize * CONTENDERS.len();
    let bar = recorder.progress("memory", steps);
    for &sessions in &options.sessions {
        for sizes in [Sizes::Uniform, Sizes::Mixed] {
            for when in [When::Filled, When::Churned] {
                let case = Case {
                    sessions,
                    sizes,
                    when,
                };
                case.run(options.rounds, &bar, recorder);
            }
        }
    }
}

/// Does a job and prints what was seen, for the process that asked.
#[must_use]
pub fn serve(job: &Job) -> ExitCode {
    match job
        .measure()
        .and_then(|held| Ok(serde_json::to_string(&held)?))
    {
        Ok(held) => {
            println!("{held}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{job:?}: {error}");
            ExitCode::FAILURE
        }
    }
}

#[derive(Clone, Copy)]
struct Case {
    sessions: u64,
    sizes: Sizes,
    when: When,
}

impl Case {
    fn run(self, rounds: u32, bar: &ProgressBar, recorder: &mut Recorder) {
        // With as much again for tables and what is freed and not given back.
        let needed = 2 * AT_ONCE as u64 * self.sessions * (self.sizes.mean() + 200);
        let available = resident::available().expect("/proc/meminfo");
        if available < needed {
            bar.inc(u64::from(rounds) * CONTENDERS.len() as u64);
            recorder.note(format!(
                "memory: {} sessions of {} bytes left out: they take {needed} bytes of memory, and \
                 {available} are free",
                self.sessions, self.sizes
            ));
            return;
        }
        let mut seen: Vec<_> = CONTENDERS.iter().map(|c| (c, Vec::new())).collect();
        for _ in 0..rounds {
            for (one, (_, seen)) in self.everybody(bar).into_iter().zip(&mut seen) {
                match one {
                    Ok(held) => seen.push(held),
                    Err(why) => recorder.note(format!("memory: {why}")),
                }
            }
        }
        seen.retain(|(_, seen)| !seen.is_empty());
        for quantity in QUANTITIES {
            let measured = seen
                .iter()
                .map(|(who, seen)| self.measured(quantity, who, seen));
            recorder.add(measured.collect());
        }
    }

    /// Everybody once, in the order of [`CONTENDERS`].
    fn everybody(self, bar: &ProgressBar) -> Vec<Result<Held, String>> {
        let waiting = Mutex::new(CONTENDERS.iter().enumerate());
        let done = Mutex::new(Vec::new());
        let work = || {
            while let Some((at, contender)) = next(&waiting) {
                let held = self.in_own_process(contender);
                done.lock().expect("not poisoned").push((at, held));
                bar.inc(1);
            }
        };
        on_threads(AT_ONCE, |_| (), |()| work());
        let mut done = done.into_inner().expect("not poisoned");
        done.sort_by_key(|(at, _)| *at);
        done.into_iter().map(|(_, held)| held).collect()
    }

    /// Says why not, where the process could not be run to its end.
    fn in_own_process(self, contender: &Contender) -> Result<Held, String> {
        let failed = |error: io::Error| format!("{}: {error}", contender.name);
        let mut command = Command::new(env::current_exe().map_err(failed)?);
        command.args([JOB, "--contender", contender.name]);
        command.args(["--sessions", &self.sessions.to_string()]);
        command.args(["--sizes", name(self.sizes).as_str()]);
        command.args(["--when", name(self.when).as_str()]);
        let output = command.stderr(Stdio::inherit()).output().map_err(failed)?;
        if let Some(signal) = output.status.signal() {
            let (name, sessions) = (contender.name, self.sessions);
            return Err(format!("{name}: ended by signal {signal} at {sessions}"));
        }
        assert!(output.status.success(), "{command:?} failed");
        Ok(serde_json::from_slice(&output.stdout).expect("what was seen, as JSON"))
    }

    fn measured(self, quantity: Quantity, contender: &Contender, seen: &[Held]) -> Measurement {
        Measurement {
            part: "memory".into(),
            quantity: quantity.name.into(),
            unit: quantity.unit.into(),
            case: case([
                ("sessions", self.sessions.to_string()),
                ("when", self.when.to_string()),
                ("bytes", self.sizes.to_string()),
            ]),
            contender: contender.name.into(),
            samples: seen.iter().map(quantity.of).collect(),
        }
    }
}

fn next<T>(waiting: &Mutex<impl Iterator<Item = T>>) -> Option<T> {
    waiting.lock().expect("not poisoned").next()
}

/// As the command line calls a value.
fn name(value: impl clap::ValueEnum) -> String {
    let value = value.to_possible_value().expect("no value is hidden");
    value.get_name().to_owned()
}

#[derive(Clone, Copy)]
struct Quantity {
    name: &'static str,
    unit: &'static str,
    of: fn(&Held) -> f64,
}

/// But for the first, for each session that is kept.
const QUANTITIES: [Quantity; 4] = [
    Quantity {
        name: "kept",
        unit: "sessions",
        of: |held| held.kept as f64,
    },
    Quantity {
        name: "resident",
        unit: "bytes",
        of: |held| held.grown as f64 / held.kept as f64,
    },
    Quantity {
        name: "encoded",
        unit: "bytes",
        of: |held| held.encoded as f64 / held.kept as f64,
    },
    Quantity {
        name: "overhead",
        unit: "bytes",
        of: |held| (held.grown as f64 - held.encoded as f64) / held.kept as f64,
    },
];
