//! Every measurement, in tables: a row for each case, a column for each contender.

use maud::{Markup, html};

use super::cases::{Case, Spread, contenders, group_by, is_ours};
use super::numbers;

/// Keys that make a table of their own for each value.
const APART: [&str; 5] = ["where", "load", "stream", "writers", "operation"];

/// All of them, hidden behind a line for each.
pub(super) fn all(cases: &[Case<'_>]) -> Markup {
    html! {
        @for table in group_by(cases, |case| title(case)) {
            details {
                @let cases = if table.len() == 1 { "case" } else { "cases" };
                summary { (title(table[0])) " " span.count { "(" (table.len()) " " (cases) ")" } }
                div.wide { (one(&table)) }
            }
        }
    }
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

fn one(table: &[&Case<'_>]) -> Markup {
    let contenders = contenders(table);
    html! {
        table.cases {
            thead {
                tr {
                    th scope="col" { (table[0].unit()) }
                    @for contender in &contenders {
                        th.ours[is_ours(contender)] scope="col" { (contender) }
                    }
                }
            }
            tbody {
                @for case in table {
                    tr {
                        th scope="row" { (case.name_without(&APART)) }
                        @for contender in &contenders { (cell(case, contender)) }
                    }
                }
            }
        }
    }
}

/// The median, and under it the ratio to the first contender with its quartiles.
fn cell(case: &Case<'_>, contender: &str) -> Markup {
    let Some(measurement) = case.contender(contender) else {
        return html! { td { "–" } };
    };
    let reference = case.measurements[0];
    let Spread { low, median, high } = Spread::of(&measurement.ratios_to(reference));
    html! {
        td.ours[is_ours(contender)] {
            (numbers::short(measurement.median()))
            @if measurement.contender != reference.contender && median.is_finite() {
                small {
                    (numbers::short(median)) "×"
                    @if low < high { " [" (numbers::short(low)) ", " (numbers::short(high)) "]" }
                }
            }
        }
    }
}
