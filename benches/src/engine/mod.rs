//! The engine beside its peers: ratios to an unsynchronised floor, rounds interleaved.

pub mod contenders;
mod internal;
pub mod loads;
pub mod place;
mod plan;
pub mod scene;
pub mod tables;
mod turns;
mod work;

use std::collections::BTreeMap;
use std::time::Duration;

use indicatif::ProgressBar;

use crate::record::{Measurement, Recorder, case, quantile};
use crate::scale::Scale;
use crate::workload::{Keys, SHORTEST};
use contenders::Who;
use loads::Load;
use place::Done;
use plan::Group;
use scene::Setup;
use tables::Tables;

/// What is run: a plan for the scale, or, where loads, sessions, threads, bytes or keys are chosen,
/// every combination of these.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// Loads [default: all].
    #[arg(long, value_enum, value_delimiter = ',')]
    pub loads: Vec<Load>,
    /// Sessions in a full table [default: 100000].
    #[arg(long, value_delimiter = ',', value_parser = parse_in::<1_000, 0xffff_ffff>)]
    pub sessions: Vec<usize>,
    /// Threads at work [default: 1,2].
    #[arg(long, value_delimiter = ',', value_parser = parse_in::<1, 128>)]
    pub threads: Vec<usize>,
    /// Bytes of each value [default: 160].
    #[arg(long, value_delimiter = ',', value_parser = parse_in::<SHORTEST, 16_384>)]
    pub bytes: Vec<usize>,
    /// In which order independent keys are asked for [default: uniform].
    #[arg(long, value_enum, value_delimiter = ',')]
    pub keys: Vec<Keys>,
    /// Contenders; ratios are to the first [default: all].
    #[arg(long, value_enum, value_delimiter = ',')]
    pub contenders: Vec<Who>,
    /// Rounds; each runs every contender once.
    #[arg(long)]
    pub rounds: Option<usize>,
    /// Length of one contender's turn in a round, in milliseconds; twice that where threads
    /// outnumber processors.
    #[arg(long)]
    pub millis: Option<u64>,
    /// How much, where nothing is chosen.
    #[arg(skip = Scale::Full)]
    pub scale: Scale,
}

impl Options {
    /// For a run of everything.
    #[must_use]
    pub fn at(scale: Scale) -> Self {
        Self {
            loads: Vec::new(),
            sessions: Vec::new(),
            threads: Vec::new(),
            bytes: Vec::new(),
            keys: Vec::new(),
            contenders: Vec::new(),
            rounds: None,
            millis: None,
            scale,
        }
    }

    /// Whether cases were chosen.
    fn chooses(&self) -> bool {
        let numbers = [&self.sessions, &self.threads, &self.bytes];
        let any = numbers.iter().any(|chosen| !chosen.is_empty());
        any || !self.loads.is_empty() || !self.keys.is_empty()
    }
}

/// Parses a number in a range.
pub(crate) fn parse_in<const LOW: usize, const HIGH: usize>(text: &str) -> Result<usize, String> {
    let number = text.parse().map_err(|error| format!("{error}"))?;
    if (LOW..=HIGH).contains(&number) {
        return Ok(number);
    }
    Err(format!("{number} is not in {LOW}..={HIGH}"))
}

/// A load on so many threads.
type Case = (Load, usize);

/// Runs every case.
///
/// # Panics
///
/// When a contender gives a wrong answer.
pub fn run(options: &Options, recorder: &mut Recorder) {
    let groups = plan::groups(options);
    let steps = groups
        .iter()
        .map(|group| group.cases().len() * (group.rounds + 1));
    let bar = recorder.progress("engine", steps.sum());
    for group in &groups {
        let cases = group.cases();
        if let Some(lacking) = group.lacks_memory() {
            recorder.note(format!("engine: {lacking}"));
            bar.inc((cases.len() * (group.rounds + 1)) as u64);
            continue;
        }
        if group.who.len() < Who::ALL.len() && options.contenders.is_empty() {
            let names: Vec<_> = group.who.iter().map(Who::to_string).collect();
            let (sessions, names) = (group.sessions, names.join("; "));
            recorder.note(format!(
                "engine: {sessions} sessions, for the sake of memory only: {names}"
            ));
        }
        let (reading, writing): (Vec<_>, Vec<_>) =
            cases.into_iter().partition(|(load, _)| load.only_reads());
        // Tables that are written to serve one case.
        let written = writing.iter().map(std::slice::from_ref);
        for cases in std::iter::once(&reading[..]).chain(written) {
            if !cases.is_empty() {
                group.interleave(cases, recorder, &bar);
            }
        }
    }
    bar.finish_and_clear();
}

impl Group {
    /// Every load with every number of threads; dependent keys are visited in a circle and know no
    /// other order.
    fn cases(&self) -> Vec<Case> {
        let fits = |load: &&Load| self.keys == Keys::Uniform || load.has_keys();
        let loads = self.loads.iter().filter(fits);
        loads
            .flat_map(|load| self.threads.iter().map(|threads| (*load, *threads)))
            .collect()
    }

    /// Runs every contender once a round in each case, in turn.
    fn interleave(&self, cases: &[Case], recorder: &mut Recorder, bar: &ProgressBar) {
        let load = cases[0].0;
        let setup = Setup {
            sessions: self.sessions,
            threads: cases.iter().map(|case| case.1).max().unwrap_or(1),
            bytes: self.bytes,
            keys: self.keys,
        };
        for who in &self.who {
            if let Some(why) = who.fails(load, self.sessions) {
                recorder.note(format!(
                    "engine: {load}, {} sessions: without {who}, which {why}",
                    self.sessions
                ));
            }
        }
        let able: Vec<_> = (self.who.iter().copied())
            .filter(|who| who.carries(load, self.sessions))
            .collect();
        let tables = Tables::new(load, &setup, &able);
        let mut done = vec![vec![Vec::new(); able.len()]; cases.len()];
        for round in 0..=self.rounds {
            for ((load, threads), done) in cases.iter().zip(&mut done) {
                let turn = self.turn(*threads);
                for (table, done) in tables.tables.iter().zip(done) {
                    let this = table.work_for(*load, &tables.scene, *threads, round, turn);
                    // The first round warms up.
                    if round > 0 {
                        done.push(this);
                    }
                }
                bar.inc(1);
            }
        }
        for (case, done) in cases.iter().zip(&done) {
            self.report(*case, &able, done, recorder);
        }
    }

    fn names(&self, (load, threads): Case) -> BTreeMap<String, String> {
        case([
            ("load", load.to_string()),
            ("sessions", self.sessions.to_string()),
            ("threads", threads.to_string()),
            ("bytes", self.bytes.to_string()),
            ("keys", self.keys.to_string()),
        ])
    }

    fn turn(&self, threads: usize) -> Duration {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let longer = if threads > processors { 2 } else { 1 };
        Duration::from_millis(longer * self.millis)
    }

    /// Hands in what the contenders of a case have done, by contender and round.
    fn report(&self, case: Case, who: &[Who], done: &[Vec<Done>], recorder: &mut Recorder) {
        let measured = |quantity, unit, sample: &dyn Fn(&Done) -> f64| -> Vec<_> {
            let one = |(who, done): (&Who, &Vec<Done>)| Measurement {
                part: "engine".into(),
                quantity: String::from(quantity),
                unit: String::from(unit),
                case: self.names(case),
                contender: who.to_string(),
                samples: done.iter().map(sample).collect(),
            };
            who.iter().zip(done).map(one).collect()
        };
        let nanos = |done: &Done| done.spent.as_nanos() as f64 / done.operations as f64;
        recorder.add(measured("time per operation", "ns", &nanos));
        let missed = measured("lookups that missed", "%", &|done| {
            percent(done.missed, done.asked)
        });
        let refused = measured("inserts that were refused", "%", &|done| {
            percent(done.refused, done.inserts)
        });
        for shares in [missed, refused] {
            let many: Vec<_> = (shares.iter())
                .map(|one| (&one.contender, quantile(&one.samples, 0.5)))
                .filter(|(_, share)| *share > 1.0)
                .map(|(who, share)| format!("{who} {share:.1} %"))
                .collect();
            if !many.is_empty() {
                let what = shares[0].quantity.clone();
                let case: Vec<_> = (self.names(case).into_iter())
                    .map(|(name, value)| format!("{name} {value}"))
                    .collect();
                let (case, many) = (case.join(", "), many.join(", "));
                recorder.note(format!("engine: {case}: {what}: {many}"));
                recorder.add(shares);
            }
        }
    }
}

fn percent(part: u64, whole: u64) -> f64 {
    100.0 * part as f64 / whole.max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_load_is_measured_with_everybody_who_carries_it() {
        let mut recorder = Recorder::new("touch");
        run(&Options::at(Scale::Touch), &mut recorder);
        let record = recorder.finish();
        for load in Load::ALL {
            let name = load.to_string();
            let of_load = (record.measurements.iter())
                .filter(|m| m.quantity == "time per operation")
                .filter(|m| m.case("load") == Some(&name));
            let measured: Vec<_> = of_load.map(|m| m.contender.clone()).collect();
            let able = Who::ALL.iter().filter(|who| who.carries(*load, 1_000));
            let able: Vec<_> = able.map(Who::to_string).collect();
            assert_eq!(measured, able, "{name}");
        }
        assert!(record.measurements.iter().all(|m| m.samples.len() == 1));
    }
}
