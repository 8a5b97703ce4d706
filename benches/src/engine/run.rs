//! Runs every case, and hands in what was measured.

use std::collections::BTreeMap;
use std::time::Duration;

use super::batch::Counts;
use super::groups::{Case, Group, Options, groups};
use super::loads::{Load, entrants, failure};
use super::population::{Population, Setup};
use super::tables::Tables;
use crate::peers::Entrant;
use crate::record::{Record, case, interleave, quantile, words};

/// Runs every case; panics when a contender gives a wrong answer.
pub(crate) fn run(options: &Options, record: &mut Record) {
    let groups = groups(options);
    for group in &groups {
        let cases = group.cases();
        if let Some(lacking) = group.lacks_memory() {
            record.note(format!("engine: {lacking}"));
            continue;
        }
        let (reading, writing): (Vec<_>, Vec<_>) =
            cases.into_iter().partition(|(load, _)| load.only_reads());
        // Tables that are written to serve one case.
        let written = writing.iter().map(std::slice::from_ref);
        for cases in std::iter::once(&reading[..]).chain(written) {
            if !cases.is_empty() {
                run_in_turn(group, cases, record);
            }
        }
    }
}

fn run_in_turn(group: &Group, cases: &[Case], record: &mut Record) {
    let load = cases[0].0;
    let setup = Setup {
        sessions: group.sessions,
        threads: cases.iter().map(|case| case.1).max().unwrap_or(1),
        bytes: group.bytes,
        keys: group.keys,
    };
    for contender in &group.contenders {
        if let Some(why) = failure(*contender, load, group.sessions) {
            let sessions = group.sessions;
            record.note(format!(
                "engine: {load}, {sessions} sessions: without {contender}, which {why}"
            ));
        }
    }
    let able = entrants(&group.contenders, load, !load.only_reads(), group.sessions);
    let Tables { population, tables } =
        Tables::filled(Population::new(load, &setup), &setup, &able);
    let turns: Vec<_> = (cases.iter())
        .flat_map(|case| tables.iter().map(move |table| (case, table)))
        .collect();
    let rounds = 0..=group.rounds;
    let counts = interleave(rounds, &turns, |((load, threads), table), round| {
        table.work_for(*load, &population, *threads, round, turn(group, *threads))
    });
    for (case, counts) in cases.iter().zip(counts.chunks(able.len())) {
        report(group, *case, &able, counts, record);
    }
}

fn turn(group: &Group, threads: usize) -> Duration {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let longer = if threads > processors { 2 } else { 1 };
    Duration::from_millis(longer * group.millis)
}

/// Hands in what the contenders of a case have done, by contender and round.
fn report(
    group: &Group,
    (load, threads): (Load, usize),
    entrants: &[Entrant],
    counts: &[Vec<Counts>],
    record: &mut Record,
) {
    let case = case([
        ("load", load.to_string()),
        ("sessions", group.sessions.to_string()),
        ("threads", threads.to_string()),
        ("bytes", group.bytes.to_string()),
        ("keys", group.keys.to_string()),
    ]);
    let time = ["engine", "time per operation", "ns"];
    let nanos = |c: &Counts| c.spent.as_nanos() as f64 / c.operations as f64;
    record.add_turns(time, &case, entrants, counts, nanos);
    note_shares("engine", &case, entrants, counts, record);
}

/// Records and notes which contenders had many lookups that missed, or inserts that were refused.
pub(crate) fn note_shares(
    part: &str,
    case: &BTreeMap<String, String>,
    entrants: &[Entrant],
    counts: &[Vec<Counts>],
    record: &mut Record,
) {
    // In per cent; zero of nothing.
    let missed: fn(&Counts) -> f64 = |c| 100.0 * c.missed as f64 / c.asked.max(1) as f64;
    let refused: fn(&Counts) -> f64 = |c| 100.0 * c.refused as f64 / c.inserts.max(1) as f64;
    for (what, share) in [
        ("lookups that missed", missed),
        ("inserts that were refused", refused),
    ] {
        let median = |all: &Vec<Counts>| quantile(&all.iter().map(share).collect::<Vec<_>>(), 0.5);
        let many: Vec<_> = (entrants.iter().zip(counts.iter().map(median)))
            .filter(|(_, share)| *share > 1.0)
            .map(|(contender, share)| format!("{contender} {share:.1} %"))
            .collect();
        if !many.is_empty() {
            let (case_in_words, many) = (words(case), many.join(", "));
            record.note(format!("{part}: {case_in_words}: {what}: {many}"));
            record.add_turns([part, what, "%"], case, entrants, counts, share);
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum;

    use super::*;
    use crate::engine::parse;
    use crate::peers::Contender;

    #[test]
    fn every_load_is_measured_with_all_that_carry_it() {
        let mut record = Record::new("touch");
        run(&parse("--scale touch"), &mut record);
        for &load in Load::value_variants() {
            let name = load.to_string();
            let of_load = (record.measurements.iter())
                .filter(|m| m.quantity == "time per operation")
                .filter(|m| m.case("load") == Some(&name));
            let measured: Vec<_> = of_load.map(|m| m.contender.clone()).collect();
            let able = entrants(Contender::value_variants(), load, !load.only_reads(), 1_000);
            let able: Vec<_> = able.iter().map(Entrant::to_string).collect();
            assert_eq!(measured, able, "{name}");
        }
        assert!(record.measurements.iter().all(|m| m.samples.len() == 1));
    }
}
