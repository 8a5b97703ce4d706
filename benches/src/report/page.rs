//! The page, in Markdown: it is read where the repository is.

use clap::ValueEnum;
use openssl::asn1::Asn1Time;

use super::cases::{Case, Spread, cases, contenders, duration, group_by, short};
use super::targets;
use super::verdict::{Row, Verdict};
use crate::record::{Record, Scale};

/// Keys that make a table of their own for each value.
const APART: [&str; 5] = ["where", "load", "stream", "writers", "operation"];

/// Lays the page out. `remarks`: Markdown by hand; `plots`: files beside the page.
pub(super) fn page(record: &Record, remarks: Option<&str>, plots: &[String]) -> String {
    let rows = targets::rows(record);
    let plots: Vec<_> = plots.iter().map(|file| format!("![]({file})")).collect();
    let parts = [
        "# Rekindle beside its peers".to_owned(),
        summary(record, &rows),
        remarks.unwrap_or_default().to_owned(),
        list("### What this run could not do", &record.notes),
        "## Targets\n\nNumbers are medians over the rounds, in brackets their quartiles. Ratios \
         are taken round by round between contenders that ran in turn, and the median of those \
         ratios is what counts, in the case that is the furthest from its target or the closest \
         to missing it."
            .to_owned(),
        rows.iter().map(target).collect(),
        plots.join("\n\n"),
        machine(record),
        "## All numbers\n\nMedians over the rounds; behind each its ratio to the first column, \
         with quartiles. The samples of every round are in the record beside this page."
            .to_owned(),
        tables(&cases(record)),
    ];
    let parts = parts.iter().map(|part| part.trim());
    let parts = parts.filter(|part| !part.is_empty());
    parts.collect::<Vec<_>>().join("\n\n") + "\n"
}

/// What became of a target, as an item of a list.
pub(super) fn target(row: &Row) -> String {
    let verdict = row.verdict();
    let mut lines = vec![format!("- **{verdict}** {}: {}", row.measure, row.target)];
    if let Some(worst) = row.worst() {
        let (value, spread) = (row.value(worst.seen.median), row.spread(worst));
        lines.push(format!("  - worst {value} {spread} {}", worst.case));
    }
    if !row.remark().is_empty() {
        lines.push(format!("  - {}", row.remark()));
    }
    escaped(&lines.join("\n")) + "\n"
}

/// What was run, what is met, and what is not.
fn summary(record: &Record, rows: &[Row]) -> String {
    let machine = &record.machine;
    let time = i64::try_from(machine.unix_time).map(Asn1Time::from_unix);
    let date = time.ok().and_then(Result::ok);
    let date = date.map_or_else(String::new, |time| time.to_string());
    let (scale, commit) = (&record.scale, &machine.commit);
    let mut text = format!("Scale **{scale}**, commit `{commit}`, {date}. ");
    if record.scale != Scale::Full.to_string() {
        text += "This is not the full run: it shows that everything works, and its numbers are a \
                 first impression at best. ";
    }
    let counts = Verdict::value_variants().iter().filter_map(|verdict| {
        let count = rows.iter().filter(|row| row.verdict() == *verdict).count();
        (count > 0).then(|| format!("{count} {verdict}"))
    });
    let counts = counts.collect::<Vec<_>>().join(", ");
    let took = duration(record.durations.values().sum());
    let processors = machine.processors;
    let s = if processors == 1 { "" } else { "s" };
    let run = format!("The run took {took} on {processors} processor{s}.");
    format!("{text}Of {} targets: {counts}. {run}", rows.len())
}

fn machine(record: &Record) -> String {
    let machine = &record.machine;
    let gibibytes = machine.memory_bytes as f64 / (1u64 << 30) as f64;
    let (processors, caches) = (machine.processors, machine.caches.join(", "));
    let facts = [
        format!("{}, {processors} in use", machine.processor),
        format!("caches {caches}; memory {gibibytes:.1} GiB"),
        format!("{}, {}", machine.system, machine.kernel),
        format!("{}, {}", machine.openssl, machine.rustc),
        "peers as in the Cargo.lock of the commit; servers as their distribution packages them"
            .to_owned(),
    ];
    let took = (record.durations.iter())
        .map(|(part, seconds)| format!("part {part}: {}", duration(*seconds)));
    let facts: Vec<_> = facts.into_iter().chain(took).collect();
    list("## Machine", &facts)
}

fn list(title: &str, items: &[String]) -> String {
    let items = items.iter().map(|item| format!("- {}\n", escaped(item)));
    let items: String = items.collect();
    if items.is_empty() {
        items
    } else {
        format!("{title}\n\n{items}")
    }
}

/// Every measurement, a table for each quantity and load, hidden behind its title.
fn tables(cases: &[Case<'_>]) -> String {
    let one = |table: Vec<&Case<'_>>| {
        let contenders = contenders(&table);
        let row =
            |first: &str, cells: Vec<String>| format!("| {first} | {} |\n", cells.join(" | "));
        let names = contenders.iter().map(|name| escaped(name)).collect();
        let head = row(table[0].unit(), names) + &row("---", vec!["---:".into(); contenders.len()]);
        let of_case = |case: &&Case<'_>| {
            let cells = contenders.iter().map(|contender| cell(case, contender));
            row(&escaped(&case.name_without(&APART)), cells.collect())
        };
        let rows: String = table.iter().map(of_case).collect();
        let (title, count) = (escaped(&title(table[0])), table.len());
        format!("<details><summary>{title} ({count})</summary>\n\n{head}{rows}\n</details>\n")
    };
    let groups = group_by(cases, |case| title(case));
    groups.into_iter().map(one).collect()
}

fn title(case: &Case<'_>) -> String {
    let first = case.measurements[0];
    let apart = APART.iter().filter_map(|key| {
        let value = first.case(key)?;
        let unit = if *key == "writers" { " writers" } else { "" };
        Some(format!(": {value}{unit}"))
    });
    let apart: String = apart.collect();
    format!("{}: {}{apart}", first.part, first.quantity)
}

/// The median, and behind it the ratio to the first contender with its quartiles.
fn cell(case: &Case<'_>, contender: &str) -> String {
    let Some(measurement) = case.contender(contender) else {
        return "–".to_owned();
    };
    let reference = case.measurements[0];
    let Spread { low, median, high } = Spread::of(&measurement.ratios_to(reference));
    let mut text = short(measurement.median());
    if measurement.contender != reference.contender && median.is_finite() {
        text += &format!(" ({}×", short(median));
        if low < high {
            text += &format!(" [{}, {}]", short(low), short(high));
        }
        text += ")";
    }
    text
}

/// Text that Markdown shows as it is.
fn escaped(text: &str) -> String {
    let mut text = text.to_owned();
    for (plain, safe) in [("&", "&amp;"), ("<", "&lt;"), ("|", "\\|")] {
        text = text.replace(plain, safe);
    }
    text
}
