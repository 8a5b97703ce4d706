//! Which plots are drawn from a record.

mod axis;
mod bars;
mod lines;
mod palette;
mod text;

use std::collections::BTreeMap;
use std::error::Error;

use axis::Scale;
use bars::Bars;
use lines::{Format, Lines, Series};
pub(super) use palette::dark_mode;

use super::cases::{Case, Spread, is_bound};
use super::numbers;

/// Plots of one kind, beside each other.
pub(super) struct Figure {
    pub(super) title: &'static str,
    /// What is seen, and how to read it.
    pub(super) caption: &'static str,
    /// SVG; none if the record has nothing to draw.
    pub(super) panels: Vec<String>,
}

type Drawn = Result<Vec<String>, Box<dyn Error>>;

/// All figures, in the order of the parts.
pub(super) fn figures(cases: &[Case<'_>]) -> Result<Vec<Figure>, Box<dyn Error>> {
    let figure = |title, caption, panels: Drawn| -> Result<Figure, Box<dyn Error>> {
        Ok(Figure {
            title,
            caption,
            panels: panels?,
        })
    };
    Ok(vec![
        figure(
            "Lookups: how far from the floor",
            "Time of a lookup whose key depends on the lookup before, as a ratio to a table that \
             touches the same memory without any synchronisation. Lower is better; thin upright \
             lines are the quartiles over the rounds.",
            growth(cases),
        )?,
        figure(
            "Lookups mixed with inserts",
            "Time of an operation on each thread while new sessions push out old ones. Lower is \
             better; the dark line across the end of a bar goes from quartile to quartile. Maps do \
             not evict: each insert removes an older session.",
            mixes(cases),
        )?,
        figure(
            "Latency of a lookup beside writers",
            "How long the slowest lookups take while writers at idle priority are preempted in the \
             middle of their work. Lower and flatter is better.",
            tail(cases),
        )?,
        figure(
            "Hit ratio",
            "Share of requests that find their session. The dashed line is the offline optimum, \
             which knows the future: no cache can be above it.",
            hits(cases),
        )?,
        figure(
            "Memory",
            "Resident bytes for each session beyond its encoded bytes. Lower is better.",
            memory(cases),
        )?,
        figure(
            "Session tickets",
            "Time to seal or open one ticket through OpenSSL. Lower is better.",
            tickets(cases),
        )?,
        figure(
            "Handshakes over loopback",
            "Handshakes per second against each server, alike in configuration and cores, by one \
             load generator. Higher is better.",
            handshakes(cases, "loopback"),
        )?,
        figure(
            "Handshakes in process",
            "Handshakes per second without a network, both sides in one process. Higher is better.",
            handshakes(cases, "in process"),
        )?,
    ])
}

/// The plot for the README: the latency of lookups beside writers. None if that was not measured.
pub(super) fn of_the_tail(cases: &[Case<'_>]) -> Result<Option<String>, Box<dyn Error>> {
    let mut groups = groups(cases, "tail", "latency of get", &["quantile"]);
    groups.retain(|group| group[0].value("writers") != "0");
    let four = |g: &&Vec<&Case<'_>>| g[0].value("writers") == "4";
    let Some(group) = groups.iter().find(four).or(groups.first()) else {
        return Ok(None);
    };
    let writers = group[0].value("writers");
    let mut plot = tail_of(group);
    plot.title = format!("Latency of a lookup beside {writers} writers preempted in mid-work");
    let svg = plot.draw()?;
    let (tag, rest) = svg.split_once('>').unwrap_or((&svg, ""));
    Ok(Some(format!("{tag}><style>{}</style>{rest}", dark_mode())))
}

fn growth(cases: &[Case<'_>]) -> Drawn {
    let load = "get_buffer, dependent keys";
    let mut groups = groups(cases, "engine", "time per operation", &["sessions"]);
    groups.retain(|group| group[0].value("load") == load && group[0].floor().is_some());
    if groups.iter().any(|group| group.len() > 1) {
        groups.retain(|group| group.len() > 1);
    }
    let plot = |group: &Vec<&Case<'_>>| {
        lines(
            group,
            |case| number(case.value("sessions")),
            |case, contender| {
                let floor = case.floor()?;
                Some(Spread::of(&case.contender(contender)?.ratios_to(floor)))
            },
            Lines {
                title: group[0].name_without(&["load", "sessions"]),
                vertical: "ratio to the floor, log scale".to_owned(),
                scale: Scale::Log,
                format: Format::NUMBER,
                horizontal: "sessions".to_owned(),
                place_scale: Scale::Log,
                places: places(group, "sessions"),
                series: Vec::new(),
            },
        )
        .draw()
    };
    groups.iter().map(plot).collect()
}

fn mixes(cases: &[Case<'_>]) -> Drawn {
    let mixed = |c: &&Case<'_>| {
        c.is_of("engine", "time per operation") && c.value("load").starts_with("mixed")
    };
    let all: Vec<_> = cases.iter().filter(mixed).collect();
    // One size is enough for a picture; the tables have the others.
    let distance = |c: &Case<'_>| (number(c.value("sessions")).log10() - 5.0).abs();
    let least = all.iter().map(|c| distance(c)).fold(f64::MAX, f64::min);
    let shown = all.iter().filter(|c| distance(c) <= least);
    shown
        .map(|case| bars(case, "ns per operation and thread", Best::Least))
        .collect()
}

fn tail(cases: &[Case<'_>]) -> Drawn {
    let groups = groups(cases, "tail", "latency of get", &["quantile"]);
    groups.iter().map(|group| tail_of(group).draw()).collect()
}

fn tail_of(group: &[&Case<'_>]) -> Lines {
    const QUANTILES: [&str; 4] = ["p50", "p99", "p99.9", "p99.99"];
    let place = |case: &Case<'_>| {
        let found = QUANTILES.iter().position(|q| *q == case.value("quantile"));
        found.map_or(f64::NAN, |i| i as f64)
    };
    let shown = group.iter().copied().filter(|c| !place(c).is_nan());
    let shown: Vec<_> = shown.collect();
    let names = QUANTILES.iter().enumerate();
    let title = group[0].name_without(&["quantile"]);
    lines(
        &shown,
        place,
        absolute,
        Lines {
            title,
            vertical: "time of a lookup, log scale".to_owned(),
            scale: Scale::Log,
            format: Format::TIME,
            horizontal: "percentile of lookups".to_owned(),
            place_scale: Scale::Linear,
            places: names
                .map(|(i, name)| (i as f64, (*name).to_owned()))
                .collect(),
            series: Vec::new(),
        },
    )
}

fn hits(cases: &[Case<'_>]) -> Drawn {
    let plot = |group: &Vec<&Case<'_>>| {
        lines(
            group,
            |case| number(case.value("capacity %")),
            absolute,
            Lines {
                title: group[0].value("stream").to_owned(),
                vertical: "hits, % of requests".to_owned(),
                scale: Scale::Linear,
                format: Format::NUMBER,
                horizontal: "capacity, % of all sessions, log scale".to_owned(),
                place_scale: Scale::Log,
                places: places(group, "capacity %"),
                series: Vec::new(),
            },
        )
        .draw()
    };
    groups(cases, "hit-ratio", "hits", &["capacity %"])
        .iter()
        .map(plot)
        .collect()
}

fn memory(cases: &[Case<'_>]) -> Drawn {
    let overheads = cases.iter().filter(|c| c.is_of("memory", "overhead"));
    overheads
        .map(|case| bars(case, "bytes for each session", Best::Least))
        .collect()
}

fn tickets(cases: &[Case<'_>]) -> Drawn {
    let times = cases
        .iter()
        .filter(|c| c.is_of("tickets", "time per ticket"));
    times
        .map(|case| bars(case, "ns per ticket", Best::Least))
        .collect()
}

fn handshakes(cases: &[Case<'_>], place: &str) -> Drawn {
    let rates = cases
        .iter()
        .filter(|c| c.is_of("handshake", "handshakes per second"));
    let rates = rates.filter(|c| c.value("where") == place);
    rates
        .map(|case| bars(case, "handshakes per second", Best::Greatest))
        .collect()
}

/// Which of two values is on top.
#[derive(Clone, Copy)]
enum Best {
    Least,
    Greatest,
}

fn bars(case: &Case<'_>, what: &str, best: Best) -> Result<String, Box<dyn Error>> {
    let measurements = case.measurements.iter();
    let mut bars: Vec<_> = measurements
        .map(|m| (m.contender.clone(), Spread::of(&m.samples)))
        .collect();
    bars.sort_by(|(_, a), (_, b)| match best {
        Best::Least => a.median.total_cmp(&b.median),
        Best::Greatest => b.median.total_cmp(&a.median),
    });
    let plot = Bars {
        title: case.name_without(&["where"]),
        what: what.to_owned(),
        bars,
    };
    plot.draw()
}

/// Cases of a quantity that differ in the given keys only.
fn groups<'c, 'a>(
    cases: &'c [Case<'a>],
    part: &str,
    quantity: &str,
    but_for: &[&str],
) -> Vec<Vec<&'c Case<'a>>> {
    let mut groups: Vec<Vec<&Case<'_>>> = Vec::new();
    let mut known = BTreeMap::new();
    for case in cases.iter().filter(|c| c.is_of(part, quantity)) {
        let group = *known
            .entry(case.key_without(but_for))
            .or_insert(groups.len());
        match groups.get_mut(group) {
            Some(group) => group.push(case),
            None => groups.push(vec![case]),
        }
    }
    groups
}

/// Fills in a line for each contender of the cases, in the order in which they are met.
fn lines(
    cases: &[&Case<'_>],
    place: impl Fn(&Case<'_>) -> f64,
    seen: impl Fn(&Case<'_>, &str) -> Option<Spread>,
    mut plot: Lines,
) -> Lines {
    let mut names: Vec<&str> = Vec::new();
    for measurement in cases.iter().flat_map(|c| &c.measurements) {
        if !names.contains(&&*measurement.contender) {
            names.push(&measurement.contender);
        }
    }
    for name in names {
        let points = cases
            .iter()
            .filter_map(|c| Some((place(c), seen(c, name)?)));
        let mut points: Vec<_> = points.collect();
        points.sort_by(|(a, _), (b, _)| a.total_cmp(b));
        if !points.is_empty() {
            let name = name.to_owned();
            plot.series.push(Series { name, points });
        }
    }
    // Bounds behind everything else.
    plot.series.sort_by_key(|series| !is_bound(&series.name));
    plot
}

fn absolute(case: &Case<'_>, contender: &str) -> Option<Spread> {
    Some(Spread::of(&case.contender(contender)?.samples))
}

/// The values that cases have for a key, in ascending order, with their places.
fn places(cases: &[&Case<'_>], key: &str) -> Vec<(f64, String)> {
    let values = cases.iter().map(|c| c.value(key));
    let mut places: Vec<_> = values.map(|v| (number(v), numbers::count(v))).collect();
    places.sort_by(|(a, _), (b, _)| a.total_cmp(b));
    places.dedup();
    places
}

fn number(digits: &str) -> f64 {
    digits.parse().unwrap_or(f64::NAN)
}
