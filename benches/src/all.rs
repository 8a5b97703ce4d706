//! The parts of the harness, with their options at each scale; and everything in one run: each part
//! in turn, the record saved after each, the report at the end.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::{fs, io};

use clap::{FromArgMatches, Subcommand};

use crate::record::{Record, Scale, about};
use crate::{engine, fleet, handshake, hit_ratio, loopback, memory, report, rustls, tail, tickets};

/// What is run, and where the results go.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Options {
    /// How much of each part is run.
    #[arg(long, value_enum, default_value_t = Scale::Full)]
    scale: Scale,
    /// The same as `--scale quick`.
    #[arg(long, conflicts_with = "scale")]
    quick: bool,
    /// The directory for record.json and report.md; remarks.md in it goes into the report.
    #[arg(long, value_name = "DIR", default_value = "target/rekindle-benches")]
    out: PathBuf,
}

/// Runs every part, also after one that failed, and writes the record and the report. Returns
/// whether every part ran to its end and measured something.
pub(crate) fn run(options: &Options) -> io::Result<bool> {
    let scale = if options.quick {
        Scale::Quick
    } else {
        options.scale
    };
    fs::create_dir_all(&options.out).map_err(|error| about(&options.out, error))?;
    let file = options.out.join("record.json");
    let parts = Part::all(scale);
    let all_ran = run_jobs(parts.iter().map(Part::job).collect(), scale, &file)?;
    let (record, out) = (file, None);
    report::run(&report::Options { record, out })?;
    Ok(all_ran)
}

fn run_jobs(jobs: Vec<Job<'_>>, scale: Scale, file: &Path) -> io::Result<bool> {
    let mut record = Record::new(&scale.to_string());
    let (count, mut all_ran) = (jobs.len(), true);
    for (number, (name, run)) in (1..).zip(jobs) {
        record.say(format!("\n== part {number} of {count}: {name}"));
        let before = record.measurements.len();
        // What a part measured before it panicked is kept.
        let run = |record: &mut _| catch_unwind(AssertUnwindSafe(|| run(record)));
        let outcome = record.part(name, run);
        let problem = match outcome {
            Err(panic) => format!("stopped before its end: {}", message(&*panic)),
            Ok(()) if record.measurements.len() == before => "measured nothing".into(),
            Ok(()) => String::new(),
        };
        if !problem.is_empty() {
            record.note(format!("{name}: {problem}"));
            all_ran = false;
        }
        record.save(file)?;
    }
    Ok(all_ran)
}

fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    let string = || panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(string).unwrap_or("a panic without a message")
}

/// A part, with its options.
#[derive(Debug, Subcommand)]
pub(crate) enum Part {
    /// Lookups, inserts and mixed loads, as ratios to an unsynchronised floor, beside peers.
    Engine(engine::Options),
    /// The latency of single lookups and inserts beside idle-priority writers, by quantile.
    Tail(tail::Options),
    /// The share of requests that find their session, beside peers, exact LRU, FIFO and the
    /// optimum.
    HitRatio(hit_ratio::Options),
    /// Bytes for each session, encoded bytes apart from overhead, beside peers.
    Memory(memory::Options),
    /// Tickets sealed and opened through OpenSSL's callback, beside its built-in key.
    Tickets(tickets::Options),
    /// Full and resumed handshakes in process, beside OpenSSL's internal cache and built-in key.
    Handshake(handshake::Options),
    /// Rekindle behind rustls's traits, beside what rustls brings along and orbit-rustls.
    Rustls(rustls::Options),
    /// Machines that share their sessions over Redis: cost, lateness, share resumed, memory.
    Fleet(fleet::Options),
    /// Real servers over loopback: handshakes, downloads, bursts, memory of idle connections.
    Loopback(loopback::Options),
}

/// In the order in which `all` runs them: a part, and its options at each scale (full, quick and
/// touch) where they are not the defaults.
const SCALES: &str = "\
engine | --scale full | --scale quick | --scale touch
tail | --millis 500 | --sessions 20000 --writers 0,16 --rounds 3 --millis 100 \
     | --sessions 1000 --writers 4 --rounds 1 --millis 10
hit-ratio | | --requests 100000 --capacities 1,5,50 | --requests 2000 --capacities 5
memory | | --sessions 30000 --tls-sessions 30000 | --sessions 500 --tls-sessions 100
tickets | | --rounds 5 --millis 30 | --threads 1 --rounds 1 --millis 5
handshake | | --sessions 50000 --rounds 3 --millis 50 \
     | --sessions 200 --threads 2 --rounds 1 --millis 5
rustls | | --sessions 256,20000 --threads 2 --handshake-threads 2 --rounds 3 --millis 30 \
     | --sessions 256 --threads 1 --handshake-threads 1 --writers 1 --rounds 1 --millis 2
fleet | | --rounds 3 --handshakes 500 --clients 200 --sessions 10000 \
     | --rounds 1 --handshakes 20 --clients 5 --sessions 200
loopback | --millis 600 \
     | --sessions 256 --threads 1 --rounds 2 --millis 150 --idle 500 \
     | --clients 4 --sessions 8 --threads 1 --rounds 1 --millis 30 --downloads 4 \
       --download-bytes 1000000 --burst 20 --idle 20
";

/// A part's name, and what it does.
pub(crate) type Job<'a> = (&'static str, Box<dyn FnOnce(&mut Record) + 'a>);

impl Part {
    /// All parts, in the order in which they are run.
    pub(crate) fn all(scale: Scale) -> Vec<Self> {
        let part = |line: &str| {
            let columns: Vec<_> = line.split('|').collect();
            let options = columns[1 + scale as usize].split_whitespace();
            let arguments = ["all", columns[0].trim()].into_iter().chain(options);
            let command = Self::augment_subcommands(clap::Command::new("all"));
            let matches = command.get_matches_from(arguments);
            Self::from_arg_matches(&matches).expect("the options of a part")
        };
        SCALES.lines().map(part).collect()
    }

    pub(crate) fn job(&self) -> Job<'_> {
        match self {
            Self::Engine(options) => ("engine", Box::new(|r| engine::run(options, r))),
            Self::Tail(options) => ("tail", Box::new(|r| tail::run(options, r))),
            Self::HitRatio(options) => ("hit-ratio", Box::new(|r| hit_ratio::run(options, r))),
            Self::Memory(options) => ("memory", Box::new(|r| memory::run(options, r))),
            Self::Tickets(options) => ("tickets", Box::new(|r| tickets::run(options, r))),
            Self::Handshake(options) => ("handshake", Box::new(|r| handshake::run(options, r))),
            Self::Rustls(options) => ("rustls", Box::new(|r| rustls::run(options, r))),
            Self::Fleet(options) => ("fleet", Box::new(|r| fleet::run(options, r))),
            Self::Loopback(options) => ("loopback", Box::new(|r| loopback::run(options, r))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::case;

    fn job(part: &'static str) -> Job<'static> {
        let run = move |record: &mut Record| {
            if part != "absent" {
                record.add_case([part, "time", "ns"], &case([]), [("a peer", vec![1.0])]);
            }
            assert!(part != "broken", "wrong bytes for session {}", 7);
        };
        (part, Box::new(run))
    }

    #[test]
    fn a_part_that_fails_loses_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("record.json");
        let run_all = |parts: &[&'static str]| {
            let jobs = parts.iter().map(|part| job(part)).collect();
            run_jobs(jobs, Scale::Touch, &file).unwrap()
        };
        assert!(!run_all(&["broken", "absent", "sound"]));

        let saved = Record::load(&file).unwrap();
        let measured: Vec<_> = saved.measurements.iter().map(|m| &*m.part).collect();
        assert_eq!(measured, ["broken", "sound"]);
        assert_eq!(
            saved.notes,
            [
                "broken: stopped before its end: wrong bytes for session 7",
                "absent: measured nothing"
            ]
        );
        assert_eq!(saved.scale, "touch");
        assert_eq!(saved.durations.len(), 3);
        assert!(run_all(&["sound"]));
    }

    #[test]
    fn every_part_has_options_at_every_scale() {
        for scale in [Scale::Full, Scale::Quick, Scale::Touch] {
            let parts = Part::all(scale);
            let names: Vec<_> = parts.iter().map(|part| part.job().0).collect();
            let lines = SCALES.lines().map(|line| line.split(" |").next().unwrap());
            assert_eq!(names, lines.collect::<Vec<_>>());
        }
    }
}
