//! Everything in one run: each part in turn, the record saved after each, the report at the end.

use std::any::Any;
use std::fs;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use crate::parts::Part;
use crate::record::{Record, about};
use crate::report;
use crate::scale::Scale;

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
    let run = |part: &Part, record: &mut Record| part.run(record);
    let (record, all_ran) = run_parts(&parts, Part::name, run, scale, &file)?;
    let page = options.out.join("report.md");
    report::write(&record, report::remarks_beside(&file)?.as_deref(), &page)?;
    report::print_targets(&record);
    Ok(all_ran)
}

fn run_parts<P>(
    parts: &[P],
    name: impl Fn(&P) -> &'static str,
    run: impl Fn(&P, &mut Record),
    scale: Scale,
    file: &Path,
) -> io::Result<(Record, bool)> {
    let mut record = Record::new(&scale.to_string());
    let mut all_ran = true;
    for (number, part) in (1..).zip(parts) {
        record.say(format!(
            "\n== part {number} of {}: {}",
            parts.len(),
            name(part)
        ));
        let before = record.measurements.len();
        // What a part measured before it panicked is kept.
        let run = |record: &mut _| catch_unwind(AssertUnwindSafe(|| run(part, record)));
        let outcome = record.part(name(part), run);
        let problem = match outcome {
            Err(panic) => format!("stopped before its end: {}", message(&*panic)),
            Ok(()) if record.measurements.len() == before => "measured nothing".into(),
            Ok(()) => String::new(),
        };
        if !problem.is_empty() {
            record.note(format!("{}: {problem}", name(part)));
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

    #[test]
    fn a_part_that_fails_loses_nothing() {
        let run = |part: &&'static str, record: &mut Record| {
            if *part != "absent" {
                record.add_case([*part, "time", "ns"], &case([]), [("a peer", vec![1.0])]);
            }
            assert!(*part != "broken", "wrong bytes for session {}", 7);
        };
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("record.json");
        let run_all = |parts: &[&'static str]| {
            run_parts(parts, |name| *name, run, Scale::Touch, &file)
                .unwrap()
                .1
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
