//! Which plots are made of a record: a row for each figure, and how cases become its panels.

use std::error::Error;

use serde::Deserialize;

use super::cases::{Case, Spread, contenders, group_by, is_bound};
use super::draw::{Lines, Series, bars};
use super::{numbers, palette};

/// A row of `figures.json`, which has them in the order of the parts.
#[derive(Deserialize)]
pub(super) struct Figure {
    pub(super) title: String,
    pub(super) caption: String,
    part: String,
    quantity: String,
    /// A key of the cases, and how its value has to begin.
    only: (String, String),
    shape: Shape,
    #[serde(skip)]
    pub(super) panels: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Shape {
    Bars {
        what: String,
        descending: bool,
    },
    /// A panel for all cases that differ in one key only.
    Lines(Axes),
}

#[derive(Deserialize)]
struct Axes {
    /// The key along the horizontal axis, on a log scale.
    key: String,
    horizontal: String,
    vertical: String,
    log: bool,
    /// Whether the values are ratios to the floor.
    to_floor: bool,
    /// Keys that the title of a panel leaves out.
    hide: Vec<String>,
    /// Whether the values are times in nanoseconds.
    times: bool,
}

fn specs() -> Vec<Figure> {
    serde_json::from_str(include_str!("figures.json")).expect("figures.json has this form")
}

pub(super) fn figures(cases: &[Case<'_>]) -> Result<Vec<Figure>, Box<dyn Error>> {
    let mut figures = specs();
    for figure in &mut figures {
        figure.panels = figure.panels(cases)?;
    }
    Ok(figures)
}

/// The plot for the README: the latency of lookups beside writers. None if that was not measured.
pub(super) fn of_the_tail(cases: &[Case<'_>]) -> Result<Option<String>, Box<dyn Error>> {
    let specs = specs();
    let axes = specs.iter().find_map(|spec| match &spec.shape {
        Shape::Lines(axes) if spec.part == "tail" => Some(axes),
        _ => None,
    });
    let axes = axes.expect("figures.json has the tail");
    let tail = cases.iter().filter(|c| c.is_of("tail", "latency of get"));
    let mut groups = group_by(tail, |case| case.key_without(&[&axes.key]));
    groups.retain(|group| group[0].value("writers") != "0");
    let four = |g: &&Vec<&Case<'_>>| g[0].value("writers") == "4";
    let Some(group) = groups.iter().find(four).or(groups.first()) else {
        return Ok(None);
    };
    let writers = group[0].value("writers");
    let title = format!("Latency of a lookup beside {writers} writers preempted in mid-work");
    let svg = lines(group, title, axes).draw()?;
    let (tag, rest) = svg.split_once('>').unwrap_or((&svg, ""));
    Ok(Some(format!(
        "{tag}><style>{}</style>{rest}",
        palette::dark_mode()
    )))
}

impl Figure {
    fn panels(&self, cases: &[Case<'_>]) -> Result<Vec<String>, Box<dyn Error>> {
        let (key, start) = &self.only;
        let fits =
            |c: &&Case<'_>| c.is_of(&self.part, &self.quantity) && c.value(key).starts_with(start);
        let fitting: Vec<_> = cases.iter().filter(fits).collect();
        match &self.shape {
            Shape::Bars { what, descending } => {
                let nearest = nearest_size(&fitting);
                let shown = fitting
                    .iter()
                    .filter(|c| *start != "mixed" || size(c) == nearest);
                let panel = |case: &&Case<'_>| {
                    let all = case.measurements.iter();
                    let all = all.map(|m| (m.contender.clone(), Spread::of(&m.samples)));
                    let mut all: Vec<_> = all.collect();
                    all.sort_by(|(_, a), (_, b)| a.median.total_cmp(&b.median));
                    if *descending {
                        all.reverse();
                    }
                    Ok(bars(&case.name_without(&["where"]), what, &all))
                };
                shown.map(panel).collect()
            }
            Shape::Lines(axes) => {
                let mut groups = group_by(fitting, |case| case.key_without(&[&axes.key]));
                groups.retain(|group| !axes.to_floor || group[0].floor().is_some());
                if groups.iter().any(|group| group.len() > 1) {
                    groups.retain(|group| group.len() > 1);
                }
                let hide: Vec<_> = axes.hide.iter().map(String::as_str).collect();
                let title = |group: &[&Case<'_>]| group[0].name_without(&hide);
                groups
                    .iter()
                    .map(|group| lines(group, title(group), axes).draw())
                    .collect()
            }
        }
    }
}

/// The number of sessions that is nearest to 100,000.
fn nearest_size(cases: &[&Case<'_>]) -> f64 {
    let distance = |sessions: f64| (sessions.log10() - 5.0).abs();
    let sizes = cases.iter().map(|c| size(c));
    sizes
        .min_by(|a, b| distance(*a).total_cmp(&distance(*b)))
        .unwrap_or(0.0)
}

fn size(case: &Case<'_>) -> f64 {
    case.value("sessions").parse().unwrap_or(f64::NAN)
}

/// A line for each contender of the cases.
fn lines(cases: &[&Case<'_>], title: String, axes: &Axes) -> Lines {
    let mut positions: Vec<_> = cases
        .iter()
        .filter_map(|c| position(c.value(&axes.key)))
        .collect();
    positions.sort_by(|(a, _), (b, _)| a.total_cmp(b));
    positions.dedup();
    let point = |case: &&Case<'_>, name: &str| {
        let seen = case.contender(name)?;
        let values = match axes.to_floor {
            true => seen.ratios_to(case.floor()?),
            false => seen.samples.clone(),
        };
        Some((position(case.value(&axes.key))?.0, Spread::of(&values)))
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
        horizontal: axes.horizontal.clone(),
        vertical: axes.vertical.clone(),
        log: axes.log,
        name: match axes.times {
            true => numbers::time,
            false => numbers::short,
        },
        positions,
        series,
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
