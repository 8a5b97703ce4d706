//! Plots: lines over axes as SVG, by plotters.

use std::error::Error;

use plotters::coord::Shift;
use plotters::coord::ranged1d::{AsRangedCoord, Ranged, ValueFormatter};
use plotters::prelude::{
    BindKeyPoints, ChartBuilder, Circle, DashedLineSeries, DrawingArea, IntoDrawingArea,
    IntoLogRange, LineSeries, PathElement, SVGBackend, Text,
};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color, FontStyle, IntoFont, RGBColor, TextStyle};

use super::cases::{Spread, is_bound, is_ours};

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

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Drawn = Result<(), Box<dyn Error>>;

/// A plot of lines.
pub(super) struct Lines {
    pub(super) title: String,
    pub(super) horizontal: &'static str,
    pub(super) vertical: &'static str,
    /// Whether the vertical axis has a log scale.
    pub(super) log: bool,
    /// Writes a value of the vertical axis.
    pub(super) name: fn(f64) -> String,
    /// The positions on the horizontal axis, in ascending order, with their names.
    pub(super) positions: Vec<(f64, String)>,
    pub(super) series: Vec<Series>,
}

pub(super) struct Series {
    pub(super) name: String,
    /// Positions and what was seen there; at least one.
    pub(super) points: Vec<(f64, Spread)>,
}

impl Lines {
    pub(super) fn draw(&self) -> Result<String, Box<dyn Error>> {
        svg(&self.title, self.vertical, |area| {
            let seen = self.series.iter().flat_map(|s| &s.points);
            let (least, greatest) = ends(seen.map(|(_, seen)| seen.median));
            if self.log {
                let (low, high) = (least / 1.1, greatest * 1.1);
                let values = (low..high)
                    .log_scale()
                    .with_key_points(round_values(low, high));
                self.draw_over(area, values)?;
            } else {
                let room = 0.05 * (greatest - least).max(1.0);
                self.draw_over(area, least - room..greatest + room)?;
            }
            self.draw_names(area)
        })
    }

    fn draw_over<Y>(&self, area: &Area<'_>, values: Y) -> Drawn
    where
        Y: AsRangedCoord<Value = f64>,
        Y::CoordDescType: Ranged<ValueType = f64> + ValueFormatter<f64>,
    {
        let (first, last) = ends(self.positions.iter().map(|(position, _)| *position));
        let positions = (first / 1.1..last * 1.1).log_scale();
        let positions = positions.with_key_points(self.positions.iter().map(|(p, _)| *p).collect());
        let name_of = |position: &f64| {
            let known = self.positions.iter().find(|(p, _)| p == position);
            known.map_or_else(String::new, |(_, name)| name.clone())
        };
        let mut chart = ChartBuilder::on(area)
            .margin_top(TOP)
            .margin_right(NAMES)
            .margin_left(4)
            .margin_bottom(6)
            .x_label_area_size(48)
            .y_label_area_size(64)
            .build_cartesian_2d(positions, values)?;
        chart
            .configure_mesh()
            .disable_x_mesh()
            .bold_line_style(GRID)
            .light_line_style(PAPER)
            .axis_style(GRID)
            .x_desc(self.horizontal)
            .axis_desc_style(text(16, FAINT))
            .label_style(text(16, FAINT))
            .x_label_formatter(&name_of)
            .y_label_formatter(&|value| without_zeros((self.name)(*value)))
            .draw()?;
        // Ours last, in front of the others.
        let (ours, theirs): (Vec<_>, Vec<_>) = self.series.iter().partition(|s| is_ours(&s.name));
        for series in theirs.into_iter().chain(ours) {
            let tone = colour(&series.name);
            let stands_out = self.stands_out(&series.name);
            let (width, radius) = if stands_out { (4, 5) } else { (2, 3) };
            let points = series.points.iter().map(|(at, seen)| (*at, seen.median));
            if is_bound(&series.name) {
                let line = DashedLineSeries::new(points.clone(), 6, 4, tone.stroke_width(width));
                chart.draw_series(line)?;
            } else {
                chart.draw_series(LineSeries::new(points.clone(), tone.stroke_width(width)))?;
            }
            let quartiles = |(position, seen): &(f64, Spread)| {
                let spread = [(*position, seen.low), (*position, seen.high)];
                PathElement::new(spread, tone.stroke_width(1))
            };
            chart.draw_series(series.points.iter().map(quartiles))?;
            chart.draw_series(points.map(|p| Circle::new(p, radius, tone.filled())))?;
        }
        Ok(())
    }

    /// Whether a line is the one to look at: ours, and of two ways to use it the pinned one.
    fn stands_out(&self, name: &str) -> bool {
        let pinned = "rekindle, pinned";
        let has_pinned = self.series.iter().any(|s| s.name == pinned);
        is_ours(name) && (!has_pinned || name == pinned)
    }

    /// Writes the name and last value of each line beside the plot, the greatest on top.
    fn draw_names(&self, area: &Area<'_>) -> Drawn {
        let last = |series: &Series| series.points[series.points.len() - 1].1.median;
        let mut series: Vec<_> = self.series.iter().collect();
        series.sort_by(|a, b| last(b).total_cmp(&last(a)));
        let left = (WIDTH - NAMES) as i32 + 10;
        for (row, series) in series.into_iter().enumerate() {
            let (tone, y) = (colour(&series.name), TOP + 10 + 22 * row as i32);
            let line = [(left, y), (left + 14, y)];
            area.draw(&PathElement::new(line, tone.stroke_width(3)))?;
            let label = format!("{} {}", series.name, (self.name)(last(series)));
            let style = named(tone, is_ours(&series.name));
            area.draw(&Text::new(label, (left + 20, y), style))?;
        }
        Ok(())
    }
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

/// Draws under two titles, of which the first is also for readers that cannot see the plot.
fn svg(
    title: &str,
    below: &str,
    draw: impl FnOnce(&Area<'_>) -> Drawn,
) -> Result<String, Box<dyn Error>> {
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, (WIDTH, HEIGHT)).into_drawing_area();
        area.fill(&PAPER)?;
        let bold = ("system-ui, sans-serif", 19, FontStyle::Bold).into_font();
        area.draw(&Text::new(title, (12, 10), bold.color(&INK)))?;
        area.draw(&Text::new(below, (12, 32), text(16, FAINT)))?;
        draw(&area)?;
        area.present()?;
    }
    let (tag, rest) = svg.split_once('>').unwrap_or((&svg, ""));
    Ok(format!(
        "{tag} role=\"img\"><title>{title}</title><style>{DARK_MODE}</style>{rest}"
    ))
}

fn text(size: i32, tone: RGBColor) -> TextStyle<'static> {
    ("system-ui, sans-serif", size).into_font().color(&tone)
}

/// A name beside a point, at its height.
fn named(tone: RGBColor, bold: bool) -> TextStyle<'static> {
    let weight = [FontStyle::Normal, FontStyle::Bold][usize::from(bold)];
    let font = ("system-ui, sans-serif", 16, weight).into_font();
    font.color(&tone).pos(Pos::new(HPos::Left, VPos::Center))
}
