//! What was measured, on which machine: printed while it is, and kept as JSON, so that tables and
//! plots can be made again.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Write};
use std::ops::RangeInclusive;
use std::path::Path;

use itertools::Itertools;
use serde::{Deserialize, Serialize};

mod machine;

pub(crate) use machine::Machine;

/// How the record names the values of a type.
macro_rules! named {
    ($type:ty { $($(#[$attribute:meta])* $value:ident => $name:expr,)* }) => {
        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(match self {
                    $($(#[$attribute])* Self::$value => $name,)*
                })
            }
        }
    };
}

pub(crate) use named;

/// The results of one run of the harness.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) machine: Machine,
    /// How much was run: `full`, `quick` or `touch` of all parts, or [`Record::OF_PARTS`].
    pub(crate) scale: String,
    /// Seconds that each part took.
    pub(crate) durations: BTreeMap<String, f64>,
    /// What a part could not do, and why (a server that could not be installed, say).
    pub(crate) notes: Vec<String>,
    pub(crate) measurements: Vec<Measurement>,
}

/// How much of the harness is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Scale {
    /// Everything, for the record: all parts together stay under an hour on two cores.
    Full,
    /// A first impression: all parts together stay under three minutes.
    Quick,
    /// About a second for each part: that it runs and gives right answers. Times mean nothing.
    Touch,
}

named!(Scale { Full => "full", Quick => "quick", Touch => "touch", });

/// One contender in one case: a sample for each round.
///
/// Measurements with the same part, quantity and case belong together: their contenders were run in
/// turn, so that sample `i` of each comes from the same round, and ratios are taken round by round.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Measurement {
    pub(crate) part: String,
    /// What was measured, such as `time per operation`.
    pub(crate) quantity: String,
    /// Unit of the samples: `ns`, `%`, `bytes`, `1/s`, ..
    pub(crate) unit: String,
    /// The case, as names and values: `sessions` = `100000`.
    pub(crate) case: BTreeMap<String, String>,
    pub(crate) contender: String,
    pub(crate) samples: Vec<f64>,
}

impl Measurement {
    pub(crate) fn median(&self) -> f64 {
        quantile(&self.samples, 0.5)
    }

    /// Sample by sample over those of another contender.
    pub(crate) fn ratios_to(&self, reference: &Self) -> Vec<f64> {
        let pairs = self.samples.iter().zip(&reference.samples);
        pairs.map(|(own, other)| own / other).collect()
    }

    pub(crate) fn case(&self, name: &str) -> Option<&str> {
        self.case.get(name).map(String::as_str)
    }
}

impl Record {
    /// The scale of a record that does not have all parts.
    pub(crate) const OF_PARTS: &str = "part";

    pub(crate) fn new(scale: &str) -> Self {
        Self {
            machine: Machine::this(),
            scale: scale.to_owned(),
            durations: BTreeMap::new(),
            notes: Vec::new(),
            measurements: Vec::new(),
        }
    }

    /// Writes it as JSON. A file of that name is replaced in one step: when the run is interrupted,
    /// what was saved before it is not lost.
    pub(crate) fn save(&self, path: &Path) -> io::Result<()> {
        let unfinished = path.with_extension("unfinished");
        let write = || {
            let mut file = BufWriter::new(File::create(&unfinished)?);
            serde_json::to_writer(&mut file, self)?;
            file.write_all(b"\n")?;
            file.flush()?;
            fs::rename(&unfinished, path)
        };
        write().map_err(|error| about(path, error))
    }

    pub(crate) fn load(path: &Path) -> io::Result<Self> {
        let read = || Ok(serde_json::from_reader(BufReader::new(File::open(path)?))?);
        read().map_err(|error| about(path, error))
    }

    /// Prints a line on standard output. The reader may have left (`| head`).
    pub(crate) fn say(&self, line: impl AsRef<str>) {
        let _ = writeln!(io::stdout(), "{}", line.as_ref());
    }

    /// Says a shortcoming of this run, and keeps it for the report.
    pub(crate) fn note(&mut self, note: impl Into<String>) {
        let note = note.into();
        self.say(format!("note: {note}"));
        self.notes.push(note);
    }

    /// Keeps the samples of the contenders in one case, and prints their medians beside the ratios
    /// to the first contender, round by round, with their quartiles.
    /// Panics when a sample is not finite: such a number was not measured, and JSON cannot hold it.
    pub(crate) fn add_case(
        &mut self,
        [part, quantity, unit]: [&str; 3],
        case: &BTreeMap<String, String>,
        contenders: impl IntoIterator<Item = (impl ToString, Vec<f64>)>,
    ) {
        let first = self.measurements.len();
        for (contender, samples) in contenders {
            let contender = contender.to_string();
            let finite = samples.iter().all(|s| s.is_finite());
            assert!(finite, "{contender}: {samples:?}");
            self.measurements.push(Measurement {
                part: part.to_owned(),
                quantity: quantity.to_owned(),
                unit: unit.to_owned(),
                case: case.clone(),
                contender,
                samples,
            });
        }
        let added = &self.measurements[first..];
        if !added.is_empty() {
            self.say(format!("\n{quantity}: {}", words(case)));
            added.iter().for_each(|one| self.say(line(one, &added[0])));
        }
    }

    /// The same with a value of what each turn of the contenders brought, as of [`interleave`].
    pub(crate) fn add_turns<T>(
        &mut self,
        what: [&str; 3],
        case: &BTreeMap<String, String>,
        contenders: impl IntoIterator<Item = impl ToString>,
        turns: &[Vec<T>],
        value: impl Fn(&T) -> f64,
    ) {
        let samples = turns.iter().map(|turns| turns.iter().map(&value).collect());
        self.add_case(what, case, contenders.into_iter().zip(samples));
    }

    pub(crate) fn part<R>(&mut self, name: &str, run: impl FnOnce(&mut Self) -> R) -> R {
        let start = std::time::Instant::now();
        let outcome = run(self);
        let seconds = start.elapsed().as_secs_f64();
        self.durations.insert(name.to_owned(), seconds);
        outcome
    }
}

/// An error that names the file it is about.
pub(crate) fn about(path: &Path, error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

/// Builds a case from names and values.
pub(crate) fn case<const N: usize>(pairs: [(&str, String); N]) -> BTreeMap<String, String> {
    let owned = |(name, value): (&str, String)| (name.to_owned(), value);
    pairs.into_iter().map(owned).collect()
}

/// A case in words: `sessions 1000, threads 2`.
pub(crate) fn words(case: &BTreeMap<String, String>) -> String {
    let pair = |(name, value): (&String, &String)| format!("{name} {value}");
    case.iter().map(pair).join(", ")
}

/// Gives every contender its turn in each round, in turned order every other time: what a place in
/// the order is worth is worth nothing then. What each turn brought, by contender; round 0 warms up
/// and is not kept.
pub(crate) fn interleave<C, T>(
    rounds: RangeInclusive<usize>,
    contenders: &[C],
    mut turn: impl FnMut(&C, usize) -> T,
) -> Vec<Vec<T>> {
    let mut kept: Vec<Vec<T>> = contenders.iter().map(|_| Vec::new()).collect();
    for round in rounds {
        let last = contenders.len().saturating_sub(1);
        for place in 0..contenders.len() {
            let place = if round % 2 == 0 { place } else { last - place };
            let brought = turn(&contenders[place], round);
            if round > 0 {
                kept[place].push(brought);
            }
        }
    }
    kept
}

fn line(one: &Measurement, first: &Measurement) -> String {
    let (name, median, unit) = (&one.contender, one.median(), &one.unit);
    let ratios = one.ratios_to(first);
    let [low, middle, high] = [0.25, 0.5, 0.75].map(|q| quantile(&ratios, q));
    let line = format!("  {name:<24} {median:>12.1} {unit:<6}");
    // Where the reference is zero there is none.
    if ![low, middle, high].iter().all(|ratio| ratio.is_finite()) {
        return line;
    }
    format!("{line} ratio {middle:>6.2}  [{low:.2}, {high:.2}]")
}

/// The value below which the share `q` of the values lies; NaN of none.
pub(crate) fn quantile(values: &[f64], q: f64) -> f64 {
    if values.is_empty() {
        return f64::NAN;
    }
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[((sorted.len() - 1) as f64 * q).round() as usize]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_values_that_were_seen() {
        let values = [4.0, 1.0, 3.0, 2.0, 5.0];
        assert_eq!(quantile(&values, 0.0), 1.0);
        assert_eq!(quantile(&values, 0.5), 3.0);
        assert_eq!(quantile(&values, 1.0), 5.0);
        assert!(quantile(&[], 0.5).is_nan());
    }
}
