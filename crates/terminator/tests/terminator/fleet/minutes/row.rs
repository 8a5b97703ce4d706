//! The table: a row for each phase.

use std::fmt;
use std::time::Duration;

use super::clients::{CameBack, Counts};
use super::fault::Fault;
use super::site::Counters;

/// A phase.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) fault: Fault,
    pub(super) counts: Counts,
    /// How long after the fault all machines shared.
    pub(super) shares_again: Duration,
    pub(super) counters: Counters,
    /// Of the largest machine, in bytes.
    pub(super) memory: u64,
}

const HEAD: &str = "\
| fault | connections | resumed at once | resumed later | full | failed | p50, p99 (ms) \
| not shared | fetched | replicated | shares after (s) | memory (MiB) |
|---|---|---|---|---|---|---|---|---|---|---|---|";

/// In Markdown.
pub(super) fn table(rows: &[Row]) -> String {
    rows.iter()
        .fold(HEAD.to_owned(), |table, row| format!("{table}\n{row}"))
}

impl Row {
    /// Whether the machines have noticed the fault.
    pub(super) fn is_noticed(&self) -> bool {
        let Counters {
            store_errors,
            dropped,
            ..
        } = self.counters;
        (!self.fault.breaks_connections() || store_errors > 0)
            && (self.fault != Fault::Full || dropped > 0)
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            counts, counters, ..
        } = self;
        let (at_once, later, failed) = (&counts.at_once, &counts.later, counts.failed.len());
        let full = counts.first + at_once.full() + later.full();
        let resumed = at_once.resumed + later.resumed;
        let millis = |percent| counts.times.percentile(percent).as_secs_f64() * 1e3;
        write!(f, "| {} | {} ", self.fault.name(), resumed + full + failed)?;
        write!(f, "| {at_once} | {later} | {full} | {failed} ")?;
        write!(f, "| {:.1}, {:.1} ", millis(50), millis(99))?;
        write!(
            f,
            "| {} | {} | {} ",
            counters.dropped, counters.fetched, counters.replicated
        )?;
        let (seconds, memory) = (self.shares_again.as_secs_f64(), self.memory >> 20);
        write!(f, "| {seconds:.1} | {memory} |")
    }
}

impl CameBack {
    fn full(&self) -> usize {
        self.all - self.resumed
    }
}

/// How many of those that came back were resumed, and their share.
impl fmt::Display for CameBack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let percent = self.resumed as f64 * 100.0 / self.all.max(1) as f64;
        write!(f, "{} ({percent:.1} %)", self.resumed)
    }
}
