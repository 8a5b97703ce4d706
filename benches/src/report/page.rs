//! The page: one file, which needs nothing else.

use maud::{DOCTYPE, Markup, PreEscaped, html};
use openssl::asn1::Asn1Time;

use super::cases::{Case, cases};
use super::plots::Figure;
use super::targets;
use super::verdict::{Row, Verdict};
use super::{numbers, palette, tables};
use crate::record::{Machine, Record};
use crate::scale::Scale;

/// Lays the page out. `remarks`: paragraphs by hand, separated by blank lines.
pub(super) fn page(record: &Record, remarks: Option<&str>, figures: &[Figure]) -> Markup {
    let rows = targets::rows(record);
    let cases = cases(record);
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { "Rekindle beside its peers" }
                style { (PreEscaped(include_str!("style.css"))) (PreEscaped(palette::dark_mode())) }
            }
            body {
                header { h1 { "Rekindle beside its peers" } p.meta { (origin(record)) } }
                main {
                    (said(record, &rows, remarks))
                    (target_table(&rows))
                    (plots(figures))
                    (machine(record))
                    (all_numbers(&cases))
                }
            }
        }
    }
}

fn origin(record: &Record) -> Markup {
    let machine = &record.machine;
    html! {
        "Scale " b { (record.scale) } " · commit " code { (machine.commit) } " · " (date(machine))
        " · " (machine.processor) ", " (machine.processors) " in use"
    }
}

fn date(machine: &Machine) -> String {
    let time = i64::try_from(machine.unix_time).ok();
    let time = time.and_then(|seconds| Asn1Time::from_unix(seconds).ok());
    time.map_or_else(String::new, |time| time.to_string())
}

fn said(record: &Record, rows: &[Row], remarks: Option<&str>) -> Markup {
    html! {
        section {
            h2 { "Summary" }
            @for sentence in sentences(record, rows) { p { (sentence) } }
            @for paragraph in paragraphs(remarks.unwrap_or_default()) { p { (marked(&paragraph)) } }
            @if !record.notes.is_empty() {
                h3 { "What this run could not do" }
                ul { @for note in &record.notes { li { (note) } } }
            }
        }
    }
}

/// What was run, what is met, and what is not.
fn sentences(record: &Record, rows: &[Row]) -> Vec<String> {
    let mut sentences = Vec::new();
    if record.scale != Scale::Full.to_string() {
        sentences.push(format!(
            "This is a run of scale “{}”, not the full one: it shows that everything works, and \
             its numbers are a first impression at best.",
            record.scale
        ));
    }
    let counts = Verdict::SHOWN.iter().filter_map(|shown| {
        let same = rows.iter().filter(|row| row.verdict().shown() == *shown);
        let count = Some(same.count()).filter(|count| *count > 0)?;
        Some(format!("{count} {}", shown[0]))
    });
    let counts: Vec<_> = counts.collect();
    sentences.push(format!("Of {} targets: {}.", rows.len(), counts.join(", ")));
    let took = numbers::duration(record.durations.values().sum());
    let processors = record.machine.processors;
    let s = if processors == 1 { "" } else { "s" };
    sentences.push(format!("The run took {took} on {processors} processor{s}."));
    sentences
}

fn paragraphs(text: &str) -> Vec<String> {
    let mut paragraphs = vec![String::new()];
    for line in text.lines().map(str::trim) {
        match paragraphs.last_mut() {
            Some(last) if !line.is_empty() => {
                let gap = if last.is_empty() { "" } else { " " };
                *last = format!("{last}{gap}{line}");
            }
            _ => paragraphs.push(String::new()),
        }
    }
    paragraphs.retain(|paragraph| !paragraph.is_empty());
    paragraphs
}

fn marked(text: &str) -> Markup {
    html! {
        @for (i, piece) in text.split('`').enumerate() {
            @if i % 2 == 0 { (piece) } @else { code { (piece) } }
        }
    }
}

fn target_table(rows: &[Row]) -> Markup {
    html! {
        section {
            h2 { "Targets" }
            div.wide {
                table.targets {
                    thead {
                        tr {
                            @for title in ["Measure", "Target", "Worst case seen", "Verdict"] {
                                th scope="col" { (title) }
                            }
                        }
                    }
                    tbody { @for row in rows { (target(row)) } }
                }
            }
            p.small {
                "Numbers are medians over the rounds, in brackets their quartiles. Ratios are "
                "taken round by round between contenders that ran in turn, and the median of those "
                "ratios is what counts, in the case that is the furthest from its target or the "
                "closest to missing it."
            }
        }
    }
}

fn target(row: &Row) -> Markup {
    let [words, mark, class] = row.verdict().shown();
    html! {
        tr {
            th scope="row" { (&row.measure) }
            td { (row.target) }
            td {
                @if let Some(worst) = row.worst() {
                    b { (row.value(worst.seen.median)) } " " span.spread { (row.spread(worst)) }
                    small { (&worst.case) }
                } @else { "–" }
            }
            td {
                span class={ "verdict " (class) } { (mark) " " (words) }
                @let remark = row.remark();
                @if !remark.is_empty() { small { (&remark) } }
            }
        }
    }
}

fn plots(figures: &[Figure]) -> Markup {
    html! {
        @for figure in figures {
            section {
                h2 { (figure.title) }
                @if figure.panels.is_empty() {
                    p.absent { "Not in this record." }
                } @else {
                    p { (figure.caption) }
                    div.panels {
                        @for panel in &figure.panels { div.panel { (PreEscaped(panel)) } }
                    }
                }
            }
        }
    }
}

fn machine(record: &Record) -> Markup {
    let machine = &record.machine;
    let gibibytes = machine.memory_bytes as f64 / (1u64 << 30) as f64;
    let facts = [
        ("Processor", machine.processor.clone()),
        ("Processors in use", machine.processors.to_string()),
        ("Caches", machine.caches.join(", ")),
        ("Memory", format!("{gibibytes:.1} GiB")),
        ("System", machine.system.clone()),
        ("Kernel", machine.kernel.clone()),
        ("OpenSSL", machine.openssl.clone()),
        ("Compiler", machine.rustc.clone()),
        ("Commit", machine.commit.clone()),
    ];
    html! {
        section {
            h2 { "Machine" }
            dl {
                @for (name, value) in facts.iter().filter(|(_, value)| !value.is_empty()) {
                    dt { (name) } dd { (value) }
                }
                @for (part, seconds) in &record.durations {
                    dt { "Part " (part) } dd { (numbers::duration(*seconds)) }
                }
            }
            p.small {
                "The versions of the peers are those in the Cargo.lock of the commit; servers are "
                "as their distribution packages them."
            }
        }
    }
}

fn all_numbers(cases: &[Case<'_>]) -> Markup {
    html! {
        section {
            h2 { "All numbers" }
            p {
                "Medians over the rounds; under each its ratio to the first column, with "
                "quartiles. The samples of every round are in the record behind this page."
            }
            (tables::all(cases))
        }
    }
}
