//! Plots of a record: which ones, and how they are drawn, by plotters as SVG.

use std::error::Error;

use plotters::coord::Shift;
use plotters::prelude::{
    BindKeyPoints, ChartBuilder, Circle, DashedLineSeries, DrawingArea, IntoDrawingArea,
    IntoLogRange, LineSeries, PathElement, SVGBackend, Text,
};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color, FontStyle, IntoFont, RGBColor, TextStyle};

use super::cases::{Case, Spread, contenders, group_by, is_bound, is_ours};
use super::numbers;

const WIDTH: u32 = 720;
const HEIGHT: u32 = 440;
/// Room for the names of the lines.
const NAMES: u32 = 222;
/// Room for titles.
const TOP: i32 = 62;

const fn rgb(hex: u32) -> RGBColor {
    RGBColor((hex >> 16) as u8, (hex >> 8) as u8, hex as u8)
}

const PAPER: RGBColor = rgb(0xFFFFFF);
const INK: RGBColor = rgb(0x1F2328);
const FAINT: RGBColor = rgb(0x59636E);
const GRID: RGBColor = rgb(0xDFE4E9);
const OURS: RGBColor = rgb(0x0066B2);

/// Of two ways to use ours, the one to look at.
const PINNED: &str = "rekindle, pinned";

/// Keeps the hues and turns light into dark.
const DARK_MODE: &str =
    "@media(prefers-color-scheme:dark){svg{filter:invert(0.93) hue-rotate(180deg)}}";

/// Told apart also with a colour vision deficiency (after Okabe and Ito).
const PEERS: [(&str, RGBColor); 9] = [
    ("dashmap", rgb(0xC77700)),
    ("scc", rgb(0xD55E00)),
    ("papaya", rgb(0xB45C8F)),
    ("quick_cache", rgb(0x008F6B)),
    ("moka", rgb(0x2E96CF)),
    ("TinyUFO", rgb(0x94850A)),
    ("Mutex<LruCache>", rgb(0x8A5A44)),
    ("rustls memory cache", rgb(0x6B5BA6)),
    ("OpenSSL internal cache", rgb(0x5F6B2E)),
];

/// The colour of a contender, the same in every plot and in each of its forms.
fn colour(contender: &str) -> RGBColor {
    let peer = match contender {
        "exact LRU" => "Mutex<LruCache>",
        "FIFO" => "dashmap",
        _ => contender.strip_suffix(", wiping").unwrap_or(contender),
    };
    let known = PEERS.iter().find(|(name, _)| *name == peer);
    match known {
        Some((_, colour)) => *colour,
        None if is_ours(contender) => OURS,
        None => FAINT,
    }
}

/// A figure: a panel for all cases that differ in one key only, in it a line for each contender.
pub(super) struct Figure {
    pub(super) title: &'static str,
    pub(super) caption: &'static str,
    /// The part and the quantity.
    of: [&'static str; 2],
    /// A key of the cases, and how its value has to begin.
    only: [&'static str; 2],
    /// The key along the horizontal axis, and what it is called there.
    key: [&'static str; 2],
    vertical: &'static str,
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
        vertical: "hits, % of requests, log scale",
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
    TAIL.draw(group, &title).map(Some)
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
        let draw = |group: &Vec<&Case<'_>>| self.draw(group, &title(group));
        groups.iter().map(draw).collect()
    }

    fn groups<'c, 'a>(&self, cases: &'c [Case<'a>]) -> Vec<Vec<&'c Case<'a>>> {
        let ([part, quantity], [key, start]) = (self.of, self.only);
        let fits = |c: &&Case<'_>| c.is_of(part, quantity) && c.value(key).starts_with(start);
        group_by(cases.iter().filter(fits), |case| {
            case.key_without(&[self.key[0]])
        })
    }

    /// Draws one panel, under two titles, the first of which is also for readers that cannot see
    /// it.
    fn draw(&self, cases: &[&Case<'_>], title: &str) -> Result<String, Box<dyn Error>> {
        let (positions, series) = (self.positions(cases), self.series(cases));
        let mut svg = String::new();
        let area = SVGBackend::with_string(&mut svg, (WIDTH, HEIGHT)).into_drawing_area();
        area.fill(&PAPER)?;
        let bold = ("system-ui, sans-serif", 19, FontStyle::Bold).into_font();
        area.draw(&Text::new(title, (12, 10), bold.color(&INK)))?;
        area.draw(&Text::new(self.vertical, (12, 32), text(FAINT)))?;

        let (first, last) = ends(positions.iter().map(|(position, _)| *position));
        let (least, greatest) = ends(series.iter().flat_map(Series::medians));
        let (low, high) = (least / 1.1, greatest * 1.1);
        let along = (first / 1.1..last * 1.1).log_scale();
        let up = (low..high)
            .log_scale()
            .with_key_points(round_values(low, high));
        let mut chart = ChartBuilder::on(&area)
            .margin_top(TOP)
            .margin_right(NAMES)
            .margin_left(4)
            .margin_bottom(6)
            .x_label_area_size(48)
            .y_label_area_size(64)
            .build_cartesian_2d(
                along.with_key_points(positions.iter().map(|(p, _)| *p).collect()),
                up,
            )?;
        let name_of = |position: &f64| {
            let known = positions.iter().find(|(p, _)| p == position);
            known.map_or_else(String::new, |(_, name)| name.clone())
        };
        chart
            .configure_mesh()
            .disable_x_mesh()
            .bold_line_style(GRID)
            .light_line_style(PAPER)
            .axis_style(GRID)
            .x_desc(self.key[1])
            .axis_desc_style(text(FAINT))
            .label_style(text(FAINT))
            .x_label_formatter(&name_of)
            .y_label_formatter(&|value| without_zeros((self.name)(*value)))
            .draw()?;
        let has_pinned = series.iter().any(|s| s.name == PINNED);
        for one in &series {
            let colour = colour(one.name);
            let stands_out = is_ours(one.name) && (!has_pinned || one.name == PINNED);
            let (width, radius) = if stands_out { (4, 5) } else { (2, 3) };
            let points = one.points.iter().map(|(at, seen)| (*at, seen.median));
            let style = colour.stroke_width(width);
            if is_bound(one.name) {
                chart.draw_series(DashedLineSeries::new(points.clone(), 6, 4, style))?;
            } else {
                chart.draw_series(LineSeries::new(points.clone(), style))?;
            }
            let quartiles = |(position, seen): &(f64, Spread)| {
                let spread = [(*position, seen.low), (*position, seen.high)];
                PathElement::new(spread, colour.stroke_width(1))
            };
            chart.draw_series(one.points.iter().map(quartiles))?;
            chart.draw_series(points.map(|p| Circle::new(p, radius, colour.filled())))?;
        }
        self.name_lines(&area, &series)?;
        area.present()?;
        drop((chart, area));
        let (tag, rest) = svg.split_once('>').unwrap_or((&svg, ""));
        Ok(format!(
            "{tag} role=\"img\"><title>{title}</title><style>{DARK_MODE}</style>{rest}"
        ))
    }

    /// Writes each line's name and last value beside the plot, the greatest on top.
    fn name_lines(&self, area: &Area<'_>, series: &[Series<'_>]) -> Result<(), Box<dyn Error>> {
        let mut names: Vec<_> = series
            .iter()
            .map(|s| (s.name, s.medians().last()))
            .collect();
        names.sort_by(|(_, a), (_, b)| b.partial_cmp(a).expect("numbers"));
        let left = (WIDTH - NAMES) as i32 + 10;
        for (y, (name, last)) in (TOP + 10..).step_by(22).zip(names) {
            let line = [(left, y), (left + 14, y)];
            area.draw(&PathElement::new(line, colour(name).stroke_width(3)))?;
            let label = format!("{name} {}", last.map_or_else(String::new, self.name));
            let weight = [FontStyle::Normal, FontStyle::Bold][usize::from(is_ours(name))];
            let style = ("system-ui, sans-serif", 16, weight)
                .into_font()
                .color(&colour(name));
            let style = style.pos(Pos::new(HPos::Left, VPos::Center));
            area.draw(&Text::new(label, (left + 20, y), style))?;
        }
        Ok(())
    }

    /// The positions on the horizontal axis, in ascending order, with their names.
    fn positions(&self, cases: &[&Case<'_>]) -> Vec<(f64, String)> {
        let all = cases
            .iter()
            .filter_map(|case| position(case.value(self.key[0])));
        let mut positions: Vec<_> = all.collect();
        positions.sort_by(|(a, _), (b, _)| a.total_cmp(b));
        positions.dedup();
        positions
    }

    /// A line for each contender: bounds behind the others, ours in front.
    fn series<'a>(&self, cases: &[&Case<'a>]) -> Vec<Series<'a>> {
        let point = |case: &&Case<'_>, name: &str| {
            let seen = case.contender(name)?;
            let values = match self.to_floor {
                true => seen.ratios_to(case.floor()?),
                false => seen.samples.clone(),
            };
            Some((position(case.value(self.key[0]))?.0, Spread::of(&values)))
        };
        let line = |name: &&'a str| {
            let mut points: Vec<_> = cases.iter().filter_map(|case| point(case, name)).collect();
            points.sort_by(|(a, _), (b, _)| a.total_cmp(b));
            (!points.is_empty()).then_some(Series { name, points })
        };
        let mut series: Vec<_> = contenders(cases).iter().filter_map(line).collect();
        series.sort_by_key(|series| (is_ours(series.name), !is_bound(series.name)));
        series
    }
}

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

struct Series<'a> {
    name: &'a str,
    /// Positions and what was seen there; at least one.
    points: Vec<(f64, Spread)>,
}

impl Series<'_> {
    fn medians(&self) -> impl Iterator<Item = f64> {
        self.points.iter().map(|(_, seen)| seen.median)
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

/// `60` for `60.0`.
fn without_zeros(text: String) -> String {
    let cut = text.strip_suffix(".00").or(text.strip_suffix(".0"));
    cut.map_or(text.clone(), str::to_owned)
}

/// The least and the greatest; on a log scale, what is not above zero lies nowhere.
fn ends(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let values = values.filter(|v| v.is_finite() && *v > 0.0);
    let (least, greatest) = values.fold((f64::MAX, 0.0), |(l, g), v| (v.min(l), v.max(g)));
    match least > greatest {
        true => (1.0, 1.0),
        false => (least, greatest),
    }
}

/// A handful of round values: fewer for each decade where there are more decades.
fn round_values(least: f64, greatest: f64) -> Vec<f64> {
    let digits: &[f64] = match (greatest / least).log10() {
        decades if decades < 0.8 => &[1.0, 1.2, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0],
        decades if decades < 2.5 => &[1.0, 2.0, 5.0],
        _ => &[1.0],
    };
    let powers = least.log10().floor() as i32..=greatest.log10().ceil() as i32;
    let all = powers.flat_map(|p| digits.iter().map(move |d| d * 10f64.powi(p)));
    all.filter(|v| (least..=greatest).contains(v)).collect()
}

fn text(tone: RGBColor) -> TextStyle<'static> {
    ("system-ui, sans-serif", 16).into_font().color(&tone)
}
