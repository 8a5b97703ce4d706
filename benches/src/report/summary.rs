//! What a record says, in sentences.

use super::numbers;
use super::verdict::{Row, Verdict};
use crate::record::Record;
use crate::scale::Scale;

/// What was run, what is met, and what is not, in the words of the targets.
pub(super) fn sentences(record: &Record, rows: &[Row]) -> Vec<String> {
    let mut sentences = Vec::new();
    if record.scale != Scale::Full.to_string() {
        sentences.push(format!(
            "This is a run of scale “{}”, not the full one: it shows that everything works, and \
             its numbers are a first impression at best.",
            record.scale
        ));
    }
    let of = |verdict| rows.iter().filter(move |row| row.verdict() == verdict);
    let counts = Verdict::ALL.map(|verdict| (of(verdict).count(), verdict.words()));
    let counts = counts.iter().filter(|(count, _)| *count > 0);
    let counts: Vec<_> = counts
        .map(|(count, words)| format!("{count} {words}"))
        .collect();
    sentences.push(format!("Of {} targets: {}.", rows.len(), counts.join(", ")));
    let seconds: f64 = record.durations.values().sum();
    sentences.push(format!(
        "The run took {} on {} processor{}.",
        numbers::duration(seconds),
        record.machine.processors,
        if record.machine.processors == 1 {
            ""
        } else {
            "s"
        },
    ));
    sentences
}
