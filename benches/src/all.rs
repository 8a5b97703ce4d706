//! Everything in one run: each part in turn, the record saved after each, the report at the end.

use std::any::Any;
use std::fs;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use crate::parts::{Job, Part};
use crate::record::{Record, Scale, about};
use crate::report;

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
    let jobs = parts.iter().map(Part::job).collect();
    let (record, all_ran) = run_jobs(jobs, scale, &file)?;
    report::plot(&file);
    let page = options.out.join("report.md");
    report::write(&record, report::remarks_beside(&file)?.as_deref(), &page)?;
    report::print_targets(&record);
    Ok(all_ran)
}

fn run_jobs(jobs: Vec<Job<'_>>, scale: Scale, file: &Path) -> io::Result<(Record, bool)> {
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
    Ok((record, all_ran))
}

fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    let string = || panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(string).unwrap_or("a panic without a message")
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
            run_jobs(jobs, Scale::Touch, &file).unwrap().1
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
}
