//! What became of a target: the cases that were checked, the worst of them, the verdict.

use clap::ValueEnum;
use serde::Deserialize;

use super::cases::{Spread, short};
use crate::record::named;

/// A target, and what was seen in each case that it speaks about.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) measure: String,
    pub(super) target: String,
    pub(super) limit: Limit,
    pub(super) unit: Unit,
    pub(super) checks: Vec<Check>,
    /// Cases that the target does not speak about, and which explain it.
    pub(super) beside: Vec<Check>,
    /// Cases that the target speaks about and the record knows nothing of.
    pub(super) unmeasured: Vec<String>,
}

#[derive(Clone, Debug)]
pub(super) struct Check {
    /// Which, and beside which peer.
    pub(super) case: String,
    pub(super) seen: Spread,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Limit {
    AtMost(f64),
    AtLeast(f64),
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Unit {
    #[default]
    Ratio,
    /// Percentage points between two shares.
    Points,
    Bytes,
    Milliseconds,
    PerSecond,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Verdict {
    /// In every case that it speaks about.
    Met,
    /// In every case that was measured, but others were not.
    MetWhereMeasured,
    /// Not in every case.
    Missed,
    /// No case was measured.
    NotMeasured,
}

named!(Verdict {
    Met => "met",
    MetWhereMeasured => "met where measured",
    Missed => "not met",
    NotMeasured => "not measured",
});

impl Row {
    pub(super) fn verdict(&self) -> Verdict {
        match (self.missed().next(), self.unmeasured.is_empty()) {
            _ if self.checks.is_empty() => Verdict::NotMeasured,
            (Some(_), _) => Verdict::Missed,
            (None, true) => Verdict::Met,
            (None, false) => Verdict::MetWhereMeasured,
        }
    }

    /// The case that is the furthest from the target, or the closest to missing it.
    pub(super) fn worst(&self) -> Option<&Check> {
        let order = |a: &&Check, b: &&Check| {
            let excess = |c: &Check| self.limit.excess(c.seen.median);
            excess(a).total_cmp(&excess(b))
        };
        self.checks.iter().max_by(order)
    }

    pub(super) fn missed(&self) -> impl Iterator<Item = &Check> {
        let missed = |c: &&Check| self.limit.excess(c.seen.median) > 0.0;
        self.checks.iter().filter(missed)
    }

    pub(super) fn value(&self, value: f64) -> String {
        match self.unit {
            Unit::Ratio => format!("{}×", self.ratio(value)),
            Unit::Points => format!("{value:+.2} points").replace('-', "−"),
            Unit::Bytes => format!("{} bytes", short(value)),
            Unit::Milliseconds => format!("{} ms", short(value)),
            Unit::PerSecond => format!("{} a second", short(value)),
        }
    }

    /// A ratio, with another digit where it would read as if it were the limit.
    fn ratio(&self, value: f64) -> String {
        let (Limit::AtMost(limit) | Limit::AtLeast(limit)) = self.limit;
        let text = Some(short(value)).filter(|text| *text != short(limit));
        text.unwrap_or_else(|| format!("{value:.3}"))
    }

    /// The quartiles of what was seen in one case, if rounds differ at all.
    pub(super) fn spread(&self, check: &Check) -> String {
        let Spread { low, high, .. } = check.seen;
        let text = |value: f64| match self.unit {
            Unit::Points => format!("{value:+.2}").replace('-', "−"),
            _ => short(value),
        };
        let spread = (low < high).then(|| format!("[{}, {}]", text(low), text(high)));
        spread.unwrap_or_default()
    }

    /// Where it was missed, which cases are not known, and what else was seen, in one line.
    pub(super) fn remark(&self) -> String {
        let one = |c: &Check| format!("{} ({})", c.case, self.value(c.seen.median));
        let missed: Vec<_> = self.missed().map(one).collect();
        let mut remarks = Vec::new();
        if !missed.is_empty() {
            let (of, which) = (self.checks.len(), some(&missed));
            remarks.push(format!("missed in {} of {of}: {which}", missed.len()));
        }
        if !self.unmeasured.is_empty() && !self.checks.is_empty() {
            remarks.push(format!("not measured: {}", some(&self.unmeasured)));
        }
        if !self.beside.is_empty() {
            let beside: Vec<_> = self.beside.iter().map(one).collect();
            remarks.push(format!("not counted: {}", beside.join("; ")));
        }
        remarks.join("; ")
    }
}

impl Limit {
    /// How far above or below a value is what may not be seen. What is no number is seen nowhere.
    pub(super) fn excess(self, value: f64) -> f64 {
        match self {
            _ if value.is_nan() => f64::INFINITY,
            Self::AtMost(limit) => value - limit,
            Self::AtLeast(limit) => limit - value,
        }
    }
}

fn some(all: &[String]) -> String {
    const FEW: usize = 3;
    let rest = all.len().saturating_sub(FEW);
    let mut text = all[..all.len() - rest].join("; ");
    if rest > 0 {
        text.push_str(&format!("; and {rest} more"));
    }
    text
}
