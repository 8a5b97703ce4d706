//! Which plots are made of a record: a row for each figure, and how cases become its panels.

use std::error::Error;

use super::cases::{Case, Spread, contenders, group_by, is_bound};
use super::draw::{Lines, Series};
use super::numbers;

/// A figure: a panel for all cases that differ in one key only, in it a line for each contender.
pub(super) struct Figure {
    pub(super) title: &'static str,
    pub(super) caption: &'static str,
    /// The part and the quantity.
    of: [&'static str; 2],
    /// A key of the cases, and how its value has to begin.
    only: [&'static str; 2],
    /// The key along the horizontal axis, on a log scale, and what it is called there.
    key: [&'static str; 2],
    vertical: &'static str,
    log: bool,
    /// Whether the values are ratios to the floor.
    to_floor: bool,
    /// Writes a value.
    name: fn(f64) -> String,
}

const TAIL: Figure = Figure {
    title: "Latency of a lookup beside writers",
    caption: "How long the slowest lookups take while writers at idle priority are preempted in \
              the middle of their work. Lower and flatter is better; but a cache that has lost \
              most of what is looked up (the tables below tell) has little to do.",
    of: ["tail", "latency of get"],
    only: ["quantile", "p"],
    key: ["quantile", "percentile of calls"],
    vertical: "time of a call, log scale",
    log: true,
    to_floor: false,
    name: numbers::time,
};

/// In the order of the parts.
pub(super) static FIGURES: [Figure; 4] = [
    Figure {
        title: "Lookups: how far from the floor",
        caption: "Time of a lookup whose key depends on the lookup before, as a ratio to a table \
                  that touches the same memory without any synchronisation. Lower is better; thin \
                  upright lines are the quartiles over the rounds.",
        of: ["engine", "time per operation"],
        only: ["load", "get_buffer, dependent keys"],
        key: ["sessions", "sessions"],
        vertical: "ratio to the floor, log scale",
        log: true,
        to_floor: true,
        name: numbers::short,
    },
    TAIL,
    Figure {
        title: "Latency of an insert into a full table beside writers",
        caption: "The same of inserts, each of which makes room for itself.",
        of: ["tail", "latency of insert"],
        ..TAIL
    },
    Figure {
        title: "Hit ratio",
        caption: "Share of requests that find their session. The dashed line is the offline \
                  optimum, which knows the future: no cache can be above it.",
        of: ["hit-ratio", "hits"],
        only: ["capacity %", ""],
        key: ["capacity %", "capacity, % of all sessions, log scale"],
        vertical: "hits, % of requests",
        log: false,
        to_floor: false,
        name: numbers::short,
    },
];

/// The plot for the README: the latency of lookups beside writers. None if that was not measured.
pub(super) fn of_the_tail(cases: &[Case<'_>]) -> Result<Option<String>, Box<dyn Error>> {
    let mut groups = TAIL.groups(cases);
    groups.retain(|group| group[0].value("writers") != "0");
    let four = |g: &&Vec<&Case<'_>>| g[0].value("writers") == "4";
    let Some(group) = groups.iter().find(four).or(groups.first()) else {
        return Ok(None);
    };
    let writers = group[0].value("writers");
    let title = format!("Latency of a lookup beside {writers} writers preempted in mid-work");
    TAIL.lines(group, title).draw().map(Some)
}

impl Figure {
    /// The panels, as SVG.
    pub(super) fn panels(&self, cases: &[Case<'_>]) -> Result<Vec<String>, Box<dyn Error>> {
        let mut groups = self.groups(cases);
        groups.retain(|group| !self.to_floor || group[0].floor().is_some());
        if groups.iter().any(|group| group.len() > 1) {
            groups.retain(|group| group.len() > 1);
        }
        let title = |group: &[&Case<'_>]| group[0].name_without(&[self.key[0], self.only[0]]);
        let draw = |group: &Vec<&Case<'_>>| self.lines(group, title(group)).draw();
        groups.iter().map(draw).collect()
    }

    fn groups<'c, 'a>(&self, cases: &'c [Case<'a>]) -> Vec<Vec<&'c Case<'a>>> {
        let ([part, quantity], [key, start]) = (self.of, self.only);
        let fits = |c: &&Case<'_>| c.is_of(part, quantity) && c.value(key).starts_with(start);
        group_by(cases.iter().filter(fits), |case| {
            case.key_without(&[self.key[0]])
        })
    }

    fn lines(&self, cases: &[&Case<'_>], title: String) -> Lines {
        let key = self.key[0];
        let positions = cases.iter().filter_map(|case| position(case.value(key)));
        let mut positions: Vec<_> = positions.collect();
        positions.sort_by(|(a, _), (b, _)| a.total_cmp(b));
        positions.dedup();
        let point = |case: &&Case<'_>, name: &str| {
            let seen = case.contender(name)?;
            let values = match self.to_floor {
                true => seen.ratios_to(case.floor()?),
                false => seen.samples.clone(),
            };
            Some((position(case.value(key))?.0, Spread::of(&values)))
        };
        let line = |name: &&str| {
            let mut points: Vec<_> = cases.iter().filter_map(|case| point(case, name)).collect();
            points.sort_by(|(a, _), (b, _)| a.total_cmp(b));
            let name = (*name).to_owned();
            (!points.is_empty()).then_some(Series { name, points })
        };
        let mut series: Vec<_> = contenders(cases).iter().filter_map(line).collect();
        // Bounds behind everything else.
        series.sort_by_key(|series| !is_bound(&series.name));
        Lines {
            title,
            horizontal: self.key[1],
            vertical: self.vertical,
            log: self.log,
            name: self.name,
            positions,
            series,
        }
    }
}

/// Where a value of a case lies along the horizontal axis, and its name there.
fn position(value: &str) -> Option<(f64, String)> {
    const QUANTILES: [&str; 4] = ["p50", "p99", "p99.9", "p99.99"];
    if let Some(digits) = QUANTILES.iter().position(|quantile| *quantile == value) {
        return Some((10f64.powi(digits as i32), value.to_owned()));
    }
    Some((value.parse().ok()?, numbers::count(value)))
}
