//! Everything in one run: each part in turn, the record saved after each, the report at the end.

use std::any::Any;
use std::fs;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use crate::record::{Record, Recorder, about};
use crate::scale::Scale;
use crate::{engine, handshake, hit_ratio, loopback, memory, report, tail, tickets};

/// What is run, and where the results go.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// How much of each part is run.
    #[arg(long, value_enum, default_value_t = Scale::Full)]
    pub scale: Scale,
    /// The same as `--scale quick`.
    #[arg(long, conflicts_with = "scale")]
    pub quick: bool,
    /// The directory for record.json and report.html; remarks.md in it goes into the report.
    #[arg(long, value_name = "DIR", default_value = "target/rekindle-benches")]
    pub out: PathBuf,
}

/// A part of the harness, with the options that it has at each scale.
struct Part {
    name: &'static str,
    run: fn(Scale, &mut Recorder),
}

/// In the order in which they are run.
const PARTS: &[Part] = &[
    Part {
        name: "engine",
        run: |scale, r| engine::run(&engine::Options::at(scale), r),
    },
    Part {
        name: "tail",
        run: |scale, r| tail::run(&tail::Options::at(scale), r),
    },
    Part {
        name: "hit-ratio",
        run: |scale, r| hit_ratio::run(&hit_ratio::Options::at(scale), r),
    },
    Part {
        name: "memory",
        run: |scale, r| memory::run(&memory::Options::at(scale), r),
    },
    Part {
        name: "tickets",
        run: |scale, r| tickets::run(&tickets::Options::at(scale), r),
    },
    Part {
        name: "handshake",
        run: |scale, r| handshake::run(&handshake::Options::at(scale), r),
    },
    Part {
        name: "loopback",
        run: |scale, r| loopback::run(&loopback::Options::at(scale), r),
    },
];

/// Runs every part, whatever became of those before, and writes the record and the report. Whether
/// every part ran to its end and measured something.
///
/// # Errors
///
/// When the results cannot be written.
pub fn run(options: &Options) -> io::Result<bool> {
    let scale = if options.quick {
        Scale::Quick
    } else {
        options.scale
    };
    fs::create_dir_all(&options.out).map_err(|error| about(&options.out, error))?;
    let file = options.out.join("record.json");
    let (record, all_ran) = run_parts(PARTS, scale, &file)?;
    let page = options.out.join("report.html");
    report::write(&record, report::remarks_beside(&file)?.as_deref(), &page)?;
    report::print_targets(&record);
    Ok(all_ran)
}

fn run_parts(parts: &[Part], scale: Scale, file: &Path) -> io::Result<(Record, bool)> {
    let mut recorder = Recorder::new(&scale.to_string());
    recorder.expect_parts(parts.len());
    let mut all_ran = true;
    for part in parts {
        if let Err(why) = attempt(part, scale, &mut recorder) {
            recorder.note(format!("{}: {why}", part.name));
            all_ran = false;
        }
        recorder.record().save(file)?;
    }
    Ok((recorder.finish(), all_ran))
}

/// Runs a part. What it measured before it panicked is kept.
fn attempt(part: &Part, scale: Scale, recorder: &mut Recorder) -> Result<(), String> {
    let before = recorder.record().measurements.len();
    let mut outcome = Ok(());
    recorder.part(part.name, |r| {
        outcome = catch_unwind(AssertUnwindSafe(|| (part.run)(scale, r)));
    });
    outcome.map_err(|panic| format!("stopped before its end: {}", message(&*panic)))?;
    if recorder.record().measurements.len() == before {
        return Err("measured nothing".to_owned());
    }
    Ok(())
}

fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    let string = || panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(string).unwrap_or("a panic without a message")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Measurement, case};

    fn measure(recorder: &mut Recorder, part: &str) {
        recorder.add(vec![Measurement {
            part: part.into(),
            quantity: "time".into(),
            unit: "ns".into(),
            case: case([]),
            contender: "somebody".into(),
            samples: vec![1.0],
        }]);
    }

    #[test]
    fn a_part_that_fails_loses_nothing() {
        let parts = [
            Part {
                name: "broken",
                run: |_, r| {
                    measure(r, "broken");
                    panic!("wrong bytes for session {}", 7);
                },
            },
            Part {
                name: "absent",
                run: |_, _| {},
            },
            Part {
                name: "sound",
                run: |_, r| measure(r, "sound"),
            },
        ];
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("record.json");
        let (_, all_ran) = run_parts(&parts, Scale::Touch, &file).unwrap();
        assert!(!all_ran);

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

        let (_, all_ran) = run_parts(&parts[2..], Scale::Touch, &file).unwrap();
        assert!(all_ran);
    }
}
